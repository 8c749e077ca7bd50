"""Choosing the limits of confident verdicts on dev: narrow for audio at its best, wider by what the audio is like.

The pair for clips as they are comes first; then one for each value of each axis with enough clips: the lowest limit at
which, with all the others as they stand, at most ``max_wrong`` of the calls on its clips are wrong. Values that clips
as they are seldom have are set before common ones, and all again until nothing moves, so that a codec that harms
nothing is not blamed for the noise under which it was heard. At last, a condition that still has more wrong calls than
allowed widens the value that is most typical of it, and no value is narrower than an easier one of its axis.

The share itself is held, not an upper limit of it: errors come by source, not by clip, and on sources left out an upper
limit over clips bought nothing but silence (results in docs/robustness.md).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earwitness.calibrate import Thresholds, lowest_limit
from earwitness.detector_limits import UNKNOWN, Limits, Wider
from earwitness.error_cells import AXES, MIN_CLIPS, Cell

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Coordinate = tuple[str, str]
BEST: Coordinate = ("", "")
"""The pair of limits for clips as they are."""
ROUNDS = 6


@dataclass(frozen=True)
class Heard:
    """Dev trials, one entry each: ratio, label, cell, clip, condition, and whether the quality gate lets them pass.

    ``plain`` marks the trials of clips as they are.
    """

    llr: Floats
    spoof: Bools
    cells: Sequence[Cell]
    clips: Sequence[str]
    conditions: Sequence[str]
    passed: Bools
    plain: Bools


def choose_limits(heard: Heard, max_wrong: float) -> Limits:
    """The narrowest limits that hold ``max_wrong`` for each value of each axis and under each condition of dev.

    Parameters
    ----------
    heard:
        Trials, with log-likelihood ratios that were cross-fitted over sources.
    max_wrong:
        Largest share of each confident verdict that may be wrong, at prior 0.5.
    """
    members = _members(heard)
    high = _Side(heard.llr, heard.spoof, heard, members, max_wrong)
    low = _Side(-heard.llr, ~heard.spoof, heard, members, max_wrong)
    best = Thresholds(-low.limits[BEST], high.limits[BEST])
    if best.human > best.synthetic:
        middle = min(max(0.0, best.synthetic), best.human)
        best = Thresholds(middle, middle)
    rows = []
    for axis, value in members:
        if (axis, value) == BEST:
            continue
        human, synthetic = min(best.human, -low.limits[axis, value]), max(best.synthetic, high.limits[axis, value])
        mine = members[axis, value]
        rows.append(Wider(axis, value, human, synthetic, *_clips(heard, mine)))
    return Limits(best, tuple(rows))


def _members(heard: Heard) -> dict[Coordinate, Bools]:
    """The trials of each coordinate that has :data:`~earwitness.error_cells.MIN_CLIPS` clips of each label."""
    found = {BEST: heard.plain & heard.passed}
    for axis, values in AXES.items():
        mine = np.array([cell.get(axis) or UNKNOWN for cell in heard.cells])
        for value in (*values, UNKNOWN):
            inside = (mine == value) & heard.passed
            if min(_clips(heard, inside)) >= MIN_CLIPS:
                found[axis, value] = inside
    return found


def _clips(heard: Heard, inside: Bools) -> tuple[int, int]:
    """Human and generated clips among these trials; a clip under two conditions counts once."""
    clips = np.asarray(heard.clips)
    human, spoof = (np.unique(clips[inside & (heard.spoof == label)]).size for label in (False, True))
    return human, spoof


class _Side:
    """One of the two limits everywhere; for the lower one the ratios are negated and the labels inverted."""

    def __init__(
        self, llr: Floats, spoof: Bools, heard: Heard, members: dict[Coordinate, Bools], max_wrong: float
    ) -> None:
        self.llr, self.spoof, self.heard, self.members, self.max_wrong = llr, spoof, heard, members, max_wrong
        self.limits: dict[Coordinate, float] = dict.fromkeys(members, -np.inf)
        self.limits[BEST] = self._lowest(BEST, members[BEST])
        if not np.isfinite(self.limits[BEST]):
            # no clip of a label: what calibrated ratios alone would say
            self.limits[BEST] = float(np.log((1 - max_wrong) / max_wrong))
        rows = [place for place in members if place != BEST]
        order = sorted(rows, key=lambda place: (members[place] & members[BEST]).sum() / members[place].sum())
        for _ in range(ROUNDS):
            before = dict(self.limits)
            for place in order:
                self.limits[place] = self._lowest(place, members[place])
            if before == self.limits:
                break
        self._conditions()
        for axis, values in AXES.items():
            known = [(axis, value) for value in reversed(values) if (axis, value) in members and axis != "codec"]
            for easier, harder in itertools.pairwise(known):
                self.limits[harder] = max(self.limits[harder], self.limits[easier])

    def _others(self, place: Coordinate) -> Floats:
        """For each trial the highest limit of all coordinates but this one."""
        out = np.full(self.llr.shape, -np.inf)
        for other, inside in self.members.items():
            if other != place:
                # the best limits hold for every trial, whatever it is like
                reach = np.ones_like(inside) if other == BEST else inside
                out = np.where(reach, np.maximum(out, self.limits[other]), out)
        return out

    def _lowest(self, place: Coordinate, inside: Bools) -> float:
        x, y = self.llr[inside], self.spoof[inside]
        if not y.any() or y.all():
            return -np.inf
        return lowest_limit(x, y, self.max_wrong, callable_=x > self._others(place)[inside])

    def _wrong(self, inside: Bools) -> float:
        called = (self.llr > np.maximum(self._others(BEST), self.limits[BEST])) & inside
        false = (called & ~self.spoof).sum() / max((inside & ~self.spoof).sum(), 1)
        right = (called & self.spoof).sum() / max((inside & self.spoof).sum(), 1)
        return float(false / (false + right)) if false else 0.0

    def _conditions(self) -> None:
        names = np.array(self.heard.conditions)
        for name, count in Counter(self.heard.conditions).items():
            inside = (names == name) & self.heard.passed
            if count < 2 * MIN_CLIPS:
                continue
            for place in self._typical(inside):
                if self._wrong(inside) <= self.max_wrong:
                    break
                wanted = self._lowest(place, inside & self.members[place])
                self.limits[place] = max(self.limits[place], wanted)

    def _typical(self, inside: Bools) -> list[Coordinate]:
        """Coordinates by how much more frequent they are under a condition than as it is; the best limits come last."""
        plain = self.members[BEST]

        def lift(place: Coordinate) -> float:
            mine = self.members[place]
            return float((mine & inside).sum() / max(inside.sum(), 1) - (mine & plain).sum() / max(plain.sum(), 1))

        rows = [place for place in self.members if place != BEST and lift(place) > 0]
        return [*sorted(rows, key=lift, reverse=True), BEST]
