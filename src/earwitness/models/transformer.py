"""A small transformer over mel frames, with the statistics of its upper layers over time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earwitness.models.base import Classifier, Facts, last_layer


@dataclass(frozen=True)
class SpeechTransformerSettings:
    """Size of the network.

    Parameters
    ----------
    width:
        Numbers a frame, a multiple of ``heads``.
    heads:
        Attention heads of a block.
    hidden:
        Width of the feed-forward layer of a block.
    layers:
        Blocks.
    pooled:
        Upper states whose mean and deviation over time are read; at most ``layers + 1``.
    neck:
        Numbers in the embedding.
    dropout:
        Share of the statistics that is dropped, and of the embedding half as much again.
    frozen:
        Whether convolutions and blocks are never trained, only what reads their statistics.
    outputs:
        1 logit, or 2 (bonafide, spoof).
    """

    width: int = 384
    heads: int = 6
    hidden: int = 1536
    layers: int = 2
    pooled: int = 2
    neck: int = 192
    dropout: float = 0.3
    frozen: bool = False
    outputs: int = 1


def places(sequence: Tensor) -> Tensor:
    """Sines and cosines of falling frequency for ``(batch, frames, width)``, the same shape.

    Source: Vaswani et al. 2017 (arXiv 1706.03762), laid out as in Whisper.

    Examples
    --------
    >>> places(torch.zeros(1, 2, 4))[0, 0].tolist()
    [0.0, 0.0, 1.0, 1.0]
    """
    half = sequence.shape[2] // 2
    falling = torch.exp(torch.arange(half) * (-math.log(10_000.0) / (half - 1)))
    counted = torch.ones_like(sequence[:, :, :1], dtype=torch.float32).cumsum(dim=1) - 1
    angles = counted * falling.to(sequence.device)
    return torch.cat([angles.sin(), angles.cos()], dim=2)


class Block(nn.Module):
    """Self-attention and a feed-forward layer, each behind a normalisation and added to what came in."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_layers = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def attend(self, sequence: Tensor) -> Tensor:
        """The first half, ``(batch, frames, width)`` to the same."""
        batch, frames, width = sequence.shape
        asked = self.project(self.before_attention(sequence)).view(batch, frames, 3, self.heads, -1)
        query, key, value = asked.permute(2, 0, 3, 1, 4)
        heard = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(batch, frames, width)
        result: Tensor = sequence + self.join(heard)
        return result

    def think(self, sequence: Tensor) -> Tensor:
        """The second half, ``(batch, frames, width)`` to the same."""
        result: Tensor = sequence + self.layers(self.before_layers(sequence))
        return result

    def forward(self, sequence: Tensor) -> Tensor:
        """``(batch, frames, width)`` to the same."""
        return self.think(self.attend(sequence))


class SpeechTransformer(Classifier):
    """Two convolutions, one of which halves time, blocks of a transformer, statistics over time, one hidden layer.

    Input ``(batch, 1, bands, frames)``, frames every 10 ms. Blocks and convolutions are laid out as in Whisper's
    encoder (Radford et al. 2022, arXiv 2212.04356), so that one can be taught to hear what the other hears.

    Examples
    --------
    >>> SpeechTransformer(SpeechTransformerSettings(), channels=1, bins=80)(torch.randn(2, 1, 80, 200)).shape
    torch.Size([2, 1])
    """

    Settings = SpeechTransformerSettings
    inherited = ("first", "second", "blocks")
    facts = Facts(
        "Small transformer on mel frames, statistics over time", "arXiv 2212.04356", (1, 80, 400), "whisper_mel"
    )

    def __init__(self, settings: SpeechTransformerSettings, *, channels: int, bins: int) -> None:
        super().__init__()
        s = self.settings = settings
        self.first = nn.Conv1d(channels * bins, s.width, 3, padding=1)
        self.second = nn.Conv1d(s.width, s.width, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList([Block(s.width, s.heads, s.hidden) for _ in range(s.layers)])
        for part in (self.first, self.second, self.blocks):
            part.requires_grad_(not s.frozen)
        read = 2 * s.pooled * s.width
        self.neck = nn.Sequential(
            nn.BatchNorm1d(read), nn.Dropout(s.dropout), nn.Linear(read, s.neck), nn.ReLU(), nn.Dropout(1.5 * s.dropout)
        )
        self.width = s.neck
        self.last = last_layer(s.neck, s.outputs)

    def states(self, picture: Tensor) -> list[Tensor]:
        """What the convolutions and each block give, ``(batch, frames, width)``, a frame each 20 ms."""
        heard = self.fold(self.begin(picture))
        states = [heard]
        heard = heard + places(heard)
        for block in self.blocks:
            heard = block(heard)
            states.append(heard)
        return states

    def begin(self, picture: Tensor) -> Tensor:
        """The first convolution, ``(batch, frames, width)``, a frame each 10 ms."""
        return F.gelu(self.first(picture.flatten(1, 2))).transpose(1, 2)

    def fold(self, sequence: Tensor) -> Tensor:
        """The second convolution, ``(batch, frames, width)``, a frame each 20 ms."""
        return F.gelu(self.second(sequence.transpose(1, 2))).transpose(1, 2)

    def embedding(self, picture: Tensor) -> Tensor:
        """The hidden layer ``(batch, neck)``."""
        result: Tensor = self.neck(statistics(self.states(picture)[-self.settings.pooled :]))
        return result


def statistics(states: list[Tensor]) -> Tensor:
    """Mean and deviation over time of each state ``(batch, frames, width)``, ``(batch, 2 * states * width)``.

    Examples
    --------
    >>> statistics([torch.ones(1, 4, 2)]).shape
    torch.Size([1, 4])
    """
    parts = []
    for state in states:
        wide = state.float()
        mean = wide.mean(dim=1)
        spread = (wide - mean.unsqueeze(1)).square().mean(dim=1).clamp(min=1e-6).sqrt()
        parts += [mean, spread]
    return torch.cat(parts, dim=1)
