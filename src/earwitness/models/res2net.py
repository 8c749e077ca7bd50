"""Res2Net: residual blocks whose channels are split, each part seeing what the one before it found."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from earwitness.models.base import Facts
from earwitness.models.resnet import Gate, SEResNetSettings, StagedNetwork


@dataclass(frozen=True)
class Res2NetSettings(SEResNetSettings):
    """Size of the network: that of SE-ResNet, with another two sizes and one setting more.

    Parameters
    ----------
    widths, blocks:
        As there, with other values.
    parts:
        Into how many parts the channels are split.
    reduction:
        As there; 0 leaves the gates out.
    """

    widths: tuple[int, ...] = (16, 32, 64, 128)
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    parts: int = 4


class Res2Block(nn.Module):
    """1×1, then 3×3 on all parts but the first, each added to the next, then 1×1; a channel gate and a way around."""

    def __init__(self, inside: int, outside: int, stride: int, parts: int, reduction: int) -> None:
        super().__init__()
        part = max(4, outside // parts)
        self.parts = parts
        self.enter = nn.Sequential(
            nn.Conv2d(inside, part * parts, 1, stride, bias=False), nn.BatchNorm2d(part * parts), nn.ReLU(inplace=True)
        )
        self.inner = nn.ModuleList(
            nn.Sequential(nn.Conv2d(part, part, 3, padding=1, bias=False), nn.BatchNorm2d(part), nn.ReLU(inplace=True))
            for _ in range(parts - 1)
        )
        self.leave = nn.Sequential(nn.Conv2d(part * parts, outside, 1, bias=False), nn.BatchNorm2d(outside))
        self.gate = Gate(outside, reduction) if reduction else nn.Identity()
        self.around: nn.Module = nn.Identity()
        if stride != 1 or inside != outside:
            self.around = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x: Tensor) -> Tensor:
        first, *others = self.enter(x).chunk(self.parts, dim=1)
        seen = [first]
        for number, (layer, part) in enumerate(zip(self.inner, others, strict=True)):
            seen.append(layer(part + seen[-1] if number else part))
        return torch.relu(self.gate(self.leave(torch.cat(seen, dim=1))) + self.around(x))


class Res2Net(StagedNetwork):
    """SE-Res2Net with attentive statistics pooling; input ``(batch, channels, bins, frames)``.

    Source: Gao et al. 2021 (arXiv 1904.01169); against spoofing in Li et al. 2021 (arXiv 2010.15006).

    Examples
    --------
    >>> Res2Net(Res2NetSettings(), channels=1, bins=80)(torch.randn(2, 1, 80, 400)).shape
    torch.Size([2, 1])
    """

    Settings = Res2NetSettings
    facts = Facts(
        "SE-Res2Net with attentive statistics pooling", "arXiv 1904.01169, 2010.15006", (1, 256, 249), "log_spectrogram"
    )

    settings: Res2NetSettings

    def block(self, inside: int, outside: int, stride: int) -> nn.Module:
        """One convolution over the parts, each of which hears the one before."""
        return Res2Block(inside, outside, stride, self.settings.parts, self.settings.reduction)
