"""Res2Net: residual blocks whose channels are split, each part seeing what the one before it found."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from earwitness.models.base import Classifier, Facts, last_layer
from earwitness.models.heads import AttentiveStatistics
from earwitness.models.resnet import Gate


@dataclass(frozen=True)
class Res2NetSettings:
    """Size of the network.

    Parameters
    ----------
    widths:
        Channels of the stages; each stage but the first halves time and frequency.
    blocks:
        Blocks of each stage.
    parts:
        Into how many parts the channels are split.
    reduction:
        Squeeze factor of the channel gates; 0 leaves the gates out.
    heads, hidden:
        Attentive statistics pooling: attention maps and width of the attention network.
    embedding:
        Width of the last hidden layer.
    dropout:
        Share of the embedding that is dropped.
    outputs:
        1 logit, or 2 (bonafide, spoof).
    """

    widths: tuple[int, ...] = (16, 32, 64, 128)
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    parts: int = 4
    reduction: int = 8
    heads: int = 4
    hidden: int = 64
    embedding: int = 128
    dropout: float = 0.2
    outputs: int = 1


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


class Res2Net(Classifier):
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

    def __init__(self, settings: Res2NetSettings, *, channels: int, bins: int) -> None:
        super().__init__()
        s = self.settings = settings
        self.stem = nn.Sequential(
            nn.Conv2d(channels, s.widths[0], 3, 2, 1, bias=False), nn.BatchNorm2d(s.widths[0]), nn.ReLU(inplace=True)
        )
        stages: list[nn.Module] = []
        inside, height = s.widths[0], (bins + 1) // 2
        for index, (width, count) in enumerate(zip(s.widths, s.blocks, strict=True)):
            for number in range(count):
                stride = 2 if index and not number else 1
                stages.append(Res2Block(inside, width, stride, s.parts, s.reduction))
                inside, height = width, (height + stride - 1) // stride
        self.stages = nn.Sequential(*stages)
        self.pool = AttentiveStatistics(inside * height, s.heads, s.hidden)
        self.dense = nn.Sequential(
            nn.BatchNorm1d(2 * inside * height),
            nn.Linear(2 * inside * height, s.embedding),
            nn.BatchNorm1d(s.embedding),
            nn.ReLU(inplace=True),
            nn.Dropout(s.dropout),
        )
        self.width = s.embedding
        self.last = last_layer(s.embedding, s.outputs)

    def embedding(self, picture: Tensor) -> Tensor:
        """The last hidden layer, ``(batch, embedding)``."""
        result: Tensor = self.dense(self.pool(self.stages(self.stem(picture)).flatten(1, 2)))
        return result
