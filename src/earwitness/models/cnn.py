"""Small convolutional networks of three student systems; docs/models/student-systems.md lists what was left open."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from earwitness.models.base import Classifier, Facts, last_layer
from earwitness.models.heads import fixed_frames


@dataclass(frozen=True)
class MelCNNSettings:
    """Size of the network.

    Parameters
    ----------
    widths:
        Channels of the convolutions; each is followed by a 2×2 maximum.
    hidden:
        Width of the dense layer.
    dropout, hidden_dropout:
        Share that is dropped after each convolution and after the dense layer.
    outputs:
        1 logit, or 2 (bonafide, spoof).
    """

    widths: tuple[int, ...] = (32, 64, 128)
    hidden: int = 128
    dropout: float = 0.25
    hidden_dropout: float = 0.5
    outputs: int = 1


class MelCNN(Classifier):
    """Convolutions on a mel spectrogram with batch norm and dropout; input ``(batch, channels, bins, frames)``.

    Examples
    --------
    >>> MelCNN(MelCNNSettings(), channels=1, bins=128)(torch.randn(2, 1, 128, 128)).shape
    torch.Size([2, 1])
    """

    Settings = MelCNNSettings
    facts = Facts(
        "CNN with batch norm and dropout on mel spectrograms", "student system S2b", (1, 128, 128), "mel_image"
    )

    def __init__(self, settings: MelCNNSettings, *, channels: int, bins: int) -> None:  # noqa: ARG002
        super().__init__()
        s = self.settings = settings
        layers: list[nn.Module] = []
        for inside, outside in zip((channels, *s.widths), s.widths, strict=False):
            layers += [
                nn.Conv2d(inside, outside, 3, padding=1, bias=False),
                nn.BatchNorm2d(outside),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
                nn.Dropout(s.dropout),
            ]
        self.layers = nn.Sequential(*layers)
        self.dense = nn.Sequential(
            nn.Linear(s.widths[-1], s.hidden, bias=False),
            nn.BatchNorm1d(s.hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(s.hidden_dropout),
        )
        self.width = s.hidden
        self.last = last_layer(s.hidden, s.outputs)

    def embedding(self, picture: Tensor) -> Tensor:
        """The dense layer, ``(batch, hidden)``."""
        result: Tensor = self.dense(self.layers(picture).mean(dim=(2, 3)))
        return result


@dataclass(frozen=True)
class MFCCCNNSettings:
    """Size of the network.

    Parameters
    ----------
    widths:
        Channels of the two convolutions.
    frames:
        Frames of the input; other pictures are cut or repeated to this length, because the dense layer sees all.
    hidden:
        Width of the dense layer.
    dropout:
        Share of the dense layer that is dropped; the author names dropout but not in his list of layers.
    outputs:
        1 logit, or 2 (bonafide, spoof).
    """

    widths: tuple[int, int] = (16, 32)
    frames: int = 101
    hidden: int = 128
    dropout: float = 0.0
    outputs: int = 2


class MFCCCNN(Classifier):
    """Two convolutions and a dense layer on 20 MFCC of one second; input ``(batch, channels, bins, frames)``.

    Examples
    --------
    >>> MFCCCNN(MFCCCNNSettings(), channels=1, bins=20)(torch.randn(2, 1, 20, 101)).shape
    torch.Size([2, 2])
    """

    Settings = MFCCCNNSettings
    facts = Facts("CNN of two convolutions on 20 MFCC of one second", "student system S4", (1, 20, 101), "mfcc")

    def __init__(self, settings: MFCCCNNSettings, *, channels: int, bins: int) -> None:
        super().__init__()
        s = self.settings = settings
        self.one = nn.Conv2d(channels, s.widths[0], 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.two = nn.Conv2d(*s.widths, 3, padding=1)
        self.dense = nn.Linear(s.widths[1] * (bins // 2) * (s.frames // 2), s.hidden)
        self.drop = nn.Dropout(s.dropout)
        self.width = s.hidden
        self.last = last_layer(s.hidden, s.outputs)

    def embedding(self, picture: Tensor) -> Tensor:
        """The dense layer, ``(batch, hidden)``."""
        x = self.pool(torch.relu(self.one(fixed_frames(picture, self.settings.frames))))
        x = torch.relu(self.two(x)).flatten(1)
        dropped: Tensor = self.drop(torch.relu(self.dense(x)))
        return dropped


@dataclass(frozen=True)
class PooledCNNSettings:
    """Size of the network.

    Parameters
    ----------
    widths:
        Channels of the convolutions; each is followed by a 2×2 maximum, batch norm, ReLU and dropout.
    dropout:
        Share that is dropped after each.
    outputs:
        1 logit, or 2 (bonafide, spoof).
    """

    widths: tuple[int, ...] = (32, 64, 128)
    dropout: float = 0.3
    outputs: int = 1


class PooledCNN(Classifier):
    """Convolution, maximum, batch norm, ReLU, dropout; mean over the picture; one dense output.

    Input ``(batch, channels, bins, frames)``.

    Examples
    --------
    >>> PooledCNN(PooledCNNSettings(), channels=1, bins=80)(torch.randn(2, 1, 80, 401)).shape
    torch.Size([2, 1])
    """

    Settings = PooledCNNSettings
    facts = Facts("CNN with global average pooling on mel spectrograms", "student system S5", (1, 80, 401), "log_mel")

    def __init__(self, settings: PooledCNNSettings, *, channels: int, bins: int) -> None:  # noqa: ARG002
        super().__init__()
        s = self.settings = settings
        layers: list[nn.Module] = []
        for inside, outside in zip((channels, *s.widths), s.widths, strict=False):
            layers += [
                nn.Conv2d(inside, outside, 3, padding=1),
                nn.MaxPool2d(2),
                nn.BatchNorm2d(outside),
                nn.ReLU(inplace=True),
                nn.Dropout(s.dropout),
            ]
        self.layers = nn.Sequential(*layers)
        self.width = s.widths[-1]
        self.last = last_layer(self.width, s.outputs)

    def embedding(self, picture: Tensor) -> Tensor:
        """The mean over the picture, ``(batch, widths[-1])``."""
        result: Tensor = self.layers(picture).mean(dim=(2, 3))
        return result
