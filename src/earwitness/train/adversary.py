"""The corpus adversary: a second head that tells sources apart, whose gradient is turned around in the network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class AdversarySettings:
    """How hard the network is kept from telling sources apart.

    Parameters
    ----------
    share:
        Strength of the turned gradient at the end of its rise; 0 leaves the adversary out.
    hidden:
        Width of its hidden layer.
    steepness:
        Of the rise over the run: ``2 / (1 + exp(-steepness * progress)) - 1``.
    """

    share: float = 0.0
    hidden: int = 128
    steepness: float = 10.0


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


class SourceAdversary(nn.Module):
    """Embedding to sources; what it learns, the network unlearns.

    Source: Ganin et al. 2016 (arXiv 1505.07818). Only sources with both labels have a class: to hide one that has a
    single label would mean to hide the label.

    Examples
    --------
    >>> embedding = torch.randn(3, 8, requires_grad=True)
    >>> adversary = SourceAdversary(AdversarySettings(share=1.0), width=8, sources=5)
    >>> adversary(embedding, progress=0.5).shape
    torch.Size([3, 5])
    """

    def __init__(self, settings: AdversarySettings, *, width: int, sources: int) -> None:
        super().__init__()
        self.settings = settings
        self.layers = nn.Sequential(
            nn.Linear(width, settings.hidden), nn.ReLU(), nn.Linear(settings.hidden, max(1, sources))
        )

    def strength(self, progress: float) -> float:
        """Of the turned gradient, at a share of the run in [0, 1]."""
        s = self.settings
        return s.share * (2.0 / (1.0 + math.exp(-s.steepness * progress)) - 1.0)

    def forward(self, embedding: Tensor, progress: float) -> Tensor:
        """``(batch, width)`` to ``(batch, sources)``."""
        turned: Tensor = _Reverse.apply(embedding, self.strength(progress))  # type: ignore[no-untyped-call]
        result: Tensor = self.layers(turned)
        return result


def source_loss(outputs: Tensor, sources: Tensor) -> Tensor:
    """Cross-entropy over the clips whose source has a class (0 or more); 0 if none has.

    Examples
    --------
    >>> round(float(source_loss(torch.zeros(2, 4), torch.tensor([3, -1]))), 4)
    1.3863
    """
    known = sources >= 0
    if not known.any():
        return outputs.sum() * 0.0
    return F.cross_entropy(outputs[known].float(), sources[known])
