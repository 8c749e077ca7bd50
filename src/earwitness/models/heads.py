"""Pooling over time: from a sequence of any length to one vector; and pictures of a fixed length."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AttentiveStatistics(nn.Module):
    """Multi-head attentive statistics pooling: weighted mean and standard deviation over time.

    Each head looks at its own share of the channels. Source: Okabe et al. 2018 (arXiv 1803.10963); several heads as
    in Desplanques et al. 2020 and the Teffic recipe (arXiv 2607.28351).

    Parameters
    ----------
    channels:
        Channels of the input; a multiple of ``heads``.
    heads:
        Number of attention maps.
    hidden:
        Width of the attention network.

    Examples
    --------
    >>> AttentiveStatistics(64, heads=4)(torch.randn(2, 64, 10)).shape
    torch.Size([2, 128])
    """

    def __init__(self, channels: int, heads: int = 4, hidden: int = 64) -> None:
        super().__init__()
        self.heads = heads
        self.attention = nn.Sequential(
            nn.Conv1d(channels, hidden, 1), nn.BatchNorm1d(hidden), nn.Tanh(), nn.Conv1d(hidden, heads, 1)
        )

    def forward(self, sequence: Tensor) -> Tensor:
        """``(batch, channels, time)`` to ``(batch, 2 * channels)``."""
        batch, channels, time = sequence.shape
        weight = self.attention(sequence).float().softmax(dim=2).unsqueeze(2)
        split = sequence.float().reshape(batch, self.heads, channels // self.heads, time)
        mean = (split * weight).sum(dim=3)
        variance = ((split - mean.unsqueeze(3)).square() * weight).sum(dim=3)
        return torch.cat([mean.flatten(1), variance.clamp(min=1e-5).sqrt().flatten(1)], dim=1)


def fixed_frames(picture: Tensor, frames: int) -> Tensor:
    """``(batch, channels, bins, any)`` cut at the end, or repeated from its start, to ``frames`` frames.

    Examples
    --------
    >>> fixed_frames(torch.arange(3.0).reshape(1, 1, 1, 3), 5)
    tensor([[[[0., 1., 2., 0., 1.]]]])
    """
    times = (frames - 1) // picture.shape[3] + 1
    return picture.repeat(1, 1, 1, times)[..., :frames]
