"""Metrics of the order of the scores: ROC, PR and DET curves, AUC, average precision, equal error rate.

All take ``scores`` (higher = spoof) and ``labels`` (1 = spoof) of shape ``(trials,)`` and optional ``weights`` of the
same shape. All need both classes and refuse NaN with a :class:`~earwitness.errors.MetricError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from earwitness.errors import MetricError
from earwitness.metrics.ranked import Bools, Floats, Ranked, auc_of, checked, eer_of

Convention = Literal["interpolated", "asvspoof"]


@dataclass(frozen=True)
class Curve:
    """Points of a curve: ``x`` and ``y`` in [0, 1], and the threshold at and above which trials are called spoof."""

    x: Floats
    y: Floats
    thresholds: Floats


class EqualError(NamedTuple):
    """Equal error rate (a fraction) and a threshold whose decision lies nearest to it."""

    eer: float
    threshold: float


def _rates(
    scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[Ranked, Floats, Floats]:
    values, spoof, mass = checked(scores, labels, weights)
    ranked = Ranked.of(values, spoof)
    return ranked, *ranked.rates(mass)


def roc_curve(scores: npt.ArrayLike, labels: npt.ArrayLike, *, weights: npt.ArrayLike | None = None) -> Curve:
    """Receiver operating characteristic: ``x`` = false-alarm rate, ``y`` = share of spoof found (recall).

    From (0, 0), where the threshold is ``inf``, to (1, 1) at the lowest score. One point a distinct score: tied trials
    move together, along a slanted line. Source: Fawcett, "An introduction to ROC analysis", 2006.

    Raises
    ------
    MetricError
        With one class only, NaN or no trials.

    Examples
    --------
    >>> curve = roc_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    >>> curve.x.tolist(), curve.y.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])
    """
    ranked, false_alarm, miss = _rates(scores, labels, weights)
    thresholds = np.append(ranked.thresholds, np.inf)
    return Curve(x=false_alarm[::-1], y=1.0 - miss[::-1], thresholds=thresholds[::-1])


def det_curve(scores: npt.ArrayLike, labels: npt.ArrayLike, *, weights: npt.ArrayLike | None = None) -> Curve:
    """Detection error trade-off: ``x`` = false-alarm rate falling from 1 to 0, ``y`` = miss rate rising from 0 to 1.

    False alarm = bonafide called spoof; miss = spoof called bonafide. The last threshold is ``inf``. Draw it on
    normal-deviate axes. Source: Martin et al., "The DET curve in assessment of detection task performance", 1997.

    Examples
    --------
    >>> curve = det_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    >>> curve.x.tolist(), curve.y.tolist()
    ([1.0, 0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5, 1.0])
    """
    ranked, false_alarm, miss = _rates(scores, labels, weights)
    return Curve(x=false_alarm, y=miss, thresholds=np.append(ranked.thresholds, np.inf))


def pr_curve(scores: npt.ArrayLike, labels: npt.ArrayLike, *, weights: npt.ArrayLike | None = None) -> Curve:
    """Precision-recall curve for the class spoof: ``x`` = recall rising from 0 to 1, ``y`` = precision.

    The first point is (0, 1) by convention, with threshold ``inf``: nothing is called spoof and precision is undefined
    there. Precision depends on the share of spoof in the trials. Source: Davis and Goadrich, ICML 2006.

    Examples
    --------
    >>> curve = pr_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    >>> curve.x.tolist(), curve.y.round(3).tolist()
    ([0.0, 0.5, 0.5, 1.0, 1.0], [1.0, 1.0, 0.5, 0.667, 0.5])
    """
    values, spoof, mass = checked(scores, labels, weights)
    ranked = Ranked.of(values, spoof)
    false_alarm, miss = ranked.rates(mass)
    fakes = float(spoof.sum() if mass is None else mass[spoof].sum())
    humans = float((~spoof).sum() if mass is None else mass[~spoof].sum())
    recall, alarm = (1.0 - miss)[::-1], false_alarm[::-1]
    called = recall * fakes + alarm * humans
    precision = np.divide(recall * fakes, called, out=np.ones_like(recall), where=called > 0)
    return Curve(x=recall, y=precision, thresholds=np.append(ranked.thresholds, np.inf)[::-1])


def auc(scores: npt.ArrayLike, labels: npt.ArrayLike, *, weights: npt.ArrayLike | None = None) -> float:
    """Area under the ROC curve: the chance that a random spoof scores above a random bonafide, ties counting one half.

    Range [0, 1]; .5 = no information, constant scores give .5. Source: Hanley and McNeil, 1982.

    Raises
    ------
    MetricError
        With one class only, NaN or no trials.

    Examples
    --------
    >>> auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.75
    >>> auc([7, 7, 7], [0, 1, 1])
    0.5
    """
    _, false_alarm, miss = _rates(scores, labels, weights)
    return float(auc_of(false_alarm, miss))


def average_precision(scores: npt.ArrayLike, labels: npt.ArrayLike, *, weights: npt.ArrayLike | None = None) -> float:
    """Area under the precision-recall curve as the sum of (recall gained) × precision, without interpolation.

    Range [0, 1]; constant scores give the share of spoof. Source: the definition of scikit-learn's
    ``average_precision_score``; see also Davis and Goadrich 2006 on why not to join the points by lines.

    Examples
    --------
    >>> round(average_precision([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), 4)
    0.8333
    """
    curve = pr_curve(scores, labels, weights=weights)
    return float((np.diff(curve.x) * curve.y[1:]).sum())


def eer_threshold(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    convention: Convention = "interpolated",
    weights: npt.ArrayLike | None = None,
) -> EqualError:
    """Equal error rate and the threshold whose decision comes nearest to it; see :func:`eer`.

    Among equally near decisions the one with the higher threshold (fewer false alarms) is taken.

    Examples
    --------
    >>> eer_threshold([-2, -1, 1, 2], [0, 0, 1, 1])
    EqualError(eer=0.0, threshold=0.0)
    """
    ranked, false_alarm, miss = _rates(scores, labels, weights)
    distance = np.abs(miss - false_alarm)
    nearest = len(distance) - 1 - int(np.argmin(distance[::-1]))
    if convention == "interpolated":
        value = float(eer_of(false_alarm, miss))
    elif convention == "asvspoof":
        value = float((false_alarm[nearest] + miss[nearest]) / 2.0)
    else:
        raise MetricError(f"unknown EER convention {convention!r}", hint="known: interpolated, asvspoof")
    return EqualError(value, ranked.threshold_at(nearest))


def eer(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    convention: Convention = "interpolated",
    weights: npt.ArrayLike | None = None,
) -> float:
    """Equal error rate: the error where false-alarm rate = miss rate, as a fraction.

    ``"interpolated"`` (default): the DET points are joined by straight lines – equal scores make one line – and the
    value is where the line crosses miss = false alarm. Constant scores give .5.
    ``"asvspoof"``: the mean of both rates at the decision where they are closest, as in the tables of the ASVspoof
    challenges. Ties are grouped here as well, where the challenge's own code gives 1.0 for constant scores.

    Range [0, 1]; .5 = no information; above .5 the direction of the scores is likely wrong. Undefined with one class.
    Source: Brümmer and de Villiers, "The BOSARIS Toolkit", 2013; ASVspoof 2019 evaluation plan.

    Raises
    ------
    MetricError
        With one class only, NaN, no trials, or an unknown convention.

    Examples
    --------
    >>> eer([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.5
    >>> eer([1, 1, 1, 1], [0, 0, 1, 1])
    0.5
    """
    return eer_threshold(scores, labels, convention=convention, weights=weights).eer


def spoof_share(labels: Bools, weights: Floats | None) -> float:
    """Share of the class spoof, by weight; 0 to 1."""
    if weights is None:
        return float(labels.mean())
    return float(weights[labels].sum() / weights.sum())
