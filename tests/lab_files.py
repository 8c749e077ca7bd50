"""A miniature corpus and recipe for tests of the lab: buzzes that sway (bonafide) and buzzes that do not (spoof)."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from earwitness.data.manifest import Manifest, Row, write_manifest

RATE = 16_000

RECIPE = """
name = "miniature"
about = "a network of a few thousand parameters, for tests"
seed = 3
[frontend]
name = "log_spectrogram"
[frontend.settings]
bins = 64
[model]
name = "se_resnet"
[model.settings]
widths = [8, 16]
blocks = [0, 1]
embedding = 16
hidden = 8
[loss]
name = "ranked"
[augment]
probability = 0.5
bands = 1
[augment.some]
noise = 1.0
band = 1.0
[run]
steps = 6
batch = 8
seconds = [1.0]
evaluate_every = 2
workers = 0
precision = "no"
codec_variants = 1
"""


def buzz(sway: bool, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A harmonic sound with or without a wandering pitch."""
    time = np.arange(int(seconds * RATE)) / RATE
    wander = 6 * np.cumsum(rng.standard_normal(len(time))) / np.sqrt(len(time)) if sway else 0.0
    phase = 2 * np.pi * np.cumsum(rng.uniform(90, 220) + wander) / RATE
    sound = sum(np.sin(k * phase) / k for k in range(1, 20))
    return 0.2 * sound * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time)) + 1e-3 * rng.standard_normal(len(time))


def write_wav(path: Path, samples: np.ndarray) -> None:
    """16-bit mono wav at 16 kHz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def miniature(folder: Path, *, clips: int = 40, seconds: float = 1.3) -> Path:
    """A manifest of ``clips`` clips over two splits, four sources and two systems; gives its path."""
    rng = np.random.default_rng(11)
    rows = []
    for number in range(clips):
        spoof = number % 2 == 1
        path = folder / "clips" / f"{number:03d}.wav"
        write_wav(path, buzz(not spoof, seconds, rng))
        rows.append(
            Row(
                f"clips/{number:03d}.wav",
                "spoof" if spoof else "bonafide",
                id=f"clip{number:03d}",
                system=f"system{number // 2 % 2}" if spoof else "human",
                kind="tts" if spoof else "human",
                split="train" if number < clips * 0.6 else "dev",
                source=f"page{number // 2 % 4}",
            )
        )
    manifest = folder / "manifest.csv"
    write_manifest(Manifest(rows, root=folder), manifest)
    return manifest


def recipe_file(folder: Path, text: str = RECIPE) -> Path:
    """The recipe as a file."""
    path = folder / "miniature.toml"
    path.write_text(text)
    return path
