"""Detection costs at stated costs and prior, and the quality of scores as natural-log likelihood ratios.

Names in this house: a *miss* is a spoof called human, a *false alarm* is a human called spoof. ASVspoof 5 names them
the other way round; its ``C_miss = 1`` (human rejected) is ``cost_false_alarm=1`` here, its ``C_fa = 10`` (spoof
accepted) is ``cost_miss=10``, and ``P_spoof = .05`` is ``prior=.05``: the defaults of the two DCF functions.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from earwitness.errors import MetricError
from earwitness.metrics.ranked import Bools, Floats, Ranked, checked

LN2 = math.log(2.0)


def bayes_threshold(*, prior: float, cost_miss: float, cost_false_alarm: float) -> float:
    """The log-likelihood ratio above which calling spoof costs less on average: ``ln(C_fa (1 − p) / (C_miss p))``.

    Raises
    ------
    MetricError
        When ``prior`` is not strictly between 0 and 1 or a cost is not above 0.

    Examples
    --------
    >>> bayes_threshold(prior=0.5, cost_miss=1, cost_false_alarm=1)
    0.0
    """
    if not 0.0 < prior < 1.0:
        raise MetricError(f"the prior of spoof is {prior}", hint="it must lie strictly between 0 and 1")
    if not (cost_miss > 0.0 and cost_false_alarm > 0.0):
        raise MetricError(f"costs are {cost_miss} and {cost_false_alarm}", hint="both must be above 0")
    return math.log(cost_false_alarm * (1.0 - prior)) - math.log(cost_miss * prior)


def min_dcf(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    prior: float = 0.05,
    cost_miss: float = 10.0,
    cost_false_alarm: float = 1.0,
    weights: npt.ArrayLike | None = None,
) -> float:
    """Lowest normalised detection cost over all thresholds: what the scores could do with the best threshold.

    ``DCF(t) = (C_miss p P_miss(t) + C_fa (1 − p) P_fa(t)) / min(C_miss p, C_fa (1 − p))``; range [0, 1], where 1 is
    what answering always the same costs. Ties move together. Source: ASVspoof 5 evaluation plan, 2024, equation 1.

    Examples
    --------
    >>> min_dcf([-2, -1, 1, 2], [0, 0, 1, 1]), min_dcf([3, 3], [0, 1])
    (0.0, 1.0)
    """
    bayes_threshold(prior=prior, cost_miss=cost_miss, cost_false_alarm=cost_false_alarm)
    values, spoof, mass = checked(scores, labels, weights)
    false_alarm, miss = Ranked.of(values, spoof).rates(mass)
    return float(dcf_of(false_alarm, miss, prior, cost_miss, cost_false_alarm).min())


def dcf_of(false_alarm: Floats, miss: Floats, prior: float, cost_miss: float, cost_false_alarm: float) -> Floats:
    """Normalised detection cost of given rates, element by element; see :func:`min_dcf`."""
    missed, alarmed = cost_miss * prior, cost_false_alarm * (1.0 - prior)
    return np.asarray((missed * miss + alarmed * false_alarm) / min(missed, alarmed))


def act_dcf(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    prior: float = 0.05,
    cost_miss: float = 10.0,
    cost_false_alarm: float = 1.0,
    threshold: float | None = None,
    weights: npt.ArrayLike | None = None,
) -> float:
    """Normalised detection cost of decisions actually made, at ``threshold`` or else at :func:`bayes_threshold`.

    The formula is that of :func:`min_dcf` at one threshold; range [0, ∞), and above 1 it is worse than answering
    always the same. With the default threshold it asks whether the scores *are* log-likelihood ratios.
    Source: Brümmer and de Villiers 2013; ASVspoof 5 evaluation plan.

    Examples
    --------
    >>> act_dcf([-2, -1, 1, 2], [0, 0, 1, 1]), act_dcf([-2, 1, 2, 3], [0, 0, 1, 1])
    (0.0, 0.95)
    """
    at = bayes_threshold(prior=prior, cost_miss=cost_miss, cost_false_alarm=cost_false_alarm)
    values, spoof, mass = checked(scores, labels, weights)
    called = values >= (at if threshold is None else threshold)
    miss = np.average(~called[spoof], weights=None if mass is None else mass[spoof])
    alarm = np.average(called[~spoof], weights=None if mass is None else mass[~spoof])
    return float(dcf_of(np.asarray(alarm), np.asarray(miss), prior, cost_miss, cost_false_alarm))


def log_loss_bits(scores: Floats, spoof: Bools) -> Floats:
    """Cost of each trial in bits when its score is taken as a log-likelihood ratio at equal priors."""
    return np.logaddexp(0.0, np.where(spoof, -scores, scores)) / LN2


def cllr(scores: npt.ArrayLike, labels: npt.ArrayLike, *, weights: npt.ArrayLike | None = None) -> float:
    """Cost of log-likelihood ratios, in bits: ½ (mean log2(1 + e^−s) over spoof + mean log2(1 + e^s) over bonafide).

    Range [0, ∞); 0 is perfect, 1 is what a score of always 0 costs (knowing nothing), more is misleading. An infinite
    score on the wrong side costs ∞. Undefined with one class. Source: Brümmer and du Preez, "Application-independent
    evaluation of speaker detection", 2006.

    Examples
    --------
    >>> cllr([0, 0], [0, 1])
    1.0
    """
    values, spoof, mass = checked(scores, labels, weights)
    bits = log_loss_bits(values, spoof)
    sides = (np.average(bits[m], weights=None if mass is None else mass[m]) for m in (spoof, ~spoof))
    return float(sum(sides) / 2.0)


def min_cllr(scores: npt.ArrayLike, labels: npt.ArrayLike, *, weights: npt.ArrayLike | None = None) -> float:
    """Lowest Cllr over all rising maps of the scores: the part of :func:`cllr` that calibration cannot repair.

    The best map gives each trial the slope of the ROC's convex hull as its likelihood ratio (the pool-adjacent-
    violators solution). Range [0, 1]; constant scores give 1. Source: Brümmer and du Preez 2006, section 7.

    Examples
    --------
    >>> min_cllr([-2, -1, 1, 2], [0, 0, 1, 1]), min_cllr([5, 5], [0, 1])
    (0.0, 1.0)
    """
    values, spoof, mass = checked(scores, labels, weights)
    false_alarm, miss = Ranked.of(values, spoof).rates(mass)
    human, fake = np.diff(convex_hull(1.0 - false_alarm, miss), axis=0).T
    total = human + fake
    bits = 0.0
    for part in (human, fake):
        some = part > 0
        bits += float((part[some] * np.log2(total[some] / part[some])).sum())
    return bits / 2.0


def convex_hull(x: Floats, y: Floats) -> Floats:
    """Lower convex hull of points whose ``x`` and ``y`` both rise from 0 to 1; shape ``(corners, 2)``.

    Examples
    --------
    >>> convex_hull(np.array([0.0, 0.5, 0.5, 1.0]), np.array([0.0, 0.0, 0.9, 1.0])).tolist()
    [[0.0, 0.0], [0.5, 0.0], [1.0, 1.0]]
    """
    moved = np.concatenate(([True], (np.diff(x) != 0) | (np.diff(y) != 0)))
    x, y = x[moved], y[moved]
    # On the hull, the step before a corner gains x (else the point before lies below it) and the step after gains y.
    keep = np.concatenate(([True], (np.diff(x)[:-1] > 0) & (np.diff(y)[1:] > 0), [True]))
    hull: list[tuple[float, float]] = []
    for px, py in zip(x[keep].tolist(), y[keep].tolist(), strict=True):
        while len(hull) > 1:
            (ax, ay), (bx, by) = hull[-2], hull[-1]
            if (bx - ax) * (py - ay) > (by - ay) * (px - ax):
                break
            hull.pop()
        hull.append((px, py))
    return np.array(hull)
