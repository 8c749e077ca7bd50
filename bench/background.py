"""What music and other voices behind a voice cost the detector, beside steady noise at the same level.

    python bench/background.py MANIFEST --root CORPUS --out results/background.csv

Music is that of Debian's packages (as for ``not_speech.py``), babble five human clips of the train split at once. Each
lies 20 or 10 dB below the speech, at a place that the clip's id draws. Answers are kept below --work.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from not_speech import MUSIC, package, recordings

from earwitness.audio import decode
from earwitness.augment.conditions import AS_IS, ROBUSTNESS, Condition, noisy
from earwitness.augment.signals import Samples, behind, fit, rms
from earwitness.data.manifest import Manifest, read_manifest
from earwitness.detector import load_detector
from earwitness.evaluate.bench import entry_of
from earwitness.evaluate.robustness import Bench, Measured, robustness
from earwitness.evaluate.robustness_page import result_rows
from earwitness.evaluate.rows import append_rows
from earwitness.evaluate.scorers import DetectorScorer
from earwitness.evaluate.scores import Scores

ROOT = Path(__file__).resolve().parents[1]
LEVELS = (20, 10)
VOICES = 5
LEAST = 10.0
"""Seconds that a piece of music has at least; what is shorter is an effect."""


class Behind:
    """Adds drawn pieces of some sounds at a fixed ratio of speech to background."""

    def __init__(self, sounds: list[Samples], snr_db: float, *, at_once: int = 1) -> None:
        self.sounds, self.snr_db, self.at_once = sounds, snr_db, at_once

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        whole = np.zeros(len(samples), np.float32)
        for _ in range(self.at_once):
            sound = self.sounds[rng.integers(len(self.sounds))]
            start = int(rng.integers(max(1, len(sound) - len(samples))))
            piece = fit(np.resize(sound, max(len(sound), len(samples)))[start:], len(samples))
            whole += piece / np.float32(max(rms(piece), 1e-6))
        return behind(samples, whole, self.snr_db)


def music(cache: Path) -> list[Samples]:
    """A minute at most of each piece."""
    files = [f for name in MUSIC for f in recordings(package(name, cache), effects=False)]
    found = [decode(f, max_seconds=60.0).samples for f in files]
    return [samples for samples in found if len(samples) >= LEAST * 16_000]


def voices(train: Manifest, count: int = 100) -> list[Samples]:
    """Human clips of train, evenly spread over it."""
    humans = [row for row in train if not row.spoof]
    return [decode(train.file(row)).samples for row in humans[:: max(1, len(humans) // count)][:count]]


def conditions(train: Manifest, cache: Path) -> list[Condition]:
    """Music, babble and, to compare, steady noise."""
    songs, people = music(cache), voices(train)
    out = []
    for db in LEVELS:
        out += [
            Condition(f"music {db} dB", "lossless", Behind(songs, db)),
            Condition(f"babble {db} dB", "lossless", Behind(people, db, at_once=VOICES)),
            Condition(f"steady noise {db} dB", "lossless", noisy(db)),
        ]
    return out


def line(m: Measured) -> str:
    """One condition in words."""
    shown = {name: f"{100 * i.value:.1f} %" for name, i in m.figures.items()}
    return f"{m.condition.name}: " + ", ".join(f"{name} {value}" for name, value in shown.items())


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--detector", default="default")
    parser.add_argument("--split", default="eval")
    parser.add_argument("--dataset", default="demo-pages")
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache" / "not-speech")
    parser.add_argument("--work", type=Path, default=ROOT / ".cache" / "background")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    start = time.perf_counter()
    everything = read_manifest(given.manifest, root=given.root)
    made = conditions(everything.filter(split="train"), given.cache)
    ROBUSTNESS.update({condition.name: condition for condition in made})
    detector = load_detector(None if given.detector == "default" else given.detector, threads=1)
    entry = entry_of(detector, Scores.of((), ()), 0.0)
    bench = Bench(
        conditions=(AS_IS, *(condition.name for condition in made)),
        limits=entry.limits,
        keep=given.work,
        identity=" ".join(detector.info.name.values()),
    )
    found = robustness(DetectorScorer(detector), everything.filter(split=given.split), bench)
    for measured in found:
        print(line(measured), flush=True)
    if given.out:
        seconds = time.perf_counter() - start
        facts = {"recipe": entry.recipe, "commit": entry.commit, "dataset": given.dataset, "split": given.split}
        append_rows(given.out, result_rows(found, **facts, seconds=seconds))


if __name__ == "__main__":
    main()
