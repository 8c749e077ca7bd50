"""Small signal helpers that several augmentations share."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
"""Samples a second of everything inside the package."""

Samples = NDArray[np.float32]


def clip_seed(seed: int, step: int, clip: str) -> list[int]:
    """Seed words for :func:`numpy.random.default_rng` that depend on ``(seed, step, clip)`` alone."""
    digest = hashlib.blake2b(clip.encode(), digest_size=8).digest()
    return [seed, step, int.from_bytes(digest, "little")]


def rms(samples: Samples) -> float:
    """Root mean square, never below 1e-8."""
    return max(float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))), 1e-8)


def behind(samples: Samples, sound: Samples, ratio_db: float) -> Samples:
    """``samples`` with ``sound``, of the same length, ``ratio_db`` below them by root mean square.

    Examples
    --------
    >>> ones = np.ones(4, dtype=np.float32)
    >>> behind(ones, 5 * ones, 20.0).round(3).tolist()
    [1.100000023841858, 1.100000023841858, 1.100000023841858, 1.100000023841858]
    """
    scale = rms(samples) / rms(sound) * 10.0 ** (-ratio_db / 20.0)
    return samples + np.float32(scale) * sound


def fit(samples: Samples, length: int) -> Samples:
    """``samples`` cut at the end, or repeated, to ``length``.

    Examples
    --------
    >>> fit(np.array([1, 2, 3], dtype=np.float32), 5).tolist()
    [1.0, 2.0, 3.0, 1.0, 2.0]
    """
    if len(samples) < length:
        samples = np.tile(samples, -(-length // max(len(samples), 1)))
    return np.ascontiguousarray(samples[:length], dtype=np.float32)


def coloured_noise(length: int, slope: float, rng: np.random.Generator) -> Samples:
    """Gaussian noise of unit root mean square; power falls as ``frequency ** -slope`` (0 white, 1 pink, 2 brown)."""
    size = 1 << max(1, (length - 1).bit_length())
    spectrum = np.fft.rfft(rng.standard_normal(size))
    frequency = np.arange(len(spectrum), dtype=np.float64)
    frequency[0] = 1.0
    noise = np.fft.irfft(spectrum * frequency ** (-slope / 2.0))[:length].astype(np.float32)
    return noise / np.float32(rms(noise))


def filtered(samples: Samples, gain: NDArray[np.float64], frequency: NDArray[np.float64]) -> Samples:
    """Zero-phase filter: amplitude ``gain`` at ``frequency`` (Hz), straight lines between, applied in the spectrum."""
    size = 1 << max(1, (len(samples) - 1).bit_length())
    spectrum = np.fft.rfft(samples, size)
    shape = np.interp(np.fft.rfftfreq(size, 1.0 / RATE), frequency, gain)
    return np.fft.irfft(spectrum * shape, size)[: len(samples)].astype(np.float32)
