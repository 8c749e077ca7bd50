"""RawBoost: convolutive, impulsive and stationary signal-dependent distortion of the waveform itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earwitness.augment.signals import RATE, Samples, behind, filtered, rms


@dataclass(frozen=True)
class RawBoost:
    """RawBoost's three kinds, alone, in turn or side by side (Tak et al. 2022, arXiv 2111.04433).

    Parameters
    ----------
    algorithm:
        As the authors number them: 1 linear and nonlinear convolutive noise, 2 impulsive signal-dependent noise,
        3 stationary signal-independent noise, 4 all in turn, 5 to 7 two in turn (1 and 2, 1 and 3, 2 and 3), 8 the
        first two side by side. 0 draws one of the eight, -1 one of the first four.
    notches:
        Most notch bands of one linear filter.
    order:
        Highest power of the nonlinear convolutive noise.
    impulsive_share:
        Largest share of samples hit by signal-dependent impulses.
    snr_db:
        Range of the stationary signal-independent noise.
    """

    algorithm: int = -1
    notches: int = 5
    order: int = 4
    impulsive_share: float = 0.08
    snr_db: tuple[float, float] = (12.0, 40.0)

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        which = self.algorithm
        if which <= 0:
            which = 1 + int(rng.integers(8 if which == 0 else 4))
        out = samples
        if which == 8:
            out = self._convolutive(samples, rng) + self._impulsive(samples, rng)
        if which in (1, 4, 5, 6):
            out = self._convolutive(out, rng)
        if which in (2, 4, 5, 7):
            out = self._impulsive(out, rng)
        if which in (3, 4, 6, 7):
            out = self._stationary(out, rng)
        return np.asarray(out * np.float32(rms(samples) / rms(out)), dtype=np.float32)

    def _curve(self, rng: np.random.Generator, low_db: float, high_db: float) -> tuple[np.ndarray, np.ndarray]:
        points, gain = [0.0], [1.0]
        for centre in np.sort(rng.uniform(20, 0.98 * RATE / 2, rng.integers(1, self.notches + 1))):
            width = rng.uniform(100, 1000) / 2
            points += [max(centre - width, points[-1] + 1), max(centre, points[-1] + 2), centre + width]
            points[-1] = max(points[-1], points[-2] + 1)
            gain += [1.0, 10.0 ** (rng.uniform(low_db, high_db) / 20.0), 1.0]
        return np.asarray(gain), np.asarray(points)

    def _convolutive(self, x: Samples, rng: np.random.Generator) -> Samples:
        peak = np.float32(np.abs(x).max(initial=0.0) or 1.0)
        out = np.zeros_like(x)
        for power in range(1, self.order + 1):
            level = np.float32(10.0 ** (0.0 if power == 1 else -rng.uniform(5, 20) * (power - 1) / 20.0))
            out += level * peak * filtered((x / peak) ** power, *self._curve(rng, -40, 5))
        return out - np.float32(out.mean())

    def _impulsive(self, x: Samples, rng: np.random.Generator) -> Samples:
        hit = rng.random(len(x)) < rng.uniform(0, self.impulsive_share)
        strength = rng.uniform(-1, 1, len(x)) * rng.uniform(-1, 1, len(x)) * rng.uniform(0.2, 1.0)
        return x + np.where(hit, strength * x, 0.0).astype(np.float32)

    def _stationary(self, x: Samples, rng: np.random.Generator) -> Samples:
        noise = filtered(rng.standard_normal(len(x)).astype(np.float32), *self._curve(rng, -30, 10))
        return behind(x, noise, rng.uniform(*self.snr_db))
