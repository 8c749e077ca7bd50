"""From drawn rows to augmented batches of waveforms, prepared beside the network by worker processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from earwitness.augment import AUGMENTS
from earwitness.augment.signals import RATE, Samples, fit
from earwitness.config import build
from earwitness.registry import find
from earwitness.train.cache import AudioCache, clip_seed
from earwitness.train.sampling import GROUP, GroupSampler


@dataclass(frozen=True)
class AugmentSettings:
    """The law of augmentation, the same for both labels.

    Parameters
    ----------
    codec_variant:
        Share of clips that are replaced by one of their codec variants.
    always:
        Augmentations that every clip goes through, in order.
    probability:
        Share of clips that get one or more of ``some``.
    ramp:
        Share of the run over which ``probability`` and ``codec_variant`` rise from nothing: easy clips first.
    most:
        Most augmentations drawn from ``some`` for one clip.
    some:
        Name in ``AUGMENTS`` to weight in the draw.
    settings:
        Name in ``AUGMENTS`` to the settings that differ from its own.
    bands, widest_band:
        Frequency masks on the picture: how many, and how many bins wide at most.
    """

    codec_variant: float = 0.5
    always: tuple[str, ...] = ("gain",)
    probability: float = 0.7
    ramp: float = 0.0
    most: int = 2
    some: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bands: int = 0
    widest_band: int = 24


@dataclass(frozen=True)
class Batch:
    """One batch: waveform ``(batch, samples)``, target 1 = spoof ``(batch,)``, group number ``(batch,)``."""

    waveform: Tensor
    target: Tensor
    group: Tensor


class Augmenter:
    """Applies the law of :class:`AugmentSettings` to one clip; no label reaches it."""

    def __init__(self, settings: AugmentSettings) -> None:
        self.settings = settings
        names = [*settings.always, *settings.some]
        self.calls = {
            name: build(find(AUGMENTS, name, kind="augmentation"), settings.settings.get(name, {}), where=name)
            for name in names
        }
        weight = np.asarray(list(settings.some.values()), dtype=np.float64)
        self.weight = weight / max(weight.sum(), 1e-12)

    def __call__(self, samples: Samples, rng: np.random.Generator, share: float = 1.0) -> Samples:
        """``samples`` augmented; ``share`` in [0, 1] scales the probability."""
        s = self.settings
        if s.some and rng.random() < s.probability * share:
            count = min(int(rng.integers(1, s.most + 1)), len(s.some))
            names = rng.choice(list(s.some), size=count, replace=False, p=self.weight)
            for name in names:
                samples = self.calls[str(name)](samples, rng)
        for name in s.always:
            samples = self.calls[name](samples, rng)
        return samples


class Batches(Dataset[Batch]):
    """The batch of every step, made when asked; depends on ``(seed, step)`` and the cache alone.

    Parameters
    ----------
    sampler, cache:
        Rows and their audio.
    augment:
        The law.
    size:
        Clips in a batch over all processes, a multiple of :data:`GROUP`.
    seconds:
        Crop lengths; one is drawn for each batch.
    rank, world:
        This process and how many there are: each takes every ``world``-th group.
    """

    def __init__(
        self,
        sampler: GroupSampler,
        cache: AudioCache,
        augment: AugmentSettings,
        *,
        size: int,
        seconds: Sequence[float],
        steps: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.sampler, self.cache, self.augment = sampler, cache, Augmenter(augment)
        self.groups, self.seconds, self.steps, self.seed = size // GROUP, tuple(seconds), steps, seed
        self.rank, self.world = rank, world

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, step, 2])
        length = int(self.seconds[rng.integers(len(self.seconds))] * RATE)
        mine = self.sampler.groups(step, self.groups)[self.rank :: self.world]
        waves, targets, groups = [], [], []
        for number, group in enumerate(mine):
            for place, index in enumerate(group):
                row = self.sampler.rows[index]
                # a pair starts at the same place, so that only the voice's making differs
                start = np.random.default_rng([self.seed, step, 3, number, place % 2]).random()
                waves.append(torch.from_numpy(self.clip(row.id, step, length, start)))
                targets.append(float(row.spoof))
                groups.append(number)
        return Batch(torch.stack(waves), torch.tensor(targets), torch.tensor(groups))

    def clip(self, clip: str, step: int, length: int, start: float) -> Samples:
        """One augmented crop; ``start`` in [0, 1) says where in the clip."""
        rng = np.random.default_rng(clip_seed(self.seed, step, clip))
        variant, ramp = 0, self.augment.settings.ramp * self.steps
        share = min(1.0, step / ramp) if ramp else 1.0
        if self.cache.variants and rng.random() < self.augment.settings.codec_variant * share:
            variant = int(rng.integers(1, self.cache.variants + 1))
        samples = self.cache.samples(clip, variant)
        first = int(start * max(0, len(samples) - length))
        return self.augment(fit(samples[first : first + length], length), rng, share)


def _one(batch: list[Batch]) -> Batch:
    return batch[0]


def _calm(_: int) -> None:
    torch.set_num_threads(1)


def loader(batches: Batches, *, start: int, workers: int, pin: bool = False) -> DataLoader[Batch]:
    """Batches from step ``start`` on, in order, prepared by ``workers`` processes."""
    return DataLoader(
        batches,
        batch_size=1,
        sampler=range(start, len(batches)),
        collate_fn=_one,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_calm,
        pin_memory=pin,
    )


def cache_folder(base: Path, name: str, split: str) -> Path:
    """Where the decoded audio of a split lies below the runs' common cache."""
    return base / f"{name}-{split}"
