"""Noise added at a drawn signal-to-noise ratio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earwitness.augment.signals import RATE, Samples, behind, coloured_noise


@dataclass(frozen=True)
class ColouredNoise:
    """Stationary or slowly swelling noise of a drawn colour, sometimes with mains hum.

    Parameters
    ----------
    snr_db:
        Range of the signal-to-noise ratio over the whole clip.
    slope:
        Range of the spectral slope: 0 white, 1 pink, 2 brown.
    hum:
        Share of the clips with hum of 50 or 60 Hz and its harmonics instead of a fifth of the noise power.

    Examples
    --------
    >>> clip = np.ones(1600, dtype=np.float32)
    >>> ColouredNoise()(clip, np.random.default_rng(0)).shape
    (1600,)
    """

    snr_db: tuple[float, float] = (8.0, 40.0)
    slope: tuple[float, float] = (-0.5, 2.0)
    hum: float = 0.1

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        noise = coloured_noise(len(samples), rng.uniform(*self.slope), rng)
        if rng.random() < 0.3:
            knots = np.exp(rng.normal(0.0, 0.5, 6))
            noise = noise * np.interp(np.linspace(0, 5, len(noise)), np.arange(6), knots).astype(np.float32)
        if rng.random() < self.hum:
            time = np.arange(len(samples)) / RATE
            mains = rng.choice([50.0, 60.0])
            hum = sum(np.sin(2 * np.pi * mains * k * time + rng.uniform(0, 6.3)) / k for k in (1, 2, 3, 5))
            noise = (noise + 0.5 * np.asarray(hum)).astype(np.float32)
        return behind(samples, noise, rng.uniform(*self.snr_db))
