"""Which clips a batch is made of: even over sources and systems, and matched within a source.

A network that sees human speech from some pages and generated speech from others learns the pages. So most of a batch
is drawn in groups of four: two human and two generated clips of one source (the same page, often the same speaker and
channel), or human clips beside their own copy-synthesis.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from earwitness.data.manifest import Manifest, Row
from earwitness.errors import TrainingError

K = TypeVar("K")
GROUP = 4
"""Clips of one draw: two of each label."""


@dataclass(frozen=True)
class SamplingSettings:
    """How clips are drawn.

    Parameters
    ----------
    within_source:
        Share of groups whose four clips come from one source that has both labels.
    pairs:
        Share of groups made of two human clips and their own copy-synthesis.
    tempering:
        A source is drawn with probability ∝ (its clips) ** tempering; 0 is even over sources.
    no_pair_source:
        Sources whose rows take the source of their ``pair`` instead, and without a pair their system.
    """

    within_source: float = 0.6
    pairs: float = 0.15
    tempering: float = 0.5
    no_pair_source: tuple[str, ...] = ("copy-synthesis", "classical-tts")


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
        self.rows = list(manifest)
        self.settings = settings
        self.seed = seed
        by_id = {row.id: i for i, row in enumerate(self.rows)}
        human: dict[str, list[int]] = defaultdict(list)
        fake: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self.pairs: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for index, row in enumerate(self.rows):
            source = self._source(row, by_id)
            if row.spoof:
                fake[source][row.system].append(index)
                if row.pair in by_id:
                    self.pairs[row.system].append((by_id[row.pair], index))
            else:
                human[source].append(index)
        if not human or not fake:
            missing = "bonafide" if not human else "spoof"
            raise TrainingError(f"{manifest.where}: no row with the label {missing}", hint="both labels are needed")
        self.human, self.fake = dict(human), {k: dict(v) for k, v in fake.items()}
        both = [s for s in human if s in fake]
        self.both, self.both_p = self._tempered({s: self._size(s) for s in both})
        self.humans, self.humans_p = self._tempered({s: len(v) for s, v in human.items()})
        cells = {(s, y): len(v) for s, systems in fake.items() for y, v in systems.items()}
        self.cells, self.cells_p = self._tempered(cells)
        self.paired = sorted(self.pairs)

    def _source(self, row: Row, by_id: dict[str, int]) -> str:
        if row.source not in self.settings.no_pair_source:
            return row.source
        return self.rows[by_id[row.pair]].source if row.pair in by_id else row.system

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
