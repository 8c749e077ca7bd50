"""Faults planted in real speech: does the audit find each of them, and does it keep quiet without them?

    python bench/audit.py MANIFEST --root FOLDER --clips 200 --out results/audit-planted.csv

Takes clips of both classes from sources that have both, writes them as WAV with one fault at a time, and audits each.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from earwitness.audio import open_audio
from earwitness.data.audit import Audit, audit
from earwitness.data.manifest import Manifest, Row, read_manifest
from earwitness.data.synth import codec_chain, write_wav
from earwitness.train.history import revision

RATE = 16_000
Samples = Any
COLUMNS = ("recipe", "commit", "dataset", "split", "chosen_on", "metric", "value", "low", "high", "seconds", "machine")


def load(manifest: Manifest, row: Row) -> Samples:
    """The samples of a clip."""
    with open_audio(manifest.file(row)) as stream:
        return np.concatenate(list(stream))


def choose(manifest: Manifest, clips: int, seed: int) -> list[Row]:
    """Clips in even classes, from sources that have both, split by source."""
    rng = random.Random(seed)
    labels: dict[str, set[str]] = {}
    for row in manifest:
        labels.setdefault(row.source, set()).add(row.label)
    both = sorted(source for source, found in labels.items() if len(found) == 2)
    rng.shuffle(both)
    chosen: list[Row] = []
    for label in ("bonafide", "spoof"):
        own = [row for row in manifest if row.label == label and row.source in both]
        chosen += rng.sample(own, clips // 2)
    side = {source: ("train", "test")[i % 3 == 0] for i, source in enumerate(both)}
    return [replace(row, split=side[row.source], pair="") for row in chosen]


def write(
    rows: Sequence[Row], sounds: dict[str, Samples], folder: Path, change: Callable[[Row, Samples], Samples]
) -> Manifest:
    """The clips as 16 kHz WAV after ``change``."""
    made = []
    for row in rows:
        path = Path(f"{row.id}.wav")
        write_wav(folder / path, change(row, sounds[row.id]))
        made.append(replace(row, path=path.as_posix(), seconds=None, extra={}))
    return Manifest(made, root=folder)


def rate(row: Row, samples: Samples) -> Samples:
    """What 11,025 Hz leaves of a generated clip."""
    if not row.spoof:
        return samples
    there = soxr.resample(samples, RATE, 11_025)
    return soxr.resample(there, 11_025, RATE)[: len(samples)]


def trimmed(row: Row, samples: Samples) -> Samples:
    """Human clips get .3 s of room tone before and after, generated ones are trimmed."""
    loud = np.flatnonzero(np.abs(samples) > 0.03 * np.abs(samples).max())
    core = samples[loud[0] : loud[-1] + 1]
    if row.spoof:
        return core
    tone = (1e-3 * np.random.default_rng(len(core)).standard_normal(4_800)).astype(np.float32)
    return np.concatenate((tone, core, tone))


def plain(_: Row, samples: Samples) -> Samples:
    """No change."""
    return samples


def with_copies(
    manifest: Manifest, rows: Sequence[Row], sounds: dict[str, Samples], folder: Path, *, coded: bool
) -> Manifest:
    """Ten clips of train again in test: the same samples, or cut, quieter and through several codecs."""
    source = next(row.source for row in rows if row.split == "test")
    added = []
    for i, row in enumerate([row for row in manifest if row.split == "train"][:10]):
        samples = sounds[row.id]
        if coded:
            samples = codec_chain(np.ascontiguousarray(samples[2_345:] * np.float32(0.5)), np.random.default_rng(i))
        path = Path(f"{row.id}-copy.wav")
        write_wav(folder / path, samples)
        added.append(replace(row, id=f"{row.id}-copy", path=path.as_posix(), split="test", source=source))
    return Manifest([*manifest, *added], root=folder)


def outcome(result: Audit, code: str) -> tuple[str, int]:
    """Severity and rows of a finding, or nothing."""
    found = next((f for f in result.findings if f.code == code), None)
    return (found.severity, found.count) if found else ("", 0)


def main() -> None:
    """Plant, audit, print, and write one row per fault."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("manifest", type=Path)
    arguments.add_argument("--root", type=Path)
    arguments.add_argument("--clips", type=int, default=200)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--out", type=Path)
    options = arguments.parse_args()
    manifest = read_manifest(options.manifest, root=options.root).filter(split="train")
    rows = choose(manifest, options.clips, options.seed)
    sounds = {row.id: load(manifest, row) for row in rows}
    swap = {"bonafide": "spoof", "spoof": "bonafide"}
    flipped = {row.id for row in random.Random(1).sample(rows, max(1, len(rows) // 50))}
    lines = []
    with tempfile.TemporaryDirectory() as name:
        base = write(rows, sounds, Path(name, "base"), plain)
        cache = Path(name, "cache.jsonl")
        cases: list[tuple[str, str, Callable[[], Manifest]]] = [
            ("nothing planted", "trivial-baseline", lambda: base),
            ("generated clips through 11,025 Hz", "shortcut-bandwidth-hz",
             lambda: write(rows, sounds, Path(name, "rate"), rate)),
            ("silence trimmed in one class", "shortcut-lead-seconds",
             lambda: write(rows, sounds, Path(name, "trim"), trimmed)),
            ("10 exact copies across splits", "duplicate-across-splits",
             lambda: with_copies(base, rows, sounds, Path(name, "base"), coded=False)),
            ("10 re-encoded copies across splits", "near-duplicate-across-splits",
             lambda: with_copies(base, rows, sounds, Path(name, "base"), coded=True)),
            ("every label the same", "one-class", lambda: base.map(lambda row: replace(row, label="spoof"))),
            ("2 % of the labels swapped (not detectable by rule)", "",
             lambda: base.map(lambda row: replace(row, label=swap[row.label]) if row.id in flipped else row)),
        ]  # fmt: skip
        for what, code, make in cases:
            start = time.perf_counter()
            result = audit(make(), cache=cache)
            severity, count = outcome(result, code)
            area = "" if result.probe.auc is None else f"{result.probe.auc:.4f}"
            print(f"{what:52} {code:30} {severity or 'not found':9} {count:4} baseline AUC {area}", flush=True)
            lines.append([what, code, severity, count, area, len(rows), f"{time.perf_counter() - start:.1f}"])
    if options.out:
        commit = revision()[:7]
        machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        with options.out.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for what, code, severity, count, area, clips, seconds in lines:
                metric = f"{code or 'nothing to find'}: {severity or 'not found'}, rows"
                writer.writerow(
                    ["earwitness", commit, f"{clips} clips, {what}", "", "", metric, count, "", "", seconds, machine]
                )
                metric = "trivial baseline AUC"
                writer.writerow(
                    ["earwitness", commit, f"{clips} clips, {what}", "", "", metric, area, "", "", seconds, machine]
                )


if __name__ == "__main__":
    main()
