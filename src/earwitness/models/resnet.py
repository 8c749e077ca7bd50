"""Residual networks with squeeze-and-excitation over a time-frequency picture of any length."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from earwitness.models.base import Classifier, Facts, last_layer
from earwitness.models.heads import AttentiveStatistics


@dataclass(frozen=True)
class SEResNetSettings:
    """Size of the network.

    Parameters
    ----------
    widths:
        Channels of the stages; each stage but the first halves time and frequency.
    blocks:
        Residual blocks of each stage.
    reduction:
        Squeeze factor of the channel gates.
    heads, hidden:
        Attentive statistics pooling: attention maps and width of the attention network.
    embedding:
        Width of the last hidden layer.
    dropout:
        Share of the embedding that is dropped in training.
    outputs:
        1 logit, or 2 (bonafide, spoof).
    """

    widths: tuple[int, ...] = (16, 32, 64, 96)
    blocks: tuple[int, ...] = (1, 2, 2, 2)
    reduction: int = 8
    heads: int = 4
    hidden: int = 64
    embedding: int = 128
    dropout: float = 0.2
    outputs: int = 1


class Gate(nn.Module):
    """Squeeze and excitation (Hu et al. 2018, arXiv 1709.01507): channels weighted by what the whole picture holds."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = max(8, channels // reduction)
        self.inner = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.inner(x.mean(dim=(2, 3)))
        return x * gate[:, :, None, None]


class Block(nn.Module):
    """Two 3×3 convolutions with batch norm, a channel gate and a way around them."""

    def __init__(self, inside: int, outside: int, stride: int, reduction: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outside),
            Gate(outside, reduction),
        )
        self.around: nn.Module = nn.Identity()
        if stride != 1 or inside != outside:
            self.around = nn.Sequential(
                nn.AvgPool2d(stride, stride, ceil_mode=True) if stride != 1 else nn.Identity(),
                nn.Conv2d(inside, outside, 1, bias=False),
                nn.BatchNorm2d(outside),
            )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.around(x))


class StagedNetwork(Classifier):
    """A stem, stages of blocks, attentive statistics, an embedding: what residual networks share besides blocks."""

    settings: SEResNetSettings

    def __init__(self, settings: SEResNetSettings, *, channels: int, bins: int) -> None:
        super().__init__()
        self.settings = settings
        first = settings.widths[0]
        self.stem = nn.Sequential(
            nn.Conv2d(channels, first, 3, 2, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU(inplace=True)
        )
        stages: list[nn.Module] = []
        inside, height = first, (bins + 1) // 2
        for index, (width, count) in enumerate(zip(settings.widths, settings.blocks, strict=True)):
            for number in range(count):
                stride = 2 if index and not number else 1
                stages.append(self.block(inside, width, stride))
                inside, height = width, (height + stride - 1) // stride
        self.stages = nn.Sequential(*stages)
        self.pool = AttentiveStatistics(inside * height, settings.heads, settings.hidden)
        self.embed = nn.Sequential(
            nn.BatchNorm1d(2 * inside * height),
            nn.Linear(2 * inside * height, settings.embedding),
            nn.BatchNorm1d(settings.embedding),
            nn.ReLU(inplace=True),
            nn.Dropout(settings.dropout),
        )
        self.width = settings.embedding
        self.last = last_layer(settings.embedding, settings.outputs)

    def embedding(self, picture: Tensor) -> Tensor:
        """The last hidden layer, ``(batch, embedding)``."""
        x = self.stages(self.stem(picture))
        result: Tensor = self.embed(self.pool(x.flatten(1, 2)))
        return result

    @abstractmethod
    def block(self, inside: int, outside: int, stride: int) -> nn.Module:
        """One block of the stages; called while the network is built."""


class SEResNet(StagedNetwork):
    """SE-ResNet with multi-head attentive statistics pooling; input ``(batch, channels, bins, frames)``.

    Examples
    --------
    >>> model = SEResNet(SEResNetSettings(), channels=1, bins=256)
    >>> model(torch.randn(2, 1, 256, 100)).shape
    torch.Size([2, 1])
    """

    Settings = SEResNetSettings
    facts = Facts(
        "SE-ResNet with attentive statistics pooling", "arXiv 1709.01507, 1803.10963", (1, 256, 249), "log_spectrogram"
    )

    def block(self, inside: int, outside: int, stride: int) -> nn.Module:
        """Two convolutions and a gate."""
        return Block(inside, outside, stride, self.settings.reduction)
