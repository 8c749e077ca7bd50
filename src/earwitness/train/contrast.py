"""Supervised contrast of embeddings: human clips beside their own copy-synthesis, or a whole batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earwitness.train.losses import Answers


@dataclass(frozen=True)
class SupervisedContrastSettings:
    """What is compared with what.

    Parameters
    ----------
    temperature:
        Cosines are divided by it.
    within:
        ``"batch"`` compares every clip with every other one; ``"group"`` only those that were drawn together (two
        human and two generated clips of one source, or two human clips and their copies); ``"pairs"`` compares all
        clips of those groups of a batch that hold copy-synthesis pairs, and leaves the others out.
    """

    temperature: float = 0.1
    within: Literal["batch", "group", "pairs"] = "batch"


class SupervisedContrast(nn.Module):
    """Clips of one label come closer together than clips of the other.

    For each clip, the mean over the others of its label of ``-log(exp(s_p / t) / sum over all others exp(s_a / t))``
    (``L_out`` of Khosla et al. 2020, arXiv 2004.11362), averaged over the clips that have such others. With
    copy-synthesis pairs in the batch, what tells a human clip from its copy is the vocoder alone (Wang and Yamagishi
    2023, arXiv 2210.10570). Nothing to compare gives 0.

    Examples
    --------
    >>> loss = SupervisedContrast(SupervisedContrastSettings(temperature=1.0))
    >>> labels, near = torch.tensor([0.0, 0, 1, 1]), torch.tensor([[1.0, 0], [1, 0], [-1, 0], [-1, 0]])
    >>> round(float(loss(Answers(near[:, :1], labels, torch.zeros(4), near))), 4)
    0.2395
    """

    Settings = SupervisedContrastSettings

    def __init__(self, settings: SupervisedContrastSettings) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, batch: Answers) -> Tensor:
        s, count = self.settings, len(batch.targets)
        unit = F.normalize(batch.embedding.float(), dim=1)
        close = unit @ unit.T / s.temperature
        others = ~torch.eye(count, dtype=torch.bool, device=unit.device)
        if s.within == "group":
            others &= batch.groups[:, None] == batch.groups[None, :]
        if s.within == "pairs":
            paired = torch.zeros_like(batch.groups, dtype=torch.bool) if batch.paired is None else batch.paired
            others &= paired[:, None] & paired[None, :]
        same = others & (batch.targets[:, None] == batch.targets[None, :])
        anchors = same.any(dim=1)
        if not anchors.any():
            return close.sum() * 0.0
        # a finite stand-in for minus infinity: rows without others must not become NaN on the way back
        log_share = close - close.masked_fill(~others, -1e9).logsumexp(dim=1, keepdim=True)
        mean = (log_share * same).sum(dim=1) / same.sum(dim=1).clamp(min=1)
        return -mean[anchors].mean()
