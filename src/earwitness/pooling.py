"""From windows to one score per recording, to a curve over time, and to the spans that look generated.

- The score pools the windows' raw scores, each weighed by its seconds of speech, with the rule that the detector names.
- The curve gives each stretch of time the mean of the windows that cover it, so overlaps count once.
- A span is a run of touching stretches whose mean lies above a limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

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


def curve(windows: Sequence[Stretch]) -> list[Stretch]:
    """The recording as stretches that do not overlap, each with the mean LLR of the windows that cover it.

    Stretches lie between neighbouring starts and ends of windows; times that no window covers are left out.

    Examples
    --------
    >>> [(s.start, s.end, s.llr) for s in curve([Stretch(0, 4, 0.0), Stretch(2, 6, 2.0)])]
    [(0, 2, 0.0), (2, 4, 1.0), (4, 6, 2.0)]
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
    return [
        Stretch(cuts[i].item(), cuts[i + 1].item(), float(total[i] / covered[i]))
        for i in range(cuts.size - 1)
        if covered[i] > 0
    ]


def spans(windows: Sequence[Stretch], threshold: float) -> list[Stretch]:
    """Runs of the :func:`curve` above ``threshold`` (LLR); a span's LLR is the mean over its time.

    Examples
    --------
    >>> spans([Stretch(0, 4, -2.0), Stretch(4, 8, 3.0), Stretch(8, 12, 5.0)], threshold=1.0)
    [Stretch(start=4, end=12, llr=4.0)]
    """
    runs: list[list[Stretch]] = []
    for piece in curve(windows):
        if piece.llr <= threshold:
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
