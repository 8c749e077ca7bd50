"""Losses: ``loss(batch) -> scalar``; a batch holds outputs, targets (1 = spoof), groups and embeddings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LOSSES: dict[str, str] = {
    "am_softmax": "earwitness.train.margins:AMSoftmax",
    "bce": "earwitness.train.losses:BinaryCrossEntropy",
    "ce": "earwitness.train.losses:CrossEntropy",
    "focal": "earwitness.train.losses:Focal",
    "oc_softmax": "earwitness.train.margins:OCSoftmax",
    "ranked": "earwitness.train.losses:RankedCrossEntropy",
    "supcon": "earwitness.train.contrast:SupervisedContrast",
}


@dataclass(frozen=True)
class Answers:
    """What a loss sees of a batch.

    Parameters
    ----------
    outputs:
        The network's last layer, ``(batch, 1 or 2)``.
    targets:
        1 = spoof, 0 = bonafide, ``(batch,)``.
    groups:
        Number of the group that a clip was drawn in, ``(batch,)``.
    embedding:
        What the last layer read, ``(batch, width)``.
    paired:
        Whether the group holds human clips and their own copy-synthesis, ``(batch,)``; no group does unless given.
    """

    outputs: Tensor
    targets: Tensor
    groups: Tensor
    embedding: Tensor
    paired: Tensor | None = None


def one_logit(outputs: Tensor) -> Tensor:
    """The logit of spoof ``(batch,)``: the one output, or the second minus the first.

    Examples
    --------
    >>> one_logit(torch.tensor([[1.0, 3.0]]))
    tensor([2.])
    """
    return outputs[:, 0] if outputs.shape[1] == 1 else outputs[:, 1] - outputs[:, 0]


@dataclass(frozen=True)
class CrossEntropySettings:
    """``smoothing`` moves both targets this far towards one half; ``spoof_weight`` weighs generated clips."""

    smoothing: float = 0.05
    spoof_weight: float = 1.0


class BinaryCrossEntropy(nn.Module):
    """Binary cross-entropy of one logit a clip; clips are averaged, whatever they weigh.

    Examples
    --------
    >>> loss = BinaryCrossEntropy(CrossEntropySettings(smoothing=0.0))
    >>> batch = Answers(torch.zeros(2, 1), torch.tensor([0.0, 1.0]), torch.tensor([0, 0]), torch.zeros(2, 1))
    >>> round(float(loss(batch)), 4)
    0.6931
    """

    Settings = CrossEntropySettings

    def __init__(self, settings: CrossEntropySettings) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, batch: Answers) -> Tensor:
        s = self.settings
        smooth = batch.targets * (1 - 2 * s.smoothing) + s.smoothing
        weight = torch.where(batch.targets > 0.5, s.spoof_weight, 1.0)
        return F.binary_cross_entropy_with_logits(one_logit(batch.outputs), smooth, weight=weight)


@dataclass(frozen=True)
class SoftmaxSettings:
    """Weights of the two classes and label smoothing.

    Parameters
    ----------
    weights:
        Of bonafide and spoof; the mean over a batch is divided by the weights in it, as the ASVspoof baselines do.
    smoothing:
        Share of each target that is spread evenly over both classes.
    """

    weights: tuple[float, float] = (1.0, 1.0)
    smoothing: float = 0.0


class CrossEntropy(nn.Module):
    """Weighted softmax cross-entropy of two outputs; one output counts as the logit of spoof against nought.

    Examples
    --------
    >>> loss = CrossEntropy(SoftmaxSettings(weights=(0.1, 0.9)))
    >>> batch = Answers(torch.zeros(2, 2), torch.tensor([0.0, 1.0]), torch.tensor([0, 0]), torch.zeros(2, 1))
    >>> round(float(loss(batch)), 4)
    0.6931
    """

    Settings = SoftmaxSettings

    def __init__(self, settings: SoftmaxSettings) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, batch: Answers) -> Tensor:
        outputs = batch.outputs
        if outputs.shape[1] == 1:
            outputs = torch.cat([torch.zeros_like(outputs), outputs], dim=1)
        weights = torch.tensor(self.settings.weights, device=outputs.device)
        return F.cross_entropy(outputs, batch.targets.long(), weights, label_smoothing=self.settings.smoothing)


@dataclass(frozen=True)
class FocalSettings:
    """``gamma`` turns easy clips down; ``spoof_share`` (the paper's alpha) weighs spoof, its rest bonafide."""

    gamma: float = 2.0
    spoof_share: float = 0.5


class Focal(nn.Module):
    """Focal loss, ``-alpha (1 - p) ** gamma log p`` for the probability ``p`` of the right class.

    Source: Lin et al. 2017 (arXiv 1708.02002).

    Examples
    --------
    >>> loss = Focal(FocalSettings(gamma=0.0))
    >>> batch = Answers(torch.zeros(2, 1), torch.tensor([0.0, 1.0]), torch.tensor([0, 0]), torch.zeros(2, 1))
    >>> round(float(loss(batch)), 4)
    0.3466
    """

    Settings = FocalSettings

    def __init__(self, settings: FocalSettings) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, batch: Answers) -> Tensor:
        s, spoof = self.settings, batch.targets > 0.5
        right = torch.where(spoof, one_logit(batch.outputs), -one_logit(batch.outputs))
        weight = torch.where(spoof, s.spoof_share, 1.0 - s.spoof_share)
        return (weight * torch.sigmoid(-right) ** s.gamma * F.softplus(-right)).mean()


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
    >>> batch = Answers(torch.zeros(4, 1), torch.tensor([0.0, 0, 1, 1]), torch.zeros(4), torch.zeros(4, 1))
    >>> bool(loss(batch) > 0.69)
    True
    """

    Settings = RankedSettings

    def __init__(self, settings: RankedSettings) -> None:
        super().__init__()
        self.settings = settings
        self.entropy = BinaryCrossEntropy(CrossEntropySettings(smoothing=settings.smoothing))

    def forward(self, batch: Answers) -> Tensor:
        total: Tensor = self.entropy(batch)
        logit, targets, groups = one_logit(batch.outputs), batch.targets, batch.groups
        above = logit[:, None] - logit[None, :]
        counts = (groups[:, None] == groups[None, :]) & (targets[:, None] > 0.5) & (targets[None, :] < 0.5)
        if counts.any():
            total = total + self.settings.share * F.softplus(-above[counts]).mean()
        return total
