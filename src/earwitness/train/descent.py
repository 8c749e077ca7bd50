"""Optimizers, learning-rate schedules and sharpness-aware steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class OptimizerSettings:
    """How weights are moved.

    Parameters
    ----------
    name:
        ``"adamw"``, ``"adam"`` or ``"sgd"``.
    lr:
        Highest learning rate.
    inherited:
        Learning rate of the parts that begin with learned weights (a model names them in ``inherited``), as a share of
        that of the rest.
    weight_decay:
        Decay of matrices and kernels (decoupled in AdamW); biases and norms have none.
    betas:
        Of Adam; the first is the momentum of SGD.
    schedule:
        After the warm-up: ``"cosine"`` down to ``lr_end``, ``"constant"``, ``"step"`` (times ``factor`` after each
        ``every``), or ``"plateau"`` (times ``factor`` when dev did not improve for ``wait`` looks).
    lr_end:
        Where the cosine ends, as a share of ``lr``.
    every:
        Share of the run between two drops of ``"step"``.
    factor, wait:
        Of the drops.
    warmup:
        Share of the run in which the learning rate rises.
    clip_norm:
        Gradients are scaled down to this norm; 0 leaves them as they are.
    ema:
        Decay of the running average of the weights that is evaluated and exported; 0 turns it off.
    swa:
        Share of the run, at its end, over which the plain mean of the weights is taken instead; 0 turns it off.
    sam:
        Radius of sharpness-aware minimisation, which doubles the cost of a step; 0 turns it off.
    sam_adaptive:
        Whether that radius is relative to each weight.
    """

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float = 2e-3
    inherited: float = 1.0
    weight_decay: float = 0.02
    betas: tuple[float, float] = (0.9, 0.98)
    schedule: Literal["cosine", "constant", "step", "plateau"] = "cosine"
    lr_end: float = 0.0
    every: float = 0.3
    factor: float = 0.5
    wait: int = 2
    warmup: float = 0.05
    clip_norm: float = 2.0
    ema: float = 0.998
    swa: float = 0.0
    sam: float = 0.0
    sam_adaptive: bool = False


def parameter_groups(network: nn.Module, settings: OptimizerSettings) -> list[dict[str, Any]]:
    """Matrices and kernels with weight decay; biases, norms and other vectors without.

    Where inherited parts have a rate of their own, they are groups of their own, and ``share`` is that rate.
    """
    inherited: set[int] = set()
    if settings.inherited != 1.0:
        parts = [getattr(m, name) for m in network.modules() for name in getattr(m, "inherited", ())]
        inherited = {id(p) for part in parts for p in part.parameters()}
    trained = [p for p in network.parameters() if p.requires_grad]
    return [
        {
            "params": [p for p in trained if (p.ndim > 1) == is_matrix and (id(p) in inherited) == is_inherited],
            "weight_decay": settings.weight_decay if is_matrix else 0.0,
            "share": settings.inherited if is_inherited else 1.0,
        }
        for is_inherited in ((False, True) if inherited else (False,))
        for is_matrix in (True, False)
    ]


def make_optimizer(network: nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """The optimizer of ``settings`` for what is trained in ``network``."""
    s, groups = settings, parameter_groups(network, settings)
    if s.name == "sgd":
        return torch.optim.SGD(groups, lr=s.lr, momentum=s.betas[0])
    kind = torch.optim.AdamW if s.name == "adamw" else torch.optim.Adam
    return kind(groups, lr=s.lr, betas=s.betas)


def learning_rate(progress: float, step: int, steps: int, settings: OptimizerSettings) -> float:
    """Share of the highest learning rate, but for ``"plateau"``, which counts looks and not steps.

    Parameters
    ----------
    progress:
        Share of the run that is done, in [0, 1].
    step, steps:
        The step and how many there are, for the warm-up of a run without a limit of time.
    settings:
        Schedule and warm-up.

    Examples
    --------
    >>> s = OptimizerSettings(warmup=0.1)
    >>> [round(learning_rate(step / 100, step, 100, s), 2) for step in (0, 9, 55, 99)]
    [0.1, 1.0, 0.5, 0.0]
    >>> s = OptimizerSettings(warmup=0.0, schedule="step", every=0.5)
    >>> [learning_rate(step / 100, step, 100, s) for step in (0, 49, 50)]
    [1.0, 1.0, 0.5]
    """
    s = settings
    rise = max(1, round(steps * s.warmup))
    if step < rise and s.warmup:
        return (step + 1) / rise
    if s.schedule == "step":
        return float(s.factor ** math.floor(progress / s.every + 1e-9))
    if s.schedule != "cosine":
        return 1.0
    share = (progress * steps - rise) / max(1, steps - rise)
    return s.lr_end + (1 - s.lr_end) * 0.5 * (1 + math.cos(math.pi * min(max(share, 0.0), 1.0)))


def climb(parameters: list[nn.Parameter], radius: float, *, adaptive: bool) -> list[Tensor]:
    """Move weights ``radius`` up their gradient; gives them as they were, for :func:`put_back`.

    Source: Foret et al. 2021 (arXiv 2010.01412); ``adaptive`` scales by the weights, as Kwon et al. 2021 (arXiv
    2102.11600).

    Examples
    --------
    >>> weight = nn.Parameter(torch.tensor([3.0, 4.0]))
    >>> weight.grad = torch.tensor([0.6, 0.8])
    >>> before = climb([weight], 0.5, adaptive=False)
    >>> weight.data, before[0]
    (tensor([3.3000, 4.4000]), tensor([3., 4.]))
    """
    with torch.no_grad():
        before = [p.detach().clone() for p in parameters]
        slopes = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        scales = [p.abs() if adaptive else torch.ones_like(p) for p in parameters]
        norm = torch.stack([(a * g).norm() for a, g in zip(scales, slopes, strict=True)]).norm()
        for parameter, scale, slope in zip(parameters, scales, slopes, strict=True):
            parameter.add_(scale * scale * slope * (radius / (norm + 1e-12)))
    return before


def put_back(parameters: list[nn.Parameter], before: list[Tensor]) -> None:
    """Undo :func:`climb`."""
    with torch.no_grad():
        for parameter, value in zip(parameters, before, strict=True):
            parameter.copy_(value)


@contextmanager
def unmoved_statistics(network: nn.Module) -> Iterator[None]:
    """Batch norms keep their running statistics inside: a second look at one batch is no second batch."""
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    before = [norm.momentum for norm in norms]
    counts = [None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone() for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum, count in zip(norms, before, counts, strict=True):
            norm.momentum = momentum
            if norm.num_batches_tracked is not None and count is not None:
                norm.num_batches_tracked.copy_(count)
