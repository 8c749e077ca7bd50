"""Trials sorted once, and the error rates at every threshold; all ranking metrics stand on this.

A trial is *called spoof* when its score is at or above the threshold. With ``k`` distinct scores there are ``k + 1``
decisions: at each distinct score, and above all of them. Trials with equal scores are never told apart (tie rule).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earwitness.errors import MetricError

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]


def checked_scores(scores: npt.ArrayLike, *, name: str = "scores") -> Floats:
    """``scores`` as a float64 vector; empty, not one-dimensional or NaN is a :class:`MetricError`. ±inf is allowed."""
    try:
        values = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError):
        raise MetricError(f"{name} are not numbers", hint="give one number a trial") from None
    if values.ndim != 1:
        raise MetricError(f"{name} have the shape {values.shape}", hint="give one number a trial")
    if not values.size:
        raise MetricError(f"no {name}: a metric needs at least one trial")
    bad = np.flatnonzero(np.isnan(values))
    if bad.size:
        raise MetricError(
            f"{name}: {bad.size} of {values.size} are NaN, the first at position {bad[0]}",
            hint="leave trials without a score out and report their count",
        )
    return values


def checked(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    both: bool = True,
) -> tuple[Floats, Bools, Floats | None]:
    """Scores, labels (``True`` = spoof) and weights as clean vectors of one length.

    Parameters
    ----------
    scores:
        Shape ``(trials,)``; higher = more likely spoof.
    labels:
        Shape ``(trials,)``; booleans or 0/1, where 1 = spoof.
    weights:
        Shape ``(trials,)``, at least 0, or None for one each.
    both:
        Whether both classes (with weight above 0) must be there.

    Raises
    ------
    MetricError
        For NaN, empty input, another shape, other labels, negative weights or a missing class.

    Examples
    --------
    >>> checked([0.5, -1], [1, 0])[1].tolist()
    [True, False]
    """
    values = checked_scores(scores)
    truth = np.asarray(labels)
    if truth.shape != values.shape:
        raise MetricError(f"{values.size} scores but labels of shape {truth.shape}", hint="give one label a score")
    if truth.dtype != np.bool_:
        if truth.dtype.kind not in "iuf" or not np.isin(truth, (0, 1)).all():
            raise MetricError("labels must be 0 (bonafide) or 1 (spoof)", hint="turn words into scores.labels first")
        truth = truth.astype(np.bool_)
    mass: Floats | None = None
    if weights is not None:
        mass = checked_scores(weights, name="weights")
        if mass.shape != values.shape or (mass < 0).any() or not np.isfinite(mass).all():
            raise MetricError("weights must be finite, at least 0, and one a trial")
    if both:
        for word, members in (("bonafide", ~truth), ("spoof", truth)):
            if not (members if mass is None else mass[members]).any():
                raise MetricError(
                    f"none of the {values.size} trials is {word}", hint="this metric compares both classes"
                )
    return values, truth, mass


@dataclass(frozen=True)
class Ranked:
    """Trials in the order of their scores.

    ``thresholds`` are the ``k`` distinct scores, rising. ``spoof_order`` and ``bonafide_order`` are the positions of
    the trials of either class by rising score; ``spoof_below[i]`` and ``bonafide_below[i]`` count those under
    ``thresholds[i]``, the last entry (``i = k``) counts all.
    """

    thresholds: Floats
    spoof_order: Ints
    bonafide_order: Ints
    spoof_below: Ints
    bonafide_below: Ints

    @classmethod
    def of(cls, scores: Floats, spoof: Bools) -> Ranked:
        """Sort clean vectors from :func:`checked`; ``n log n``."""
        order = np.argsort(scores, kind="stable")
        ordered, truth = scores[order], spoof[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        below = np.append(starts, len(ordered))
        spoofs = np.concatenate(([0], np.cumsum(truth)))
        return cls(
            thresholds=ordered[starts],
            spoof_order=order[truth],
            bonafide_order=order[~truth],
            spoof_below=spoofs[below],
            bonafide_below=below - spoofs[below],
        )

    def rates(self, weights: Floats | None = None) -> tuple[Floats, Floats]:
        """False-alarm and miss rate at each of the ``k + 1`` thresholds.

        Parameters
        ----------
        weights:
            None, or shape ``(..., trials)`` in the trials' original order; leading axes are kept, so that a thousand
            bootstrap draws cost one call. A row without any weight in a class gives NaN there.

        Returns
        -------
        false_alarm, miss:
            Shape ``(..., k + 1)``: the share of bonafide called spoof, falling from 1 to 0, and the share of spoof
            called bonafide, rising from 0 to 1.
        """
        if weights is None:
            humans, fakes = self.bonafide_below[-1], self.spoof_below[-1]
            return (humans - self.bonafide_below) / humans, self.spoof_below / fakes
        return (
            1.0 - _share(weights[..., self.bonafide_order], self.bonafide_below),
            _share(weights[..., self.spoof_order], self.spoof_below),
        )

    def threshold_at(self, index: int) -> float:
        """A threshold that makes decision ``index`` (0 to ``k``): the middle of the gap in which all do the same.

        At the ends, where the gap is open, it is the lowest score itself, or the next number above the highest.
        """
        if index == 0:
            return float(self.thresholds[0])
        if index == len(self.thresholds):
            return float(np.nextafter(self.thresholds[-1], np.inf))
        low, high = float(self.thresholds[index - 1]), float(self.thresholds[index])
        middle = low + (high - low) / 2.0
        return middle if np.isfinite(middle) and low < middle <= high else high


def _share(weights: Floats, below: Ints) -> Floats:
    sums = np.zeros((*weights.shape[:-1], weights.shape[-1] + 1))
    np.cumsum(weights, axis=-1, out=sums[..., 1:])
    total = sums[..., -1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., below] / total)


def eer_of(false_alarm: Floats, miss: Floats) -> Floats:
    """Interpolated equal error rate of each row of rates ``(..., k + 1)``; see :func:`earwitness.metrics.eer`."""
    gap = miss - false_alarm
    right = np.argmax(gap >= 0, axis=-1)[..., None]
    left = np.maximum(right - 1, 0)
    low, high = np.take_along_axis(gap, left, -1), np.take_along_axis(gap, right, -1)
    start, stop = np.take_along_axis(miss, left, -1), np.take_along_axis(miss, right, -1)
    step = np.where(high > low, -low / np.where(high > low, high - low, 1.0), 0.0)
    value = (start + step * (stop - start))[..., 0]
    return np.asarray(np.where(np.isnan(gap).any(axis=-1), np.nan, value))


def auc_of(false_alarm: Floats, miss: Floats) -> Floats:
    """Area under the ROC curve of each row of rates ``(..., k + 1)`` by the trapezoid rule (ties count one half)."""
    width = false_alarm[..., :-1] - false_alarm[..., 1:]
    return np.asarray((width * (2.0 - miss[..., :-1] - miss[..., 1:])).sum(axis=-1) / 2.0)
