"""Recorded noise, babble and room impulse responses from folders, and rooms simulated by the image method."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from earwitness.audio import decode
from earwitness.augment.signals import RATE, Samples, behind, fit, rms
from earwitness.errors import ConfigError, MissingExtraError

_SUFFIXES = frozenset([".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aif", ".aiff"])


@lru_cache(maxsize=8)
def recordings(folder: str, what: str) -> tuple[Path, ...]:
    """All recordings in and below ``folder``, in order of their names.

    Raises
    ------
    ConfigError
        If there is none; ``what`` says for what they are wanted.
    """
    found = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in _SUFFIXES) if folder else []
    if not found:
        raise ConfigError(
            f"{what}: no recordings in {folder!r}", hint=f"name a folder: --set augment.settings.{what}.folder=PATH"
        )
    return tuple(found)


@lru_cache(maxsize=256)
def _samples(file: Path) -> Samples:
    return decode(file, max_seconds=30.0).samples


def _piece(file: Path, length: int, rng: np.random.Generator) -> Samples:
    samples = _samples(file)
    first = int(rng.integers(0, max(1, len(samples) - length)))
    return fit(samples[first : first + length], length)


@dataclass(frozen=True)
class RecordedNoise:
    """A drawn piece of a drawn recording of ``folder`` (MUSAN, DEMAND, your own), at a drawn signal-to-noise ratio."""

    folder: str = ""
    snr_db: tuple[float, float] = (5.0, 30.0)

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        files = recordings(self.folder, "recorded_noise")
        noise = _piece(files[rng.integers(len(files))], len(samples), rng)
        return behind(samples, noise, rng.uniform(*self.snr_db))


@dataclass(frozen=True)
class Babble:
    """Several voices of ``folder`` at once, each at the same level, at a drawn ratio of speech to babble."""

    folder: str = ""
    voices: tuple[int, int] = (3, 7)
    snr_db: tuple[float, float] = (10.0, 30.0)

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        files = recordings(self.folder, "babble")
        noise = np.zeros(len(samples), dtype=np.float32)
        for _ in range(rng.integers(self.voices[0], self.voices[1] + 1)):
            voice = _piece(files[rng.integers(len(files))], len(samples), rng)
            noise += voice / np.float32(rms(voice))
        return behind(samples, noise, rng.uniform(*self.snr_db))


@dataclass(frozen=True)
class RecordedRoom:
    """A drawn room impulse response of ``folder``; the direct sound stays where it was, and the level too."""

    folder: str = ""

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        files = recordings(self.folder, "recorded_room")
        return in_room(samples, _samples(files[rng.integers(len(files))])[: 2 * RATE])


@dataclass(frozen=True)
class SimulatedRoom:
    """A drawn box of a room by the image method (Allen and Berkley 1979), through ``pyroomacoustics``.

    Parameters
    ----------
    sides, height:
        Ranges of the room's sides and height, metres.
    rt60:
        Range of the decay time to −60 dB, seconds; a small room may not reach the longest.
    order:
        Most reflections that are followed.
    """

    sides: tuple[float, float] = (3.0, 9.0)
    height: tuple[float, float] = (2.4, 3.5)
    rt60: tuple[float, float] = (0.15, 0.6)
    order: int = 12

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        try:
            import pyroomacoustics
        except ImportError:
            raise MissingExtraError(
                "simulated rooms need pyroomacoustics", hint="pip install pyroomacoustics"
            ) from None
        size = np.array([rng.uniform(*self.sides), rng.uniform(*self.sides), rng.uniform(*self.height)])
        area = 2 * (size[0] * size[1] + size[0] * size[2] + size[1] * size[2])
        # Sabine: what of the sound a reflection takes, for the drawn decay
        absorption = min(0.95, 24 * np.log(10) / 343.0 * float(np.prod(size)) / (area * rng.uniform(*self.rt60)))
        room: Any = pyroomacoustics.ShoeBox(
            size, fs=RATE, materials=pyroomacoustics.Material(absorption), max_order=self.order
        )
        room.add_source(size * rng.uniform(0.2, 0.8, 3))
        room.add_microphone(size * rng.uniform(0.2, 0.8, 3))
        room.compute_rir()
        return in_room(samples, np.asarray(room.rir[0][0], dtype=np.float32))


def in_room(samples: Samples, response: Samples) -> Samples:
    """``samples`` heard through an impulse response, at their own level, the strongest arrival at no delay.

    Examples
    --------
    >>> clip = np.array([1, 0, 0, 0], dtype=np.float32)
    >>> [round(float(v), 3) for v in in_room(clip, np.array([0, 2, 1], dtype=np.float32))]
    [0.894, 0.447, 0.0, 0.0]
    """
    start = int(np.argmax(np.abs(response)))
    size = 1 << (len(samples) + len(response) - 1).bit_length()
    heard = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)
    wet: Samples = heard[start : start + len(samples)].astype(np.float32)
    return wet * np.float32(rms(samples) / rms(wet))
