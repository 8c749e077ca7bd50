"""Small corpora of made-up speech with a fault planted in them, for the tests of the audit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import soxr
from audio_files import KINDS, wav_bytes, write
from numpy.typing import NDArray

from earwitness.audio import open_audio
from earwitness.data.manifest import Manifest, Row

Samples = NDArray[np.float64]
RATE = 16_000


@cache
def utterance(seed: int, seconds: float = 2.0) -> Samples:
    """Syllables of random length, pitch and formants between pauses; every seed another one, and none alike."""
    rng = np.random.default_rng(seed)
    parts = [np.zeros(rng.integers(800, 4_000))]
    while sum(map(len, parts)) < seconds * RATE:
        size = int(rng.integers(1_500, 5_000))
        time = np.arange(size) / RATE
        pitch = rng.uniform(90, 250) * (1 + rng.uniform(-0.2, 0.2) * time / time[-1])
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        formants = rng.uniform(300, 3_500, 3)
        sound = np.zeros(size)
        for k in range(1, 30):
            gain = sum(1 / (1 + ((k * pitch.mean() - f) / 150) ** 2) for f in formants)
            sound += gain * np.sin(k * phase + rng.uniform(0, 6))
        parts += [sound * np.hanning(size), np.zeros(rng.integers(0, 1_500))]
    out = np.concatenate([*parts, np.zeros(rng.integers(800, 4_000))])[: round(seconds * RATE)]
    out += rng.uniform(1e-4, 1e-3) * rng.standard_normal(len(out)) * np.abs(out).max()
    return out / np.abs(out).max() * rng.uniform(0.3, 0.9)


def corpus(
    root: Path, clips: int = 80, *, change: Callable[[Row, Samples], tuple[Samples, int]] | None = None, first: int = 0
) -> Manifest:
    """Clips in even classes from ten sources of both classes; ``change`` plants a fault in what is written.

    Splits follow the sources, so that none is on both sides.
    """
    root.mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(clips):
        label = ("bonafide", "spoof")[i % 2]
        source = i // 2 % 10
        row = Row(
            f"{i}.wav",
            label,
            id=f"c{i}",
            system="human" if label == "bonafide" else f"s{source}",
            source=f"q{source}",
            speaker=f"p{source}",
            split="train" if source < 6 else "test",
        )
        samples, rate = utterance(first + i), RATE
        if change:
            samples, rate = change(row, samples)
        (root / row.path).write_bytes(wav_bytes(samples, rate))
        rows.append(row)
    return Manifest(rows, root=root)


def with_copies(manifest: Manifest, kind: str, ids: Sequence[str], *, gain: float = 0.4, cut: int = 3_333) -> Manifest:
    """The manifest with re-encoded, cut and quieter copies of some clips in the other split."""
    form = next(k for k in KINDS if k.name == kind)
    added = []
    for row in manifest:
        if row.id not in ids:
            continue
        with open_audio(manifest.file(row)) as stream:
            samples = np.concatenate(list(stream)).astype(np.float64)
        samples = soxr.resample(samples[cut:] * gain, RATE, form.rate)
        name = f"{row.id}-copy.{form.muxer}"
        (manifest.root / name).write_bytes(write(form, np.repeat(samples[None], form.channels, 0)))
        other = "test" if row.split == "train" else "train"
        source = "q9" if other == "test" else "q0"
        added.append(replace(row, path=name, id=f"{row.id}-copy", split=other, source=source, speaker=f"p{source[1]}"))
    return Manifest([*manifest, *added], root=manifest.root)
