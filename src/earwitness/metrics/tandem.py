"""A spoof detector in front of a speaker verifier (ASV): t-DCF, a-DCF and t-EER.

The detector's ``scores`` and ``labels`` follow the house: higher = spoof, 1 = spoof. Verifier scores come as three
vectors, ``target``, ``nontarget`` and ``spoof`` trials, where *higher = accept as the claimed speaker*. Rates of the
verifier: miss = target rejected, false alarm = non-target accepted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from earwitness.errors import MetricError
from earwitness.metrics.ranked import Floats, Ranked, checked, checked_scores
from earwitness.metrics.ranking import eer_threshold

TandemForm = Literal["2019", "2021"]


@dataclass(frozen=True)
class AsvRates:
    """Error rates of a verifier at one threshold: target rejected, non-target accepted, spoof accepted; fractions."""

    miss: float
    false_alarm: float
    spoof_accepted: float
    threshold: float


@dataclass(frozen=True)
class TandemCosts:
    """Priors and costs of the t-DCF and the a-DCF; the defaults are those of ASVspoof 2019, 2021 and 5.

    ``miss``: a target is rejected by the verifier; ``false_alarm``: a non-target is accepted; ``human_rejected``: the
    spoof detector rejects human speech (2019 form only); ``spoof_accepted``: a spoof is accepted.
    """

    prior_spoof: float = 0.05
    prior_target: float = 0.95 * 0.99
    prior_nontarget: float = 0.95 * 0.01
    miss: float = 1.0
    false_alarm: float = 10.0
    human_rejected: float = 1.0
    spoof_accepted: float = 10.0

    def __post_init__(self) -> None:
        priors = (self.prior_spoof, self.prior_target, self.prior_nontarget)
        if min(priors) < 0 or abs(sum(priors) - 1.0) > 1e-9:
            raise MetricError(f"the priors {priors} do not add up to 1")
        if min(self.miss, self.false_alarm, self.human_rejected, self.spoof_accepted) < 0:
            raise MetricError("a cost is below 0")


def asv_rates(
    target: npt.ArrayLike, nontarget: npt.ArrayLike, spoof: npt.ArrayLike, *, threshold: float | None = None
) -> AsvRates:
    """Error rates of a verifier at ``threshold``, or at its equal error rate of target against non-target.

    Parameters
    ----------
    target, nontarget, spoof:
        Verifier scores, each of shape ``(trials,)``; higher = accept. Accepted means at or above the threshold.

    Raises
    ------
    MetricError
        For an empty group or NaN.

    Examples
    --------
    >>> asv_rates([2.0, 3.0], [-1.0, 0.0], [2.5, -2.0]).spoof_accepted
    0.5
    """
    tar, non, fake = (checked_scores(s, name=n) for s, n in _named(target, nontarget, spoof))
    if threshold is None:
        labels = np.concatenate([np.ones(len(tar)), np.zeros(len(non))])
        threshold = eer_threshold(np.concatenate([tar, non]), labels).threshold
    return AsvRates(
        miss=float((tar < threshold).mean()),
        false_alarm=float((non >= threshold).mean()),
        spoof_accepted=float((fake >= threshold).mean()),
        threshold=float(threshold),
    )


def _named(*groups: npt.ArrayLike) -> list[tuple[npt.ArrayLike, str]]:
    return list(zip(groups, ("target scores", "non-target scores", "spoof scores"), strict=True))


def min_tdcf(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    asv: AsvRates,
    *,
    form: TandemForm = "2019",
    costs: TandemCosts | None = None,
) -> float:
    """Minimum normalised tandem detection cost of the detector before a fixed verifier.

    ``t-DCF(t) = C0 + C1 P_human_rejected(t) + C2 P_spoof_passed(t)``.
    ``"2019"`` (v1, "legacy"): C0 = 0, C1 = π_tar (C_rej − C_miss P_miss) − π_non C_fa P_fa,
    C2 = C_spoof π_spoof P_spoof; divided by min(C1, C2).
    ``"2021"``: C0 = π_tar C_miss P_miss + π_non C_fa P_fa, C1 = π_tar C_miss − C0, C2 as above; divided by
    C0 + min(C1, C2), so that a perfect detector still costs what its verifier costs.

    Range [0, 1]; 1 = no better than no detector or one that rejects all. Ties move together. Undefined when C1 or C2
    is not above 0: the verifier alone is then worse than useless. Source: Kinnunen et al., "t-DCF", Odyssey 2018
    (2019 form), and "Tandem assessment of spoofing countermeasures and ASV: fundamentals", TASLP 2020 (2021 form).

    Raises
    ------
    MetricError
        With one class only, NaN, an unknown form, or C1 or C2 not above 0.

    Examples
    --------
    >>> verifier = AsvRates(miss=0.02, false_alarm=0.02, spoof_accepted=0.3, threshold=0.0)
    >>> min_tdcf([-1, -2, 3, 4], [0, 0, 1, 1], verifier)
    0.0
    >>> round(min_tdcf([-1, -2, 3, 4], [0, 0, 1, 1], verifier, form="2021"), 4)
    0.1213
    """
    cost = TandemCosts() if costs is None else costs
    values, spoof, _ = checked(scores, labels)
    human_rejected, spoof_passed = Ranked.of(values, spoof).rates()
    verifier = cost.prior_target * cost.miss * asv.miss + cost.prior_nontarget * cost.false_alarm * asv.false_alarm
    passed = cost.spoof_accepted * cost.prior_spoof * asv.spoof_accepted
    if form == "2019":
        base, rejected = 0.0, cost.prior_target * cost.human_rejected - verifier
    elif form == "2021":
        base, rejected = verifier, cost.prior_target * cost.miss - verifier
    else:
        raise MetricError(f"unknown t-DCF form {form!r}", hint="known: 2019, 2021")
    if rejected <= 0 or passed <= 0:
        raise MetricError(
            f"t-DCF is undefined: C1 = {rejected:.4g} and C2 = {passed:.4g} must be above 0",
            hint="the verifier rejects too many targets, or accepts no spoof at all",
        )
    total = base + rejected * human_rejected + passed * spoof_passed
    return float(total.min() / (base + min(rejected, passed)))


def a_dcf(
    target: npt.ArrayLike,
    nontarget: npt.ArrayLike,
    spoof: npt.ArrayLike,
    *,
    threshold: float | None = None,
    costs: TandemCosts | None = None,
) -> float:
    """Normalised architecture-agnostic detection cost of one spoof-aware verifier score; the minimum over thresholds.

    ``a-DCF(t) = (C_miss π_tar P_miss(t) + C_fa π_non P_fa,non(t) + C_spoof π_spoof P_fa,spoof(t)) /
    min(C_miss π_tar, C_fa π_non + C_spoof π_spoof)``. With ``threshold`` it is the cost there, which can exceed 1.
    Range of the minimum [0, 1]. Higher scores accept. Source: Shim et al., "a-DCF", Odyssey 2024.

    Raises
    ------
    MetricError
        For an empty group or NaN.

    Examples
    --------
    >>> a_dcf([3.0, 4.0], [0.0, 1.0], [-1.0, 2.0]), a_dcf([3.0], [5.0], [5.0])
    (0.0, 1.0)
    """
    cost = TandemCosts() if costs is None else costs
    groups = [checked_scores(s, name=n) for s, n in _named(target, nontarget, spoof)]
    at = np.append(np.unique(np.concatenate(groups)), np.inf) if threshold is None else np.array([threshold])
    below_target, below_nontarget, below_spoof = (_share_below(g, at) for g in groups)
    missed = cost.miss * cost.prior_target
    accepted, fooled = cost.false_alarm * cost.prior_nontarget, cost.spoof_accepted * cost.prior_spoof
    total = missed * below_target + accepted * (1.0 - below_nontarget) + fooled * (1.0 - below_spoof)
    return float(total.min() / min(missed, accepted + fooled))


def _share_below(scores: Floats, thresholds: Floats) -> Floats:
    return np.searchsorted(np.sort(scores), thresholds, side="left") / len(scores)


class TandemEqualError(NamedTuple):
    """Concurrent t-EER (a fraction) and the two thresholds nearest to it."""

    eer: float
    asv_threshold: float
    spoof_threshold: float


def t_eer(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    target: npt.ArrayLike,
    nontarget: npt.ArrayLike,
    spoof: npt.ArrayLike,
) -> TandemEqualError:
    """Concurrent tandem equal error rate: the error at the pair of thresholds where three tandem errors are equal.

    With the verifier's rates ``m, f, g`` (target rejected, non-target accepted, spoof accepted) and the detector's
    ``r, p`` (human rejected, spoof passed), detector and verifier being independent given the class:
    ``P_miss = 1 − (1 − m)(1 − r)``, ``P_fa,non = (1 − r) f``, ``P_fa,spoof = p g``. At their common value the t-EER is
    the same for every share of spoof among the attacks. Both DET curves are joined by straight lines, as in
    :func:`~earwitness.metrics.eer`. Where the errors meet more than once, the largest common value is given.

    Range [0, 1]. Undefined when no such pair exists: the spoofs fool the verifier less often than other speakers do
    (at its own equal error rate), or the detector has no merit at r = ½.
    Source: Kinnunen et al., "t-EER: parameter-free tandem evaluation", TPAMI 2023.

    Raises
    ------
    MetricError
        For an empty group, one class only, NaN, or where it is undefined.

    Examples
    --------
    >>> found = t_eer([-1, -2, 3, 4], [0, 0, 1, 1], [2.0, 3.0], [-1.0, 0.0], [2.5, 1.0])
    >>> round(found.eer, 6)
    0.0
    """
    values, truth, _ = checked(scores, labels)
    ranked = Ranked.of(values, truth)
    rejected, passed = (r[::-1] for r in ranked.rates())
    groups = [checked_scores(s, name=n) for s, n in _named(target, nontarget, spoof)]
    at = np.append(np.unique(np.concatenate(groups)), np.inf)
    miss = _share_below(groups[0], at)
    accepted, fooled = (1.0 - _share_below(g, at) for g in groups[1:])
    miss, accepted, fooled = _up_to_equal_error(miss, accepted, fooled)
    path = np.stack([miss, accepted, fooled])
    common, wanted, gap = _meeting(path, rejected, passed)
    crossing = np.flatnonzero((gap[:-1] < 0) & (gap[1:] >= 0))
    if gap[0] >= 0 or not crossing.size:
        raise MetricError(
            "t-EER is undefined: the three tandem errors are nowhere equal",
            hint="spoofs fool this verifier less than other speakers do, or the detector is no better than chance",
        )
    left = int(crossing[0])
    start, stop = path[:, left : left + 1], path[:, left + 1 : left + 2]
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        common, wanted, gap = _meeting(start + middle * (stop - start), rejected, passed)
        low, high = (middle, high) if gap[0] < 0 else (low, middle)
    nearest = len(rejected) - 1 - int(np.argmin(np.abs(rejected - wanted[0])))
    return TandemEqualError(float(common[0]), float(at[left + (high > 0.5)]), ranked.threshold_at(nearest))


def _meeting(path: Floats, rejected: Floats, passed: Floats) -> tuple[Floats, Floats, Floats]:
    """For verifier rates ``path`` (3, n): the common P_miss = P_fa,non, the r it needs, and P_fa,spoof above it."""
    miss, accepted, fooled = path
    common = accepted / (1.0 + accepted - miss)
    wanted = np.maximum(1.0 - 1.0 / (1.0 + accepted - miss), 0.0)
    passing = np.where(wanted > 0.0, np.interp(wanted, rejected, passed), 1.0)
    return common, wanted, np.asarray(passing * fooled - common)


def _up_to_equal_error(miss: Floats, accepted: Floats, fooled: Floats) -> tuple[Floats, Floats, Floats]:
    """The verifier's rates up to its equal error rate, where the path of the detector's thresholds ends."""
    gap = miss - accepted
    right = int(np.argmax(gap >= 0))
    left = max(right - 1, 0)
    step = 0.0 if right == left else float(-gap[left] / (gap[right] - gap[left]))
    ends = [rate[left] + step * (rate[right] - rate[left]) for rate in (miss, accepted, fooled)]
    first, second, third = (
        np.append(rate[: left + 1], end) for rate, end in zip((miss, accepted, fooled), ends, strict=True)
    )
    return first, second, third
