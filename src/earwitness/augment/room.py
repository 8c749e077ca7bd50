"""Rooms: a drawn impulse response of exponentially falling noise behind a direct sound and a few early echoes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earwitness.augment.signals import RATE, Samples, filtered, rms


@dataclass(frozen=True)
class Room:
    """Reverberation with a drawn decay time and ratio of direct to reverberant sound (Polack's statistical model).

    Parameters
    ----------
    rt60:
        Range of the decay time to −60 dB, seconds.
    drr_db:
        Range of the direct-to-reverberant ratio, dB.
    """

    rt60: tuple[float, float] = (0.12, 0.8)
    drr_db: tuple[float, float] = (0.0, 18.0)

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        decay = rng.uniform(*self.rt60)
        length = int(min(decay, 0.6) * RATE)
        time = np.arange(length) / RATE
        tail = (rng.standard_normal(length) * 10.0 ** (-3.0 * time / decay)).astype(np.float32)
        dark = rng.uniform(2500, 8000)
        tail = filtered(tail, np.array([1.0, 1.0, 0.2]), np.array([0.0, dark, 8000.0]))
        tail[: int(0.002 * RATE)] = 0.0
        for _ in range(rng.integers(0, 6)):
            tail[rng.integers(30, int(0.03 * RATE))] += rng.uniform(-1, 1) * 3.0
        power = float(np.sum(np.square(tail))) or 1.0
        tail *= np.float32(10.0 ** (-rng.uniform(*self.drr_db) / 20.0) / np.sqrt(power))
        size = 1 << (len(samples) + length - 1).bit_length()
        wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)[: len(samples)]
        out = samples + wet.astype(np.float32)
        return out * np.float32(rms(samples) / rms(out))
