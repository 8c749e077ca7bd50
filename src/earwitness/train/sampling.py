"""Which clips a batch is made of: even over sources and systems, and matched within a source.

A network that sees human speech from some pages and generated speech from others learns the pages. So a part of a batch
is drawn in groups of four: two human and two generated clips of one source (the same page, often the same speaker and
channel), or, where it is asked for, human clips beside their own copy-synthesis.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from earwitness.data.manifest import LABELS, Manifest, Row
from earwitness.errors import TrainingError

K = TypeVar("K")
GROUP = 4
"""Clips of one draw: two of each label."""


@dataclass(frozen=True)
class SamplingSettings:
    """How clips are drawn.

    Parameters
    ----------
    law:
        ``"groups"``: groups of two human and two generated clips, as the settings below say. ``"shuffle"``: every clip
        once in turn. ``"even"``: evenly over the values of ``even_over``.
    even_over:
        Columns of the manifest, one within the other.
    within_source:
        Share of groups whose four clips come from one source that has both labels.
    pairs:
        Share of groups made of two human clips and their own copy-synthesis.
    tempering:
        A source is drawn with probability ∝ (its clips) ** tempering; 0 is even over sources.
    no_pair_source:
        Sources whose rows take the source of their ``pair`` instead, and without a pair their system. Copies of clips
        from many sources then make as many cells of source and system, and are drawn that often.
    """

    law: Literal["groups", "shuffle", "even"] = "groups"
    even_over: tuple[str, ...] = ("label", "system")
    within_source: float = 0.3
    pairs: float = 0.0
    tempering: float = 0.5
    no_pair_source: tuple[str, ...] = ()


class GroupSampler:
    """Draws batches of manifest rows; the batch of a step depends on ``(seed, step)`` alone.

    Parameters
    ----------
    manifest:
        Training rows.
    settings:
        How to draw.
    seed:
        Seed of all draws.

    Raises
    ------
    TrainingError
        If one of the two labels has no row.
    """

    def __init__(self, manifest: Manifest, settings: SamplingSettings, *, seed: int) -> None:
        need_both_labels(manifest)
        self.rows = list(manifest)
        self.settings = settings
        self.seed = seed
        by_id = {row.id: row for row in self.rows}
        place = {row.id: i for i, row in enumerate(self.rows)}
        human: dict[str, list[int]] = defaultdict(list)
        fake: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self.pairs: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for index, row in enumerate(self.rows):
            source = _source(row, by_id, settings.no_pair_source)
            if row.spoof:
                fake[source][row.system].append(index)
                if row.pair in place:
                    self.pairs[row.system].append((place[row.pair], index))
            else:
                human[source].append(index)
        self.human, self.fake = dict(human), {k: dict(v) for k, v in fake.items()}
        both = [s for s in human if s in fake]
        self.both, self.both_p = self._tempered({s: self._size(s) for s in both})
        self.humans, self.humans_p = self._tempered({s: len(v) for s, v in human.items()})
        cells = {(s, y): len(v) for s, systems in fake.items() for y, v in systems.items()}
        self.cells, self.cells_p = self._tempered(cells)
        self.paired = sorted(self.pairs)

    def _size(self, source: str) -> int:
        return min(len(self.human[source]), sum(map(len, self.fake[source].values())))

    def _tempered(self, sizes: dict[K, int]) -> tuple[list[K], np.ndarray]:
        keys = list(sizes)
        weight = np.asarray([sizes[k] for k in keys], dtype=np.float64) ** self.settings.tempering
        return keys, weight / max(weight.sum(), 1e-12)

    def groups(self, step: int, count: int) -> list[list[int]]:
        """``count`` groups of :data:`GROUP` row numbers: two human, then two generated."""
        rng = np.random.default_rng([self.seed, step, 1])
        return [self._group(rng) for _ in range(count)]

    def _group(self, rng: np.random.Generator) -> list[int]:
        s = self.settings
        draw = rng.random()
        if draw < s.pairs and self.paired:
            systems = rng.integers(len(self.paired), size=2)
            chosen = [self.pairs[self.paired[i]][rng.integers(len(self.pairs[self.paired[i]]))] for i in systems]
            return [h for h, _ in chosen] + [f for _, f in chosen]
        if draw < s.pairs + s.within_source and self.both:
            source = self.both[rng.choice(len(self.both), p=self.both_p)]
            humans, several = self.human[source], list(self.fake[source].values())
            fakes = [several[rng.integers(len(several))] for _ in range(2)]
            return [humans[rng.integers(len(humans))] for _ in range(2)] + [f[rng.integers(len(f))] for f in fakes]
        out = []
        for _ in range(2):
            humans = self.human[self.humans[rng.choice(len(self.humans), p=self.humans_p)]]
            out.append(humans[rng.integers(len(humans))])
        for _ in range(2):
            source, system = self.cells[rng.choice(len(self.cells), p=self.cells_p)]
            clips = self.fake[source][system]
            out.append(clips[rng.integers(len(clips))])
        return out


def need_both_labels(manifest: Manifest) -> None:
    """Raise :class:`TrainingError` if one of the two labels has no row."""
    found = {row.label for row in manifest}
    for label in LABELS:
        if label not in found:
            raise TrainingError(f"{manifest.where}: no row with the label {label}", hint="both labels are needed")


def source_classes(rows: Sequence[Row], settings: SamplingSettings) -> tuple[list[int], int]:
    """A class for each row's source, -1 for a source with one label only, and how many classes there are.

    A copy counts to the source of its pair, where the settings say so.

    Examples
    --------
    >>> rows = [Row("a", "bonafide", source="x"), Row("b", "spoof", source="x"), Row("c", "spoof", source="y")]
    >>> source_classes(rows, SamplingSettings())
    ([0, 0, -1], 1)
    """
    by_id = {row.id: row for row in rows}
    sources = [_source(row, by_id, settings.no_pair_source) for row in rows]
    labels: dict[str, set[str]] = defaultdict(set)
    for source, row in zip(sources, rows, strict=True):
        labels[source].add(row.label)
    classes = {s: i for i, s in enumerate(sorted(s for s, found in labels.items() if len(found) == 2))}
    return [classes.get(source, -1) for source in sources], len(classes)


def _source(row: Row, by_id: Mapping[str, Row], no_pair_source: Sequence[str]) -> str:
    if row.source not in no_pair_source:
        return row.source
    return by_id[row.pair].source if row.pair in by_id else row.system
