"""Are the probabilities right? Calibration curve, Brier score and expected calibration error.

Scores are read as natural-log likelihood ratios and turned into the probability of spoof at a stated prior,
``1 / (1 + e^−(s + ln(p / (1 − p))))``. The classes are weighted so that the trials, too, hold spoof with that prior;
otherwise the shares in a test set would decide whether a detector looks calibrated. ``prior=None`` takes the trials
as they are, with their own share of spoof.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earwitness.errors import MetricError
from earwitness.metrics.ranked import Bools, Floats, Ints, checked


@dataclass(frozen=True)
class CalibrationBins:
    """Of each bin that holds trials: mean probability, share of spoof seen (both at the prior), weight, and count."""

    predicted: Floats
    observed: Floats
    mass: Floats
    count: Ints


def _probabilities(scores: npt.ArrayLike, labels: npt.ArrayLike, prior: float | None) -> tuple[Floats, Bools, Floats]:
    values, spoof, _ = checked(scores, labels)
    share = float(spoof.mean()) if prior is None else prior
    if not 0.0 < share < 1.0:
        raise MetricError(f"the prior of spoof is {share}", hint="it must lie strictly between 0 and 1")
    odds = values + math.log(share / (1.0 - share))
    probability = np.exp(-np.logaddexp(0.0, -odds))
    mass = np.where(spoof, share / spoof.sum(), (1.0 - share) / (~spoof).sum())
    return probability, spoof, mass


def brier(scores: npt.ArrayLike, labels: npt.ArrayLike, *, prior: float | None = 0.5) -> float:
    """Mean squared difference between the probability of spoof and the truth, classes weighted to ``prior``.

    Range [0, 1]; always answering the prior ``p`` costs ``p (1 − p)``, .25 at one half. Source: Brier 1950.

    Examples
    --------
    >>> brier([0, 0], [0, 1])
    0.25
    """
    probability, spoof, mass = _probabilities(scores, labels, prior)
    return float((mass * (probability - spoof) ** 2).sum())


def calibration_curve(
    scores: npt.ArrayLike, labels: npt.ArrayLike, *, prior: float | None = 0.5, bins: int = 10
) -> CalibrationBins:
    """Mean probability against the share of spoof seen, in ``bins`` equally wide bins of [0, 1].

    Empty bins are left out. A probability on an inner edge belongs to the bin above it.
    Source: DeGroot and Fienberg 1983.

    Examples
    --------
    >>> curve = calibration_curve([-9, -9, 9, 9], [0, 0, 1, 1])
    >>> curve.observed.tolist(), curve.count.tolist()
    ([0.0, 1.0], [2, 2])
    """
    if bins < 1:
        raise MetricError(f"{bins} bins", hint="at least one is needed")
    probability, spoof, mass = _probabilities(scores, labels, prior)
    place = np.minimum((probability * bins).astype(np.intp), bins - 1)
    weight: Floats = np.bincount(place, mass, bins).astype(np.float64)
    count = np.bincount(place, minlength=bins)
    full = count > 0
    predicted = np.bincount(place, mass * probability, bins)[full] / weight[full]
    observed = np.bincount(place, mass * spoof, bins)[full] / weight[full]
    return CalibrationBins(predicted=predicted, observed=observed, mass=weight[full], count=count[full])


def ece(scores: npt.ArrayLike, labels: npt.ArrayLike, *, prior: float | None = 0.5, bins: int = 10) -> float:
    """Expected calibration error: mean over the bins of |mean probability − share of spoof|, by weight.

    Range [0, 1]. It depends on the number of bins, and with few trials it is above 0 even for perfect probabilities;
    :func:`~earwitness.metrics.cllr` has neither trouble. Source: Naeini et al., AAAI 2015.

    Examples
    --------
    >>> round(ece([0, 0, 0, 0], [0, 0, 1, 1]), 6)
    0.0
    """
    curve = calibration_curve(scores, labels, prior=prior, bins=bins)
    return float((curve.mass * np.abs(curve.predicted - curve.observed)).sum())
