"""From windows to one score per recording, to a curve over time, and to the spans that look generated.

- The score pools the windows' raw scores, each weighed by the seconds of speech that no window before it held, with the
  rule that the detector names.
- The curve gives each stretch of time the mean of the windows that cover it, so overlaps count once.
- A span is a run of touching stretches that lie above a limit, see :class:`SpanRule`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earwitness.errors import MetricError
from earwitness.registry import find

#: rule -> function of (values, weights); weights sum to 1
POOLINGS = {
    "mean": "earwitness.pooling:mean",
    "top-third": "earwitness.pooling:top_third",
    "log-mean-exp": "earwitness.pooling:log_mean_exp",
    "max": "earwitness.pooling:highest",
}

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of a recording, in seconds from its start, with its log-likelihood ratio."""

    start: float
    end: float
    llr: float

    def to_dict(self) -> dict[str, float]:
        """``start``, ``end``, ``llr``."""
        return asdict(self)


def mean(values: Floats, weights: Floats) -> float:
    """The weighted mean: every second of speech counts the same."""
    return float(weights @ values)


def top_third(values: Floats, weights: Floats) -> float:
    """The weighted mean of the highest third of the weight: a short generated part is not averaged away."""
    order = np.argsort(-values, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(weights[order])[:-1]])
    taken = np.clip(1 / 3 - before, 0.0, weights[order])
    return float(taken @ values[order] / taken.sum())


def log_mean_exp(values: Floats, weights: Floats) -> float:
    """``log(sum_i w_i exp(v_i))``: between the mean and the highest."""
    top = float(values.max())
    return top + float(np.log(weights @ np.exp(values - top)))


def highest(values: Floats, weights: Floats) -> float:
    """The highest value that has any weight."""
    return float(values[weights > 0].max())


def pool(values: ArrayLike, weights: ArrayLike, rule: str = "mean") -> float:
    """One score from the scores of windows.

    Parameters
    ----------
    values:
        (n,) scores of windows, finite.
    weights:
        (n,) seconds of speech in each, at least 0; where all are 0, all windows count the same.
    rule:
        A name in :data:`POOLINGS`.

    Raises
    ------
    MetricError
        For no window, or shapes that differ.
    UnknownNameError
        For another rule.

    Examples
    --------
    >>> pool([0.0, 3.0], [2.0, 1.0])
    1.0
    >>> pool([0.0, 3.0], [2.0, 1.0], "top-third")
    3.0
    """
    function = find(POOLINGS, rule, kind="pooling")
    v, w = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if v.ndim != 1 or v.shape != w.shape or v.size == 0:
        raise MetricError(f"cannot pool values of shape {v.shape} with weights of shape {w.shape}")
    w = w / w.sum() if w.sum() > 0 else np.full(v.shape, 1 / v.size)
    return float(function(v, w))


def curve(windows: Sequence[Stretch], cover: str = "mean") -> list[Stretch]:
    """The recording as stretches that do not overlap, each with the mean LLR of the windows that cover it.

    Stretches lie between neighbouring starts and ends of windows; times that no window covers are left out. With
    ``cover="max"`` each has the highest LLR in place of the mean.

    Examples
    --------
    >>> [(s.start, s.end, s.llr) for s in curve([Stretch(0, 4, 0.0), Stretch(2, 6, 2.0)])]
    [(0, 2, 0.0), (2, 4, 1.0), (4, 6, 2.0)]
    >>> [s.llr for s in curve([Stretch(0, 4, 0.0), Stretch(2, 6, 2.0)], "max")]
    [0.0, 2.0, 2.0]
    """
    if not windows:
        return []
    starts, ends = np.array([w.start for w in windows]), np.array([w.end for w in windows])
    cuts = np.unique(np.concatenate([starts, ends]))
    change, count = np.zeros(cuts.size), np.zeros(cuts.size)
    values = np.array([w.llr for w in windows], dtype=np.float64)
    for edges, sign in ((starts, 1.0), (ends, -1.0)):
        at = np.searchsorted(cuts, edges)
        np.add.at(change, at, sign * values)
        np.add.at(count, at, sign)
    total, covered = np.cumsum(change), np.rint(np.cumsum(count))
    level = total / np.maximum(covered, 1)
    if cover == "max":
        level = np.full(cuts.size, -np.inf)
        for first, last, value in zip(np.searchsorted(cuts, starts), np.searchsorted(cuts, ends), values, strict=True):
            level[first:last] = np.maximum(level[first:last], value)
    return [
        Stretch(cuts[i].item(), cuts[i + 1].item(), float(level[i])) for i in range(cuts.size - 1) if covered[i] > 0
    ]


@dataclass(frozen=True, slots=True)
class SpanRule:
    """When a stretch of a recording is reported.

    Parameters
    ----------
    threshold:
        Limit in LLR.
    own:
        Share of the recording's own middle (the median of its windows, where that is below 0) that is taken off first:
        a generated part stands out from a voice that the detector is sure is human, sooner than from nothing.
    cover:
        What a stretch has of the windows that cover it: their ``mean``, or the highest (``max``).
    """

    threshold: float
    own: float = 0.0
    cover: str = "mean"

    def shifted(self, by: float) -> SpanRule:
        """The same rule with another threshold."""
        return replace(self, threshold=self.threshold + by)

    def to_dict(self) -> dict[str, Any]:
        """As it stands in ``detector.json`` under ``spans``."""
        return asdict(self)


def spans(windows: Sequence[Stretch], rule: SpanRule | float) -> list[Stretch]:
    """Runs of the :func:`curve` above a limit; a span's LLR is the mean over its time, with nothing taken off.

    Examples
    --------
    >>> spans([Stretch(0, 4, -2.0), Stretch(4, 8, 3.0), Stretch(8, 12, 5.0)], 1.0)
    [Stretch(start=4, end=12, llr=4.0)]
    >>> heard = [Stretch(0, 4, -2.0), Stretch(4, 8, 0.5), Stretch(8, 12, -2.0)]
    >>> spans(heard, 1.0), spans(heard, SpanRule(1.0, own=0.5))
    ([], [Stretch(start=4, end=8, llr=0.5)])
    """
    how = rule if isinstance(rule, SpanRule) else SpanRule(rule)
    middle = float(np.median([w.llr for w in windows])) if windows else 0.0
    limit = how.threshold + how.own * min(middle, 0.0)
    runs: list[list[Stretch]] = []
    for piece in curve(windows, how.cover):
        if piece.llr <= limit:
            continue
        if runs and runs[-1][-1].end == piece.start:
            runs[-1].append(piece)
        else:
            runs.append([piece])
    out = []
    for run in runs:
        seconds = np.array([p.end - p.start for p in run])
        out.append(Stretch(run[0].start, run[-1].end, float(seconds @ [p.llr for p in run] / seconds.sum())))
    return out
