"""One training step: the network, what is learned beside it, losses, and the optimizer."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from earwitness.augment.mask import mask_bands
from earwitness.config import build
from earwitness.errors import TrainingError
from earwitness.registry import find
from earwitness.train.adversary import SourceAdversary, source_loss
from earwitness.train.batches import Batch
from earwitness.train.descent import climb, learning_rate, make_optimizer, put_back, unmoved_statistics
from earwitness.train.losses import LOSSES, Answers, one_logit
from earwitness.train.recipe import Network, Part, Recipe
from earwitness.train.teacher import teacher_loss

if TYPE_CHECKING:
    from accelerate import Accelerator


class Trainee(nn.Module):
    """The network and the heads that only training has, as one module, so that several processes keep them alike."""

    def __init__(self, network: Network, adversary: SourceAdversary | None) -> None:
        super().__init__()
        self.network, self.adversary = network, adversary

    def forward(self, waveform: Tensor, mask: Any, progress: float) -> tuple[Tensor, Tensor, Tensor | None]:
        """Outputs, embedding, and the adversary's outputs if there is one."""
        outputs, embedding = self.network.answer(waveform, mask)
        return outputs, embedding, self.adversary(embedding, progress) if self.adversary else None


class Learner:
    """Takes batches, moves weights.

    Parameters
    ----------
    recipe:
        Losses, optimizer, masks, mixup.
    network:
        What is trained.
    sources:
        Classes of the corpus adversary.
    accelerator:
        Device, precision and other processes.
    """

    def __init__(self, recipe: Recipe, network: Network, sources: int, accelerator: Accelerator) -> None:
        self.recipe, self.network, self.accelerator = recipe, network, accelerator
        self.losses = [(1.0, made_loss(recipe.loss))]
        self.losses += [(extra.share, made_loss(Part(extra.name, extra.settings))) for extra in recipe.also]
        a = recipe.adversary
        self.adversary = SourceAdversary(a, width=network.width, sources=sources) if a.share else None
        trainee = Trainee(network, self.adversary)
        self.optimizer = make_optimizer(trainee, recipe.optimizer)
        self.trained = [p for p in trainee.parameters() if p.requires_grad]
        self.trainee, self.prepared = accelerator.prepare(trainee, self.optimizer)
        self.drops = 1.0

    def step(self, batch: Batch, step: int, progress: float) -> float:
        """One step on one batch; gives the loss.

        Raises
        ------
        TrainingError
            If the loss is not a number.
        """
        o, recipe, device = self.recipe.optimizer, self.recipe, self.accelerator.device
        rate = o.lr * self.drops * learning_rate(progress, step, recipe.run.steps, o)
        for part in self.optimizer.param_groups:
            # groups of a run that was begun before there were shares have none
            part["lr"] = rate * part.get("share", 1.0)
        batch = Batch(**{name: value.to(device) for name, value in vars(batch).items()})
        # dropout, masks and mixup depend on (seed, step) alone, so that a resumed run ends in the same weights
        seed = (recipe.seed * 1_000_003 + step) % 2**62
        self.trainee.train()
        loss = self._backward(batch, seed, progress)
        value = float(loss)
        if not math.isfinite(value):
            raise TrainingError(f"step {step}: the loss is {value}", hint="lower optimizer.lr")
        if o.sam:
            before = climb(self.trained, o.sam, adaptive=o.sam_adaptive)
            self.prepared.zero_grad()
            with unmoved_statistics(self.network):
                self._backward(batch, seed, progress)
            put_back(self.trained, before)
        if o.clip_norm:
            self.accelerator.clip_grad_norm_(self.trained, o.clip_norm)
        self.prepared.step()
        self.prepared.zero_grad()
        return value

    def _backward(self, batch: Batch, seed: int, progress: float) -> Tensor:
        torch.manual_seed(seed)
        a, generator = self.recipe.augment, torch.Generator().manual_seed(seed)
        mask = partial(mask_bands, count=a.bands, widest=a.widest_band, generator=generator) if a.bands else None
        waveform, other, share = batch.waveform, None, 1.0
        if self.recipe.mixup:
            waveform, other, share = mixed(batch, self.recipe.mixup, generator)
        with self.accelerator.autocast():
            outputs, embedding, sources = self.trainee(waveform, mask, progress)
        answers = Answers(outputs.float(), batch.target, batch.group, embedding.float(), batch.paired)
        loss = self._loss(answers, batch.answer)
        if other is not None:
            others = self._loss(replace(answers, targets=batch.target[other]), batch.answer[other])
            loss = share * loss + (1 - share) * others
        if sources is not None:
            loss = loss + source_loss(sources, batch.source)
        self.accelerator.backward(loss)
        return loss.detach()

    def _loss(self, answers: Answers, taught: Tensor) -> Tensor:
        total: Tensor = sum((share * loss(answers) for share, loss in self.losses), torch.zeros(()))
        teacher = self.recipe.teacher
        if teacher.answers:
            total = total + teacher.share * teacher_loss(one_logit(answers.outputs), taught)
        return total


def made_loss(part: Part) -> nn.Module:
    """The loss that a recipe names, with its settings."""
    kind = find(LOSSES, part.name, kind="loss")
    loss: nn.Module = kind(build(kind.Settings, part.settings, where=f"{part.name}.settings"))
    return loss


def mixed(batch: Batch, alpha: float, generator: torch.Generator) -> tuple[Tensor, Tensor, float]:
    """Mixup: each clip mixed with another one; gives the mixtures, the places of the others, and the first's share.

    Source: Zhang et al. 2018 (arXiv 1710.09412). Losses are mixed in the same share.

    Parameters
    ----------
    alpha:
        Of the Beta distribution that the share is drawn from.
    generator:
        Source of all randomness.
    """
    # torch's Beta takes no generator
    share = float(np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator))).beta(alpha, alpha))
    other = torch.randperm(len(batch.target), generator=generator).to(batch.waveform.device)
    return share * batch.waveform + (1 - share) * batch.waveform[other], other, share
