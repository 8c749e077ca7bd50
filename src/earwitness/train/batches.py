"""From drawn rows to augmented batches of waveforms, prepared beside the network by worker processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from earwitness.augment import AUGMENTS
from earwitness.augment.signals import RATE, Samples, clip_seed, fit
from earwitness.config import build
from earwitness.data.manifest import Row
from earwitness.errors import ConfigError
from earwitness.registry import find
from earwitness.train.cache import AudioCache
from earwitness.train.plain import Sampler
from earwitness.train.sampling import GROUP


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
    """One batch: waveform ``(batch, samples)`` and, each ``(batch,)``, what is known about the clips.

    Parameters
    ----------
    waveform:
        Pictures ``(batch, 1, height, width)`` where training is on pictures.
    target:
        1 = spoof.
    group:
        Number of the group of four.
    source:
        Class of the source, -1 where it has none.
    paired:
        Whether the group holds human clips and their own copy-synthesis.
    answer:
        What a teacher says of the clip, see :mod:`earwitness.train.teacher`.
    """

    waveform: Tensor
    target: Tensor
    group: Tensor
    source: Tensor
    paired: Tensor
    answer: Tensor


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


class Clips(Protocol):
    """What a batch is made of: called with a row, the step, samples wanted, and where in [0, 1) to begin."""

    def __call__(self, row: Row, step: int, length: int, start: float) -> Samples:
        """One clip as the network gets it, without the batch's axis."""
        ...


class Crops:
    """Augmented crops of decoded audio; what is done to a clip depends on ``(seed, step, id)`` alone.

    Parameters
    ----------
    cache:
        The audio.
    augment:
        The law.
    variants:
        Codec variants to draw from; at most what the cache has.
    steps:
        Length of the run, for the ramp.
    seed:
        Seed of all draws.
    """

    def __init__(self, cache: AudioCache, augment: AugmentSettings, *, variants: int, steps: int, seed: int) -> None:
        self.cache, self.augment = cache, Augmenter(augment)
        self.variants, self.steps, self.seed = variants, steps, seed

    def __call__(self, row: Row, step: int, length: int, start: float) -> Samples:
        """One augmented crop ``(length,)``."""
        rng = np.random.default_rng(clip_seed(self.seed, step, row.id))
        variant, ramp = 0, self.augment.settings.ramp * self.steps
        share = min(1.0, step / ramp) if ramp else 1.0
        if self.variants and rng.random() < self.augment.settings.codec_variant * share:
            variant = int(rng.integers(1, self.variants + 1))
        samples = self.cache.samples(row.id, variant)
        first = int(start * max(0, len(samples) - length))
        return self.augment(fit(samples[first : first + length], length), rng, share)


class Batches(Dataset[Batch]):
    """The batch of every step, made when asked; depends on ``(seed, step)`` and the clips alone.

    Parameters
    ----------
    sampler:
        Which rows.
    clips:
        What is made of a row.
    sources:
        Class of each row's source.
    answers:
        A teacher's answer on each row.
    size:
        Clips in a batch over all processes, a multiple of :data:`GROUP` times the processes.
    seconds:
        Crop lengths; one is drawn for each batch.
    rank, world:
        This process and how many there are: each takes every ``world``-th group.

    Raises
    ------
    ConfigError
        If the groups of a batch cannot be shared out evenly.
    """

    def __init__(
        self,
        sampler: Sampler,
        clips: Clips,
        *,
        sources: Sequence[int],
        answers: Sequence[float],
        size: int,
        seconds: Sequence[float],
        steps: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if size % (GROUP * world):
            raise ConfigError(f"run.batch is {size}, for {world} processes", hint=f"give a multiple of {GROUP * world}")
        self.sampler, self.clips, self.sources, self.answers = sampler, clips, sources, answers
        self.groups, self.seconds, self.steps, self.seed = size // GROUP, tuple(seconds), steps, seed
        self.rank, self.world = rank, world

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, step, 2])
        length = int(self.seconds[rng.integers(len(self.seconds))] * RATE)
        drawn = self.sampler.groups(step, self.groups)
        waves, targets, groups, sources, paired, answers = [], [], [], [], [], []
        for number in range(self.rank, self.groups, self.world):
            rows = [self.sampler.rows[index] for index in drawn[number]]
            pairs = rows[2].pair == rows[0].id and rows[3].pair == rows[1].id
            for place, index in enumerate(drawn[number]):
                row = rows[place]
                # a pair starts at the same place, so that only the voice's making differs
                start = np.random.default_rng([self.seed, step, 3, number, place % 2]).random()
                waves.append(torch.from_numpy(self.clips(row, step, length, start)))
                targets.append(float(row.spoof))
                groups.append(number)
                sources.append(self.sources[index])
                paired.append(pairs)
                answers.append(self.answers[index])
        known = [torch.tensor(values) for values in (targets, groups, sources, paired, answers)]
        return Batch(torch.stack(waves), *known)


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
