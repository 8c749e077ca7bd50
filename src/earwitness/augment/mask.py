"""Masks: stretches of time, or bands of a spectrogram, taken away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from earwitness.augment.signals import RATE, Samples


@dataclass(frozen=True)
class TimeMask:
    """Up to ``count`` stretches of a drawn length set to zero."""

    count: int = 2
    seconds: tuple[float, float] = (0.02, 0.3)

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        out = samples.copy()
        for _ in range(rng.integers(1, self.count + 1)):
            size = int(rng.uniform(*self.seconds) * RATE)
            start = int(rng.integers(0, max(1, len(out) - size)))
            out[start : start + size] = 0.0
        return out


def mask_bands(pictures: Tensor, count: int, widest: int, generator: torch.Generator) -> Tensor:
    """Up to ``count`` bands of up to ``widest`` bins set to each clip's mean.

    Source: SpecAugment, Park et al. 2019 (arXiv 1904.08779).

    Parameters
    ----------
    pictures:
        ``(batch, channels, bins, frames)``.
    generator:
        Source of all randomness.

    Examples
    --------
    >>> out = mask_bands(torch.randn(3, 1, 64, 10), 2, 8, torch.Generator().manual_seed(0))
    >>> out.shape
    torch.Size([3, 1, 64, 10])
    """
    batch, _, bins, _ = pictures.shape
    bin_numbers = torch.arange(bins)
    hidden = torch.zeros(batch, bins, dtype=torch.bool)
    for _ in range(count):
        width = torch.randint(0, widest + 1, (batch, 1), generator=generator)
        start = (torch.rand(batch, 1, generator=generator) * (bins - width)).long()
        hidden |= (bin_numbers >= start) & (bin_numbers < start + width)
    hidden = hidden.to(pictures.device)
    mean = pictures.mean(dim=(2, 3), keepdim=True)
    return torch.where(hidden[:, None, :, None], mean, pictures)
