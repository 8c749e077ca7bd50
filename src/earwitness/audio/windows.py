"""Cut a recording of any length into the windows that a detector hears, block by block, in constant memory.

The rule, in samples, for a recording of ``n``, windows of ``w`` and a hop of ``h``:

- ``n <= w``: one window, the recording itself;
- else windows at 0, h, 2h, … while they fit, and one more that ends at ``n`` if the last of them does not.

A window that is shorter than ``w`` is repeated from its start by :func:`tile` before it is scored: up to the minimum,
or up to the next multiple of :data:`GRAIN`. So a recording that lacks a few samples of a window is scored as one that
does not: a network counts its input in frames of hundreds of samples, and would else answer a frame less with a jump.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earwitness.audio import SAMPLE_RATE
from earwitness.errors import ConfigError

Samples = NDArray[np.float32]

#: lengths of short windows are whole multiples of this, in samples: 32 ms
GRAIN = 512


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """Length of a window, distance between starts and least length, all in seconds.

    Examples
    --------
    >>> WindowPlan(4.0, 2.0, 1.0).bounds(5 * 16000)
    [(0, 64000), (16000, 80000)]
    """

    seconds: float
    hop: float
    min_seconds: float

    def __post_init__(self) -> None:
        if not (0 < self.min_seconds <= self.seconds <= 60 and 0 < self.hop <= self.seconds):
            raise ConfigError(
                f"windows of {self.seconds} s every {self.hop} s, at least {self.min_seconds} s long: out of range",
                hint="0 < least length <= length <= 60 s and 0 < hop <= length",
            )

    @property
    def length(self) -> int:
        """Samples in a window."""
        return round(self.seconds * SAMPLE_RATE)

    @property
    def step(self) -> int:
        """Samples between starts."""
        return max(1, round(self.hop * SAMPLE_RATE))

    @property
    def minimum(self) -> int:
        """Fewest samples that the model takes."""
        return round(self.min_seconds * SAMPLE_RATE)

    def scored_length(self, n: int) -> int:
        """How long a window of ``n`` samples is when the network hears it.

        Examples
        --------
        >>> plan = WindowPlan(4.0, 2.0, 1.0)
        >>> [plan.scored_length(n) for n in (8000, 20000, 63999, 64000)]
        [16000, 20480, 64000, 64000]
        """
        return self.minimum if n <= self.minimum else min(-(-n // GRAIN) * GRAIN, self.length)

    def resized(self, seconds: float) -> WindowPlan:
        """The same plan with windows of ``seconds``; the hop keeps its share of the window."""
        return WindowPlan(seconds, self.hop / self.seconds * seconds, min(self.min_seconds, seconds))

    def bounds(self, n: int) -> list[tuple[int, int]]:
        """First sample and one past the last of each window of a recording of ``n`` samples; none for ``n == 0``."""
        if n <= self.length:
            return [(0, n)] if n else []
        out = [(start, start + self.length) for start in range(0, n - self.length + 1, self.step)]
        if out[-1][1] < n:
            out.append((n - self.length, n))
        return out

    def fresh(self, n: int) -> list[int]:
        """Samples of each window of :meth:`bounds` that no window before it holds: what it weighs in a mean.

        Examples
        --------
        >>> WindowPlan(4.0, 4.0, 1.0).fresh(5 * 16000)
        [64000, 16000]
        """
        out, known = [], 0
        for start, end in self.bounds(n):
            out.append(end - max(start, known))
            known = end
        return out


def tile(samples: Samples, minimum: int) -> Samples:
    """``samples`` (n,), repeated from the start until they are ``minimum`` long; longer ones come back as they are.

    Examples
    --------
    >>> tile(np.array([1, 2, 3], dtype=np.float32), 5)
    array([1., 2., 3., 1., 2.], dtype=float32)
    """
    if samples.size >= minimum or samples.size == 0:
        return samples
    return np.resize(samples, minimum)


class Cutter:
    """The windows of :meth:`WindowPlan.bounds`, from blocks of any size; holds one window and a block at most.

    Examples
    --------
    >>> cutter = Cutter(WindowPlan(1.0, 0.5, 0.5))
    >>> [start for start, _ in cutter.push(np.zeros(20000, dtype=np.float32))]
    [0]
    >>> [start for start, _ in cutter.finish()]
    [4000]
    """

    def __init__(self, plan: WindowPlan) -> None:
        self.plan = plan
        self.total = 0
        self._held: Samples = np.empty(0, dtype=np.float32)
        self._next = 0
        self._end = 0

    def push(self, block: Samples) -> Iterator[tuple[int, Samples]]:
        """Take ``block`` (n,), give each window that is now complete as (first sample, samples)."""
        held = np.concatenate([self._held, block]) if self._held.size else np.array(block, dtype=np.float32)
        origin = self.total - self._held.size
        self.total += block.size
        length = self.plan.length
        out = []
        while self._next + length <= self.total:
            out.append((self._next, held[self._next - origin : self._next - origin + length].copy()))
            self._end = self._next + length
            self._next += self.plan.step
        # the last window may still have to end at the last sample, so a window's worth stays here
        self._held = held[-length:].copy()
        return iter(out)

    def finish(self) -> Iterator[tuple[int, Samples]]:
        """The last window, if the end of the recording is in none so far."""
        if self._end < self.total:
            yield self.total - self._held.size, self._held
            self._end = self.total
