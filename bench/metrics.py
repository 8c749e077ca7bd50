"""Check the metrics against published figures, and time them beside what a user would pick instead.

    python bench/metrics.py --oracles FOLDER --out results/oracles.csv --speed results/metrics_speed.csv

``FOLDER`` holds published score files (``scores/``: ASVspoof 2019 LA, In-the-Wild, the ASVspoof 5 fusion demo); they
are not part of the project. Each figure stands beside the published one (metric ``… (published)``).
Rates are fractions.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from earwitness import metrics
from earwitness.evaluate.asv import read_asv
from earwitness.evaluate.bootstrap import intervals
from earwitness.evaluate.calibration import calibrate_scores
from earwitness.evaluate.keys import read_key
from earwitness.evaluate.measures import Measures
from earwitness.evaluate.rows import ResultRow, append_rows, machine_name
from earwitness.evaluate.score_files import read_scores
from earwitness.evaluate.scores import Scores
from earwitness.train.history import revision

LA = {  # file: direction, EER by the challenge, EER interpolated, min t-DCF of 2019
    "rawgat-st-mul": ("bonafide", 0.01060, 0.010605, 0.0335),
    "rawgat-st-add": ("bonafide", 0.01159, 0.011615, 0.0374),
    "rawgat-st-cat": ("bonafide", 0.01235, 0.012335, 0.0388),
    "air-ocsoftmax": ("spoof", 0.02178, 0.021806, 0.0558),
    "air-amsoftmax": ("bonafide", 0.03165, 0.031621, 0.0771),
    "air-softmax": ("bonafide", 0.05058, 0.050578, 0.1208),
}
WILD = {  # file: EER by the challenge, EER interpolated, minDCF, Cllr as released, Cllr after 25 + 25 clips
    "xlsr-sls": (0.07464, 0.074645, 0.202, 3.07, 0.305),
    "xlsr-mamba": (0.06709, 0.067074, 0.173, 1.02, 0.316),
}
DRAWS = 50

Figure = tuple[str, float, float]


def asvspoof2019(folder: Path) -> Iterator[tuple[str, str, list[Figure], float]]:
    """Each published system on the evaluation set of ASVspoof 2019 LA."""
    verifier = read_asv(folder / "asvspoof2019-la-eval.asv.txt.gz")
    for name, (direction, challenge, interpolated, tandem) in LA.items():
        start = time.perf_counter()
        s = read_scores(folder / f"asvspoof2019-la-eval.{name}.txt.gz", direction=direction)  # type: ignore[arg-type]
        found = [
            ("eer_asvspoof", metrics.eer(s.scores, s.truth, convention="asvspoof"), challenge),
            ("eer", metrics.eer(s.scores, s.truth), interpolated),
            ("min_tdcf_2019", metrics.min_tdcf(s.scores, s.truth, verifier), tandem),
            ("asv_eer", (verifier.miss + verifier.false_alarm) / 2, 0.02458),
        ]
        yield name, "asvspoof2019-la", found, time.perf_counter() - start


def in_the_wild(folder: Path) -> Iterator[tuple[str, str, list[Figure], float]]:
    """Both public detectors on In-the-Wild, as released and after a calibration on 25 + 25 clips."""
    key = read_key(folder / "in-the-wild.key.csv.gz")
    for name, (challenge, interpolated, cost, bits, after) in WILD.items():
        start = time.perf_counter()
        s = read_scores(folder / f"in-the-wild.{name}.txt.gz", direction="bonafide").keyed(key)
        found = [
            ("eer_asvspoof", metrics.eer(s.scores, s.truth, convention="asvspoof"), challenge),
            ("eer", metrics.eer(s.scores, s.truth), interpolated),
            ("min_dcf", metrics.min_dcf(s.scores, s.truth), cost),
            ("cllr", metrics.cllr(s.scores, s.truth), bits),
            ("cllr after 25 + 25 clips", calibrated(s), after),
        ]
        yield name, "in-the-wild", found, time.perf_counter() - start


def calibrated(s: Scores) -> float:
    """Median Cllr of all other clips, over random draws of 25 + 25 clips for the calibration."""
    found = []
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        chosen = np.zeros(len(s), dtype=bool)
        for side in (s.truth, ~s.truth):
            chosen[rng.choice(np.flatnonzero(side), 25, replace=False)] = True
        fitted = calibrate_scores(s.scores[chosen], s.truth[chosen], repeats=1).map
        found.append(metrics.cllr(fitted.apply(s.scores[~chosen]), s.truth[~chosen]))
    return float(np.median(found))


def asvspoof5(folder: Path) -> Iterator[tuple[str, str, list[Figure], float]]:
    """The fusion demo of ASVspoof 5: countermeasure and verifier on the same trials."""
    start = time.perf_counter()
    with gzip.open(folder / "asvspoof5-dev-fusion.csv.gz", "rt", encoding="utf-8") as file:
        rows = np.array([[float(v) for v in row.values()] for row in csv.DictReader(file)])
    asv, cm, role = rows.T
    target, other, spoof = (asv[role == r] for r in (1, 2, 0))
    others, fakes = (np.arange(len(target) + len(g)) >= len(target) for g in (other, spoof))
    sets = {
        "cm": (-cm, role == 0, 0.006197, 0.006205),
        "target v non-target": (-np.append(target, other), others, 0.018709, 0.018551),
        "target v spoof": (-np.append(target, spoof), fakes, 0.202823, 0.202830),
    }
    found = []
    for name, (scores, labels, challenge, interpolated) in sets.items():
        found.append((f"eer_asvspoof ({name})", metrics.eer(scores, labels, convention="asvspoof"), challenge))
        found.append((f"eer ({name})", metrics.eer(scores, labels), interpolated))
    found.append(("min_dcf (cm)", metrics.min_dcf(-cm, role == 0), 0.01632))
    yield "fusion-demo", "asvspoof5", found, time.perf_counter() - start


def oracles(folder: Path) -> list[ResultRow]:
    """Our figure and the published one, two rows each."""
    rows, commit = [], revision()[:7]
    scores = folder / "scores"
    for system, dataset, figures, seconds in (*asvspoof2019(scores), *in_the_wild(scores), *asvspoof5(scores)):
        split = "dev" if dataset == "asvspoof5" else "eval"
        for name, ours, published in figures:
            row = ResultRow(system, commit, dataset, split, "", name, ours, seconds=seconds, machine=machine_name())
            rows += [row, replace(row, metric=f"{name} (published)", value=published, seconds=None, machine="")]
            print(f"{dataset:16} {system:14} {name:32} {ours:10.6f} published {published:g}")
    return rows


def seconds_of(work: Callable[[], Any]) -> float:
    """CPU seconds, the best of three."""
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def speed() -> list[ResultRow]:
    """CPU seconds of EER and AUC on 700,000 trials and of a thousand draws on 30,000, beside scikit-learn."""
    from sklearn.metrics import roc_auc_score, roc_curve

    rng = np.random.default_rng(0)
    labels = rng.random(700_000) < 0.5
    scores = rng.normal(size=700_000) + labels
    few = np.arange(30_000)
    words = np.where(labels[few], "spoof", "bonafide")
    small = Scores.of(few.astype(str), scores[few], words, meta={"source": [f"s{i % 60}" for i in few]})

    def theirs_eer() -> float:
        alarm, hit, _ = roc_curve(labels, scores)
        return float(alarm[np.argmin(np.abs(1 - hit - alarm))])

    def their_bootstrap() -> None:
        for _ in range(20):
            drawn = rng.integers(0, len(few), len(few))
            alarm, hit, _ = roc_curve(labels[drawn], scores[drawn])
            np.argmin(np.abs(1 - hit - alarm))
            roc_auc_score(labels[drawn], scores[drawn])

    timed = {
        ("earwitness", "700,000 trials", "eer_seconds"): seconds_of(lambda: metrics.eer(scores, labels)),
        ("scikit-learn", "700,000 trials", "eer_seconds"): seconds_of(theirs_eer),
        ("earwitness", "700,000 trials", "auc_seconds"): seconds_of(lambda: metrics.auc(scores, labels)),
        ("scikit-learn", "700,000 trials", "auc_seconds"): seconds_of(lambda: roc_auc_score(labels, scores)),
        ("earwitness", "30,000 trials", "bootstrap_1000_eer_auc_seconds"): seconds_of(
            lambda: intervals(Measures(small), ["eer", "auc"], draws=1000)
        ),
        # twenty draws are timed and taken times fifty: the whole would take minutes
        ("scikit-learn", "30,000 trials", "bootstrap_1000_eer_auc_seconds"): 50 * seconds_of(their_bootstrap),
    }
    rows, commit = [], revision()[:7]
    for (recipe, dataset, metric), value in timed.items():
        print(f"{dataset:16} {recipe:14} {metric:32} {value:10.3f} s")
        rows.append(ResultRow(recipe, commit, dataset, "", "", metric, value, machine=machine_name()))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--oracles", type=Path, help="folder with the published score files")
    parser.add_argument("--out", type=Path, help="results file of the comparison with published figures")
    parser.add_argument("--speed", type=Path, help="results file of the timings")
    given = parser.parse_args()
    if given.oracles is None and given.speed is None:
        parser.error("give --oracles FOLDER, --speed FILE, or both")
    if given.oracles is not None:
        rows = oracles(given.oracles)
        if given.out is not None:
            append_rows(given.out, rows)
    if given.speed is not None:
        append_rows(given.speed, speed())
    return 0


if __name__ == "__main__":
    sys.exit(main())
