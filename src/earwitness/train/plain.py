"""Draws without groups of one source: every clip once in turn, or even over columns of the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from earwitness.data.manifest import Manifest
from earwitness.train.sampling import GROUP, GroupSampler, SamplingSettings, need_both_labels


class ShuffleSampler:
    """Every clip once in turn, in an order drawn anew each time round; a batch depends on ``(seed, step)`` alone.

    Parameters
    ----------
    manifest:
        Training rows.
    seed:
        Seed of all draws.

    Raises
    ------
    TrainingError
        If one of the two labels has no row.
    """

    def __init__(self, manifest: Manifest, *, seed: int) -> None:
        need_both_labels(manifest)
        self.rows = list(manifest)
        self.seed = seed

    def groups(self, step: int, count: int) -> list[list[int]]:
        """``count`` times :data:`GROUP` row numbers."""
        size, clips = count * GROUP, len(self.rows)
        places = np.arange(step * size, (step + 1) * size)
        rounds, inside = places // clips, places % clips
        orders = {r: np.random.default_rng([self.seed, int(r), 4]).permutation(clips) for r in np.unique(rounds)}
        drawn = [int(orders[r][i]) for r, i in zip(rounds, inside, strict=True)]
        return [drawn[i : i + GROUP] for i in range(0, size, GROUP)]


class EvenSampler:
    """Evenly over the values of columns, one within the other: a value of the first, then one of the second, … a clip.

    Parameters
    ----------
    manifest:
        Training rows.
    columns:
        Known or extra columns of the manifest, such as ``label``, ``system``, ``source`` or ``dataset``.
    seed:
        Seed of all draws.

    Raises
    ------
    TrainingError
        If one of the two labels has no row.
    ManifestError
        If a column is in no row.
    """

    def __init__(self, manifest: Manifest, columns: Sequence[str], *, seed: int) -> None:
        need_both_labels(manifest)
        manifest.require(*columns)
        self.rows = list(manifest)
        self.seed = seed
        self.tree: Any = self._branch(list(range(len(self.rows))), list(columns))

    def _branch(self, indices: list[int], columns: list[str]) -> Any:
        if not columns:
            return indices
        values: dict[str, list[int]] = {}
        for index in indices:
            values.setdefault(self.rows[index].get(columns[0]), []).append(index)
        return [self._branch(inside, columns[1:]) for inside in values.values()]

    def groups(self, step: int, count: int) -> list[list[int]]:
        """``count`` times :data:`GROUP` row numbers."""
        rng = np.random.default_rng([self.seed, step, 1])
        return [[self._draw(rng) for _ in range(GROUP)] for _ in range(count)]

    def _draw(self, rng: np.random.Generator) -> int:
        place = self.tree
        while isinstance(place, list):
            place = place[rng.integers(len(place))]
        return int(place)


Sampler = GroupSampler | ShuffleSampler | EvenSampler


def make_sampler(manifest: Manifest, settings: SamplingSettings, *, seed: int) -> Sampler:
    """The sampler that ``settings.law`` names."""
    if settings.law == "shuffle":
        return ShuffleSampler(manifest, seed=seed)
    if settings.law == "even":
        return EvenSampler(manifest, settings.even_over, seed=seed)
    return GroupSampler(manifest, settings, seed=seed)
