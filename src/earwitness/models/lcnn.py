"""LCNN with a recurrent layer on top: the network of LFCC-LCNN, a baseline of ASVspoof 2021."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from earwitness.models.base import Classifier, Facts, last_layer
from earwitness.models.recurrent import LSTM


@dataclass(frozen=True)
class LCNNSettings:
    """Size of the network; the defaults are those of the baseline.

    Parameters
    ----------
    scale:
        Factor on the channels of all convolutions.
    recurrent:
        Bidirectional LSTM layers, whose output is added to their input.
    dropout:
        Share of the convolutions' result that is dropped.
    outputs:
        1 logit, or 2 (bonafide, spoof).
    """

    scale: float = 1.0
    recurrent: int = 2
    dropout: float = 0.7
    outputs: int = 1


class MaxFeatureMap(nn.Module):
    """The larger of the two halves of the channels, point by point."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(*x.chunk(2, dim=1))


class LCNN(Classifier):
    """LCNN with two bidirectional LSTM layers; input ``(batch, channels, bins, frames)``, at least 16 of each.

    Source: Lavrentyeva et al. 2019 (arXiv 1904.05576) for the convolutions; Wang and Yamagishi 2021 (arXiv 2103.11326)
    for the recurrent layers and the mean over time.

    Examples
    --------
    >>> LCNN(LCNNSettings(), channels=1, bins=60)(torch.randn(2, 1, 60, 400)).shape
    torch.Size([2, 1])
    """

    Settings = LCNNSettings
    facts = Facts("LCNN with two bidirectional LSTM layers", "arXiv 1904.05576, 2103.11326", (1, 60, 401), "lfcc")

    def __init__(self, settings: LCNNSettings, *, channels: int, bins: int) -> None:
        super().__init__()
        s = self.settings = settings
        a, b, c = (max(2, round(s.scale * width)) for width in (32, 48, 64))

        def convolution(inside: int, outside: int, size: int) -> list[nn.Module]:
            return [nn.Conv2d(inside, 2 * outside, size, padding=size // 2), MaxFeatureMap()]

        def norm(width: int) -> nn.Module:
            return nn.BatchNorm2d(width, affine=False)

        self.layers = nn.Sequential(
            *convolution(channels, a, 5),
            nn.MaxPool2d(2),
            *convolution(a, a, 1),
            norm(a),
            *convolution(a, b, 3),
            nn.MaxPool2d(2),
            norm(b),
            *convolution(b, b, 1),
            norm(b),
            *convolution(b, c, 3),
            nn.MaxPool2d(2),
            *convolution(c, c, 1),
            norm(c),
            *convolution(c, a, 3),
            norm(a),
            *convolution(a, a, 1),
            norm(a),
            *convolution(a, a, 3),
            nn.MaxPool2d(2),
            nn.Dropout(s.dropout),
        )
        self.width = a * (bins // 16)
        self.recurrent = nn.ModuleList(
            LSTM(self.width, self.width // 2, batch_first=True, bidirectional=True) for _ in range(s.recurrent)
        )
        self.last = last_layer(self.width, s.outputs)

    def embedding(self, picture: Tensor) -> Tensor:
        """The mean over time, ``(batch, width)``."""
        sequence = self.layers(picture).permute(0, 3, 1, 2).flatten(2)
        x = sequence
        for layer in self.recurrent:
            x = layer(x)
        result: Tensor = (x + sequence).mean(dim=1)
        return result
