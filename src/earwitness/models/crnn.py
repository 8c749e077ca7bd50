"""Convolutions, then a recurrent network over time: with LSTM or with GRU cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from earwitness.models.base import Classifier, Facts, last_layer
from earwitness.models.heads import AttentiveStatistics
from earwitness.models.recurrent import GRU, LSTM


@dataclass(frozen=True)
class CRNNSettings:
    """Size of the network.

    Parameters
    ----------
    widths:
        Channels of the convolutions. Each halves frequency; the first two halve time as well.
    cell:
        ``"lstm"`` or ``"gru"``.
    hidden:
        Units of the recurrent layers in each direction.
    layers:
        Recurrent layers.
    heads:
        Attention maps of the pooling over time.
    dropout:
        Share of the embedding that is dropped.
    outputs:
        1 logit, or 2 (bonafide, spoof).
    """

    widths: tuple[int, ...] = (32, 48, 64, 64)
    cell: Literal["lstm", "gru"] = "lstm"
    hidden: int = 64
    layers: int = 2
    heads: int = 4
    dropout: float = 0.2
    outputs: int = 1


@dataclass(frozen=True)
class CRNNGRUSettings(CRNNSettings):
    """The same with GRU cells."""

    cell: Literal["lstm", "gru"] = "gru"


class CRNN(Classifier):
    """Convolutional-recurrent network with attentive statistics pooling; input ``(batch, channels, bins, frames)``.

    Examples
    --------
    >>> import torch
    >>> CRNN(CRNNSettings(), channels=1, bins=80)(torch.randn(2, 1, 80, 400)).shape
    torch.Size([2, 1])
    """

    Settings = CRNNSettings
    facts = Facts("Convolutions and a bidirectional LSTM", "after arXiv 1609.04243", (1, 80, 401), "log_mel")

    def __init__(self, settings: CRNNSettings, *, channels: int, bins: int) -> None:
        super().__init__()
        s = self.settings = settings
        layers: list[nn.Module] = []
        height = bins
        for number, (inside, outside) in enumerate(zip((channels, *s.widths), s.widths, strict=False)):
            layers += [
                nn.Conv2d(inside, outside, 3, padding=1, bias=False),
                nn.BatchNorm2d(outside),
                nn.ReLU(inplace=True),
                nn.MaxPool2d((2, 2 if number < 2 else 1)),
            ]
            height //= 2
        self.layers = nn.Sequential(*layers)
        kind = LSTM if s.cell == "lstm" else GRU
        self.recurrent = kind(s.widths[-1] * height, s.hidden, s.layers, batch_first=True, bidirectional=True)
        self.pool = AttentiveStatistics(2 * s.hidden, s.heads)
        self.drop = nn.Dropout(s.dropout)
        self.width = 4 * s.hidden
        self.last = last_layer(self.width, s.outputs)

    def embedding(self, picture: Tensor) -> Tensor:
        """Mean and deviation over time, ``(batch, 4 * hidden)``."""
        sequence = self.recurrent(self.layers(picture).permute(0, 3, 1, 2).flatten(2))
        result: Tensor = self.drop(self.pool(sequence.transpose(1, 2)))
        return result


class CRNNGRU(CRNN):
    """The same with GRU cells.

    Examples
    --------
    >>> import torch
    >>> CRNNGRU(CRNNGRUSettings(), channels=1, bins=80)(torch.randn(2, 1, 80, 400)).shape
    torch.Size([2, 1])
    """

    Settings = CRNNGRUSettings
    facts = Facts("Convolutions and a bidirectional GRU", "after arXiv 1609.04243", (1, 80, 401), "log_mel")
