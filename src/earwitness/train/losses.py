"""Losses: ``loss(outputs, targets, groups) -> scalar``; targets are 1 for spoof."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LOSSES: dict[str, str] = {
    "bce": "earwitness.train.losses:BinaryCrossEntropy",
    "ranked": "earwitness.train.losses:RankedCrossEntropy",
}


@dataclass(frozen=True)
class CrossEntropySettings:
    """``smoothing`` moves both targets this far towards one half; ``spoof_weight`` weighs generated clips."""

    smoothing: float = 0.05
    spoof_weight: float = 1.0


class BinaryCrossEntropy(nn.Module):
    """Binary cross-entropy of one logit a clip.

    Examples
    --------
    >>> loss = BinaryCrossEntropy(CrossEntropySettings(smoothing=0.0))
    >>> round(float(loss(torch.zeros(2, 1), torch.tensor([0.0, 1.0]), torch.tensor([0, 0]))), 4)
    0.6931
    """

    Settings = CrossEntropySettings

    def __init__(self, settings: CrossEntropySettings) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, outputs: Tensor, targets: Tensor, groups: Tensor) -> Tensor:  # noqa: ARG002
        s = self.settings
        smooth = targets * (1 - 2 * s.smoothing) + s.smoothing
        weight = torch.where(targets > 0.5, s.spoof_weight, 1.0)
        return F.binary_cross_entropy_with_logits(outputs[:, 0], smooth, weight=weight)


@dataclass(frozen=True)
class RankedSettings:
    """Cross-entropy plus ``share`` times the ranking term within groups."""

    smoothing: float = 0.05
    share: float = 0.5


class RankedCrossEntropy(nn.Module):
    """Cross-entropy, plus a logistic ranking of each generated clip above each human clip of its own group.

    A group comes from one source, so the second term cannot be met by telling sources apart.

    Examples
    --------
    >>> loss = RankedCrossEntropy(RankedSettings())
    >>> bool(loss(torch.zeros(4, 1), torch.tensor([0.0, 0, 1, 1]), torch.zeros(4)) > 0.69)
    True
    """

    Settings = RankedSettings

    def __init__(self, settings: RankedSettings) -> None:
        super().__init__()
        self.settings = settings
        self.entropy = BinaryCrossEntropy(CrossEntropySettings(smoothing=settings.smoothing))

    def forward(self, outputs: Tensor, targets: Tensor, groups: Tensor) -> Tensor:
        total: Tensor = self.entropy(outputs, targets, groups)
        logit = outputs[:, 0]
        above = logit[:, None] - logit[None, :]
        counts = (groups[:, None] == groups[None, :]) & (targets[:, None] > 0.5) & (targets[None, :] < 0.5)
        if counts.any():
            total = total + self.settings.share * F.softplus(-above[counts]).mean()
        return total
