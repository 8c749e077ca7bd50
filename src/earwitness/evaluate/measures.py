"""The headline figures of a set of trials, for one set of weights or for a thousand at once.

Point values and bootstrap draws run through the same code; a test holds the point values to
:mod:`earwitness.metrics`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from earwitness.calibrate import Thresholds
from earwitness.evaluate.scores import Scores
from earwitness.metrics.costs import LN2, bayes_threshold, dcf_of
from earwitness.metrics.ranked import Bools, Floats, Ints, Ranked, auc_of, eer_of
from earwitness.metrics.ranking import Convention

RANKING = ("eer", "eer_mean_over_systems", "auc", "average_precision", "min_dcf")
DECISIONS = (
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "specificity",
    "f1",
    "mcc",
    "false_alarm",
    "miss",
)
COSTS = ("act_dcf", "cllr")
VERDICTS = ("wrong_synthetic", "wrong_human", "inconclusive")
"""Of detectors with two limits: share of human trials called likely synthetic, of spoof trials called likely human, and
of all trials left inconclusive."""
ALL = (*RANKING, *COSTS, *DECISIONS)


@dataclass(frozen=True)
class Costs:
    """Prior of spoof and costs: ``miss`` = a spoof called human, ``false_alarm`` = a human called spoof.

    The defaults are those of ASVspoof 5 (which writes ``C_fa = 10`` for a spoof accepted).
    """

    prior: float = 0.05
    miss: float = 10.0
    false_alarm: float = 1.0

    @property
    def threshold(self) -> float:
        """Bayes threshold in natural-log likelihood ratio."""
        return bayes_threshold(prior=self.prior, cost_miss=self.miss, cost_false_alarm=self.false_alarm)


class Measures:
    """Computes the figures of fixed trials under weights.

    Parameters
    ----------
    scores:
        Trials with labels, both classes.
    threshold:
        At and above it a trial is called spoof.
    costs:
        For minDCF and actDCF.
    convention:
        Of the EER.
    limits:
        The two limits of a detector's verdicts, for :data:`VERDICTS`; a trial with limits of its own (columns
        ``human_limit`` and ``synthetic_limit``) is judged by those. A trial that the quality gate refused (column
        ``gate``) is inconclusive whatever its score.

    Examples
    --------
    >>> m = Measures(Scores.of("abcd", [-2, -1, 1, 2], ["bonafide", "bonafide", "spoof", "spoof"]))
    >>> float(m(np.ones((1, 4)), ["auc"])["auc"][0])
    1.0
    """

    def __init__(
        self,
        scores: Scores,
        *,
        threshold: float = 0.0,
        costs: Costs | None = None,
        convention: Convention = "interpolated",
        limits: Thresholds | None = None,
    ) -> None:
        self.scores = scores
        self.costs = costs or Costs()
        self.convention = convention
        self.spoof: Bools = scores.truth
        self.ranked = Ranked.of(scores.scores, self.spoof)
        self._bits: Floats = np.logaddexp(0.0, np.where(self.spoof, -scores.scores, scores.scores)) / LN2
        self.called: Bools = scores.scores >= threshold
        passed = np.array([not reason for reason in scores.column("gate")], dtype=np.bool_)
        human, synthetic = (limits.human, limits.synthetic) if limits else (-np.inf, np.inf)
        self.likely_human: Bools = passed & (scores.scores < _own(scores, "human_limit", human, limits))
        self.likely_synthetic: Bools = passed & (scores.scores > _own(scores, "synthetic_limit", synthetic, limits))
        self._by_system = _members(scores.column("system"), self.spoof)

    def __call__(self, weights: Floats, names: Sequence[str]) -> dict[str, Floats]:
        """The named figures, each of shape ``(draws,)``, for weights of shape ``(draws, trials)``.

        A draw in which a figure is not defined (no trial of a class, nothing called spoof) gives NaN.
        """
        out: dict[str, Floats] = {}
        wanted = set(names)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            if wanted & {"eer", "auc", "average_precision", "min_dcf"}:
                out |= self._ranking(*self.ranked.rates(weights), weights, wanted)
            if "eer_mean_over_systems" in wanted:
                out["eer_mean_over_systems"] = self._eer(*self.ranked.rates(self.even(weights)))
            if wanted & {"act_dcf", *DECISIONS}:
                out |= self._decisions(weights)
            if wanted & set(VERDICTS):
                confident = self.likely_human | self.likely_synthetic
                out["wrong_synthetic"] = self._mean(weights, self.likely_synthetic, ~self.spoof)
                out["wrong_human"] = self._mean(weights, self.likely_human, self.spoof)
                out["inconclusive"] = self._mean(weights, ~confident, np.ones_like(self.spoof))
            if "cllr" in wanted:
                bits = self._bits
                out["cllr"] = (self._mean(weights, bits, self.spoof) + self._mean(weights, bits, ~self.spoof)) / 2.0
        return {name: out[name] for name in names}

    def values(self, names: Sequence[str]) -> dict[str, float]:
        """The named figures of the trials as they are."""
        return {k: float(v[0]) for k, v in self(np.ones((1, len(self.scores))), names).items()}

    def even(self, weights: Floats) -> Floats:
        """Weights under which each system counts the same: every spoof is divided by the weight of its system."""
        out = weights.copy()
        for members in self._by_system:
            total = out[:, members].sum(axis=1, keepdims=True)
            out[:, members] = np.divide(out[:, members], total, out=np.zeros((len(out), len(members))), where=total > 0)
        return out

    def _eer(self, false_alarm: Floats, miss: Floats) -> Floats:
        if self.convention == "interpolated":
            return eer_of(false_alarm, miss)
        gap = np.abs(miss - false_alarm)
        nearest = gap.shape[-1] - 1 - np.argmin(gap[..., ::-1], axis=-1)[..., None]
        both = np.take_along_axis(miss, nearest, -1) + np.take_along_axis(false_alarm, nearest, -1)
        return np.asarray(both[..., 0] / 2.0)

    def _ranking(self, false_alarm: Floats, miss: Floats, weights: Floats, wanted: set[str]) -> dict[str, Floats]:
        costs, out = self.costs, {}
        if "eer" in wanted:
            out["eer"] = self._eer(false_alarm, miss)
        if "auc" in wanted:
            out["auc"] = auc_of(false_alarm, miss)
        if "average_precision" in wanted:
            hits = (1.0 - miss) * weights[:, self.spoof].sum(axis=1, keepdims=True)
            called = hits + false_alarm * weights[:, ~self.spoof].sum(axis=1, keepdims=True)
            precision = np.where(called > 0, hits / called, 1.0)
            out["average_precision"] = np.asarray(((miss[:, 1:] - miss[:, :-1]) * precision[:, :-1]).sum(axis=1))
        if "min_dcf" in wanted:
            found = dcf_of(false_alarm, miss, costs.prior, costs.miss, costs.false_alarm)
            out["min_dcf"] = np.asarray(found.min(axis=1))
        return out

    def _decisions(self, weights: Floats) -> dict[str, Floats]:
        spoof, called = self.spoof, self.called
        hit, miss = weights @ (spoof & called), weights @ (spoof & ~called)
        alarm, correct = weights @ (~spoof & called), weights @ (~spoof & ~called)
        recall, specificity = hit / (hit + miss), correct / (correct + alarm)
        bayes = self.scores.scores >= self.costs.threshold
        missed, alarmed = self._mean(weights, ~bayes, spoof), self._mean(weights, bayes, ~spoof)
        scale = np.sqrt(hit + alarm) * np.sqrt(miss + correct) * np.sqrt(hit + miss) * np.sqrt(alarm + correct)
        return {
            "accuracy": (hit + correct) / (hit + miss + alarm + correct),
            "balanced_accuracy": (recall + specificity) / 2.0,
            "precision": hit / (hit + alarm),
            "recall": recall,
            "specificity": specificity,
            "f1": 2.0 * hit / (2.0 * hit + alarm + miss),
            "mcc": np.where(scale > 0, (hit * correct - miss * alarm) / scale, 0.0),
            "false_alarm": 1.0 - specificity,
            "miss": 1.0 - recall,
            "act_dcf": dcf_of(alarmed, missed, self.costs.prior, self.costs.miss, self.costs.false_alarm),
        }

    @staticmethod
    def _mean(weights: Floats, values: Floats | Bools, members: Bools) -> Floats:
        chosen = weights[:, members]
        return np.asarray((chosen @ values[members]) / chosen.sum(axis=1))


def _own(scores: Scores, column: str, general: float, limits: Thresholds | None) -> Floats:
    """The limit of each trial: its own where it has one, else the general one."""
    own = scores.numbers(column) if limits else np.full(len(scores), np.nan)
    return np.where(np.isnan(own), general, own)


def _members(systems: Sequence[str], spoof: Bools) -> list[Ints]:
    """Positions of the spoof trials of each system; those of unknown systems together are one."""
    groups: dict[str, list[int]] = {}
    for index in np.flatnonzero(spoof).tolist():
        groups.setdefault(systems[index], []).append(index)
    return [np.array(members, dtype=np.intp) for members in groups.values()]


def rounded(values: Mapping[str, float], digits: int = 6) -> dict[str, float | None]:
    """Figures for JSON: rounded, NaN as null.

    Examples
    --------
    >>> rounded({"eer": 0.12345678, "f1": float("nan")})
    {'eer': 0.123457, 'f1': None}
    """
    return {k: None if np.isnan(v) else round(float(v), digits) for k, v in values.items()}
