"""Speed: tempo and pitch together, as a tape does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earwitness.augment.signals import RATE, Samples, fit


@dataclass(frozen=True)
class Speed:
    """Faster or slower by a drawn factor; what is missing at the end is repeated from the beginning."""

    factor: tuple[float, float] = (0.9, 1.1)

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        import soxr

        factor = rng.uniform(*self.factor)
        return fit(np.asarray(soxr.resample(samples, RATE * factor, RATE), dtype=np.float32), len(samples))
