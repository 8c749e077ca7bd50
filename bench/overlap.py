"""What overlap of windows is worth: scores and time of long recordings with windows every 2, 3 and 4 s.

    python bench/overlap.py MANIFEST --root CORPUS [--split dev] [--detector FOLDER] --out results/overlap.csv

The corpus has clips of a few seconds, in which the distance of windows changes nothing. So the clips of one source,
system and label are joined, in the order of their ids with .3 s of silence between, to recordings of 12 to 30 s. EERs
are of the joined recordings, with intervals clustered by source; the largest and the mean change of the log-likelihood
ratio are against windows every 2 s; costs are CPU seconds of one thread per hour of audio, network and gate included.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earwitness import metrics
from earwitness.audio import SAMPLE_RATE, decode
from earwitness.data.manifest import Manifest, read_manifest
from earwitness.detector import Detector, load_detector
from earwitness.evaluate.rows import ResultRow, append_rows, machine_name
from earwitness.train.history import revision

HOPS = (2.0, 3.0, 4.0)
LEAST, MOST, PAUSE = 12.0, 30.0, 0.3
DRAWS = 1000


@dataclass(frozen=True)
class Joined:
    """Several clips as one recording."""

    samples: NDArray[np.float32]
    spoof: bool
    source: str


def joined(rows: Manifest) -> Iterator[Joined]:
    """Recordings of 12 to 30 s from clips of one source, system and label."""
    groups: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        groups[row.source, row.system, row.label].append(index)
    pause = np.zeros(round(PAUSE * SAMPLE_RATE), dtype=np.float32)
    for (source, _, label), members in sorted(groups.items()):
        parts: list[NDArray[np.float32]] = []
        length = 0.0
        for index in members:
            samples = decode(rows.file(rows[index])).samples
            if length + samples.size / SAMPLE_RATE > MOST:
                yield Joined(np.concatenate(parts), label == "spoof", source)
                parts, length = [], 0.0
            parts += [samples, pause]
            length += samples.size / SAMPLE_RATE + PAUSE
        if length >= LEAST:
            yield Joined(np.concatenate(parts), label == "spoof", source)


def with_hop(detector: Detector, seconds: float) -> Detector:
    """The same detector with windows every ``seconds``."""
    detector.info = replace(detector.info, window=replace(detector.info.window, hop=seconds))
    return detector


def interval(scores: NDArray[np.float64], spoof: NDArray[np.bool_], sources: list[str]) -> tuple[float, float]:
    """95 % interval of the EER, by drawing sources."""
    rng = np.random.default_rng(0)
    names = sorted(set(sources))
    places = [np.flatnonzero(np.array(sources) == name) for name in names]
    found = []
    while len(found) < DRAWS:
        chosen = np.concatenate([places[i] for i in rng.integers(0, len(names), len(names))])
        if 0 < spoof[chosen].sum() < chosen.size:
            found.append(metrics.eer(scores[chosen], spoof[chosen]))
    return float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))


def main() -> int:
    parser = argparse.ArgumentParser(description="what overlap of windows is worth")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--detector", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--note", default="", help="words for the column machine, such as: machine shared")
    given = parser.parse_args()
    rows = read_manifest(given.manifest, root=given.root).filter(split=given.split)
    clips = list(joined(rows))
    spoof, sources = np.array([c.spoof for c in clips]), [c.source for c in clips]
    hours = sum(c.samples.size for c in clips) / SAMPLE_RATE / 3600
    print(f"{len(clips)} recordings, {spoof.sum()} generated, {hours * 60:.1f} min", flush=True)
    place = ", ".join(filter(None, (machine_name(), given.note)))
    out: list[ResultRow] = []
    first: NDArray[np.float64] | None = None
    for hop in HOPS:
        detector = with_hop(load_detector(given.detector, threads=1), hop)
        start = time.process_time()
        scores = np.array([detector.score(c.samples).llr for c in clips])
        spent = time.process_time() - start
        first = scores if first is None else first
        low, high = interval(scores, spoof, sources)
        change = np.abs(scores - first)
        figures: list[tuple[str, float, float | None, float | None]] = [
            ("eer", metrics.eer(scores, spoof), low, high),
            ("cllr", metrics.cllr(scores, spoof), None, None),
            ("largest_llr_change", float(change.max()), None, None),
            ("mean_llr_change", float(change.mean()), None, None),
            ("cpu_seconds_per_hour_without_decoding", spent / hours, None, None),
        ]
        name = f"{detector.info.id}, windows every {hop:g} s"
        fixed = (name, revision()[:7], f"{len(clips)} joined recordings", given.split, "")
        for metric, value, least, most in figures:
            out.append(ResultRow(*fixed, metric, value, least, most, spent, place))
            print(f"{name:56} {metric:40} {value:.5g} {least} {most}", flush=True)
    append_rows(given.out, out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
