"""Losses on angles: OC-softmax and AM-softmax, with the last layers that give them cosines."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earwitness.train.losses import Answers


class Cosines(nn.Module):
    """Cosines between an embedding and learned directions: a last layer for losses with margins.

    Parameters
    ----------
    width:
        Numbers in the embedding.
    outputs:
        Directions.
    sign:
        Of the outputs. With one direction, that of human speech, it is -1: higher must mean generated.

    Examples
    --------
    >>> last = Cosines(8, 1, sign=-1.0)
    >>> bool((last(-3.0 * last.directions) - 1.0).abs() < 1e-5)
    True
    """

    def __init__(self, width: int, outputs: int, sign: float = 1.0) -> None:
        super().__init__()
        self.sign = sign
        self.directions = nn.Parameter(torch.empty(outputs, width))
        nn.init.kaiming_uniform_(self.directions, 0.25)

    def forward(self, embedding: Tensor) -> Tensor:
        """``(batch, width)`` to ``(batch, outputs)`` in [-1, 1]."""
        return self.sign * F.normalize(embedding, dim=1) @ F.normalize(self.directions, dim=1).T


@dataclass(frozen=True)
class OCSoftmaxSettings:
    """``scale`` is the paper's alpha; human clips are pulled above ``near``, generated ones pushed below ``far``."""

    scale: float = 20.0
    near: float = 0.9
    far: float = 0.2


class OCSoftmax(nn.Module):
    """One-class softmax: human speech is drawn together around one direction, everything else is kept away from it.

    Source: Zhang, Jiang and Duan 2021 (arXiv 2010.13995). The output is minus the cosine, so that higher is generated.

    Examples
    --------
    >>> loss = OCSoftmax(OCSoftmaxSettings())
    >>> batch = Answers(torch.tensor([[-1.0], [1.0]]), torch.tensor([0.0, 1.0]), torch.zeros(2), torch.zeros(2, 1))
    >>> round(float(loss(batch)), 3)
    0.063
    """

    Settings = OCSoftmaxSettings

    def __init__(self, settings: OCSoftmaxSettings) -> None:
        super().__init__()
        self.settings = settings

    @staticmethod
    def last(width: int) -> nn.Module:
        """The last layer that this loss needs."""
        return Cosines(width, 1, sign=-1.0)

    def forward(self, batch: Answers) -> Tensor:
        s, cosine = self.settings, -batch.outputs[:, 0]
        short = torch.where(batch.targets > 0.5, cosine - s.far, s.near - cosine)
        return F.softplus(s.scale * short).mean()


@dataclass(frozen=True)
class AMSoftmaxSettings:
    """``scale`` of the cosines, ``margin`` that the right one must keep, and ``weights`` of bonafide and spoof."""

    scale: float = 20.0
    margin: float = 0.9
    weights: tuple[float, float] = (1.0, 1.0)


class AMSoftmax(nn.Module):
    """Additive-margin softmax over the cosines to one direction a class.

    Source: Wang et al. 2018 (arXiv 1801.05599); scale and margin as in Zhang, Jiang and Duan 2021 (arXiv 2010.13995).

    Examples
    --------
    >>> loss = AMSoftmax(AMSoftmaxSettings(margin=0.0, scale=1.0))
    >>> batch = Answers(torch.zeros(2, 2), torch.tensor([0.0, 1.0]), torch.zeros(2), torch.zeros(2, 1))
    >>> round(float(loss(batch)), 4)
    0.6931
    """

    Settings = AMSoftmaxSettings

    def __init__(self, settings: AMSoftmaxSettings) -> None:
        super().__init__()
        self.settings = settings

    @staticmethod
    def last(width: int) -> nn.Module:
        """The last layer that this loss needs."""
        return Cosines(width, 2)

    def forward(self, batch: Answers) -> Tensor:
        s, targets = self.settings, batch.targets.long()
        moved = batch.outputs - s.margin * F.one_hot(targets, 2)
        return F.cross_entropy(s.scale * moved, targets, torch.tensor(s.weights, device=moved.device))
