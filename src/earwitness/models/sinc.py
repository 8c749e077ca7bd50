"""Fixed band-pass filters on the waveform, as RawNet2 for spoofing detection and AASIST begin with."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RATE = 16_000


def sinc_filters(count: int, length: int) -> Tensor:
    """Band-pass filters ``(count, 1, length)`` whose edges share out 0 to 8 kHz evenly on the mel scale.

    Each is the difference of two ideal low passes under a Hamming window. ``length`` is made odd by adding one.
    Source: Ravanelli and Bengio 2018 (arXiv 1808.00158), fixed as in Tak et al. 2021 (arXiv 2011.01108).

    Examples
    --------
    >>> sinc_filters(70, 128).shape
    torch.Size([70, 1, 129])
    """
    length += 1 - length % 2
    highest = 2595 * math.log10(1 + RATE / 2 / 700)
    mel = torch.linspace(0, highest, count + 1, dtype=torch.float64)
    cut = 2 * 700 * (10 ** (mel / 2595) - 1) / RATE
    time = torch.arange(length, dtype=torch.float64) - length // 2
    low_pass = cut[:, None] * torch.sinc(cut[:, None] * time)
    window = torch.hamming_window(length, periodic=False, dtype=torch.float64)
    return ((low_pass[1:] - low_pass[:-1]) * window).float().unsqueeze(1)


class SincFilters(nn.Module):
    """Waveform ``(batch, 1, samples)`` to the output of each filter ``(batch, filters, samples - length + 1)``.

    Parameters
    ----------
    count, length:
        Number of filters, and their length in samples.
    most_masked:
        In training, up to this many neighbouring filters of a batch are set to zero; 0 sets none.
    """

    def __init__(self, count: int, length: int, most_masked: int = 0) -> None:
        super().__init__()
        self.most_masked = most_masked
        self.filters: Tensor
        self.register_buffer("filters", sinc_filters(count, length), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        filters = self.filters
        if self.training and self.most_masked:
            width = int(torch.randint(self.most_masked + 1, ()))
            first = int(torch.randint(len(filters) - width + 1, ()))
            keep = torch.ones(len(filters), 1, 1, device=filters.device)
            keep[first : first + width] = 0
            filters = filters * keep
        return F.conv1d(waveform, filters)
