"""What length and overlap of windows are worth: scores and time with windows of 2 and 4 s, overlapping and not.

    python bench/overlap.py MANIFEST --root CORPUS [--split dev] [--detector FOLDER] --out results/overlap.csv

Clips are heard as they are, and joined: those of one source, system and label, in the order of their ids with .3 s of
silence between, to recordings of 12 to 30 s. EERs are of raw scores, with intervals clustered by source; costs are CPU
seconds of one thread per hour of joined recordings, network and gate included.
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

PLANS = ((2.0, 2.0), (2.0, 1.0), (4.0, 4.0), (4.0, 2.0))
"""Seconds of a window, and between the starts of two."""
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


def with_windows(detector: Detector, seconds: float, hop: float) -> Detector:
    """The same detector with windows of ``seconds`` every ``hop`` seconds."""
    detector.info = replace(detector.info, window=replace(detector.info.window, seconds=seconds, hop=hop))
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
    parser = argparse.ArgumentParser(description="what length and overlap of windows are worth")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--detector", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--note", default="", help="words for the column machine, such as: machine shared")
    given = parser.parse_args()
    rows = read_manifest(given.manifest, root=given.root).filter(split=given.split)
    clips = [Joined(decode(rows.file(r)).samples, r.spoof, r.source) for r in rows]
    together = list(joined(rows))
    hours = sum(c.samples.size for c in together) / SAMPLE_RATE / 3600
    print(f"{len(clips)} clips, {len(together)} joined recordings, {hours * 60:.1f} min", flush=True)
    place = ", ".join(filter(None, (machine_name(), given.note)))
    out: list[ResultRow] = []
    for seconds, hop in PLANS:
        detector = with_windows(load_detector(given.detector, threads=1), seconds, hop)
        name = f"{detector.info.id}, windows of {seconds:g} s every {hop:g} s"
        for what, found in ((f"{len(together)} joined recordings", together), (f"{len(clips)} clips", clips)):
            start = time.process_time()
            scores = np.array([detector.score(c.samples).raw for c in found])
            spent = time.process_time() - start
            spoof, sources = np.array([c.spoof for c in found]), [c.source for c in found]
            figures = [
                ("eer", metrics.eer(scores, spoof), *interval(scores, spoof, sources)),
                ("auc", metrics.auc(scores, spoof), None, None),
            ]
            if found is together:
                figures.append(("cpu_seconds_per_hour_without_decoding", spent / hours, None, None))
            fixed = (name, revision()[:7], what, given.split, "")
            for metric, value, least, most in figures:
                out.append(ResultRow(*fixed, metric, value, least, most, spent, place))
                print(f"{name} {what:24} {metric:40} {value:.5g} {least} {most}", flush=True)
    append_rows(given.out, out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
