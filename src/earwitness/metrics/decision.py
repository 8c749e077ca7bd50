"""Metrics of decisions at one threshold: a trial is called spoof when its score is at or above the threshold.

The class *spoof* is the positive one: recall is the share of spoof found, specificity the share of human speech left
in peace. A ratio of nothing to nothing (precision when nothing is called spoof, recall without spoof) is NaN, which
JSON reports write as null; it is never silently 0 or 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy.typing as npt

from earwitness.metrics.ranked import checked


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan


@dataclass(frozen=True)
class Confusion:
    """Counts (or sums of weights) of the four outcomes; ``hit`` = spoof called spoof.

    Examples
    --------
    >>> table = Confusion(hit=8, miss=2, false_alarm=1, correct_human=9)
    >>> table.accuracy, table.recall, table.specificity
    (0.85, 0.8, 0.9)
    """

    hit: float
    miss: float
    false_alarm: float
    correct_human: float

    @property
    def total(self) -> float:
        """All trials."""
        return self.hit + self.miss + self.false_alarm + self.correct_human

    @property
    def accuracy(self) -> float:
        """Share of right decisions."""
        return _ratio(self.hit + self.correct_human, self.total)

    @property
    def balanced_accuracy(self) -> float:
        """Mean of recall and specificity."""
        return (self.recall + self.specificity) / 2.0

    @property
    def precision(self) -> float:
        """Share of spoof among those called spoof."""
        return _ratio(self.hit, self.hit + self.false_alarm)

    @property
    def recall(self) -> float:
        """Share of spoof called spoof."""
        return _ratio(self.hit, self.hit + self.miss)

    @property
    def specificity(self) -> float:
        """Share of bonafide called bonafide."""
        return _ratio(self.correct_human, self.correct_human + self.false_alarm)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _ratio(2.0 * self.hit, 2.0 * self.hit + self.false_alarm + self.miss)

    @property
    def mcc(self) -> float:
        """Matthews correlation; 0 when a row or a column of the table is empty."""
        called, passed = self.hit + self.false_alarm, self.miss + self.correct_human
        fakes, humans = self.hit + self.miss, self.false_alarm + self.correct_human
        scale = math.sqrt(called) * math.sqrt(passed) * math.sqrt(fakes) * math.sqrt(humans)
        if scale == 0:
            return 0.0
        return (self.hit * self.correct_human - self.miss * self.false_alarm) / scale

    def to_dict(self) -> dict[str, float]:
        """The four counts by name."""
        return {
            "hit": self.hit,
            "miss": self.miss,
            "false_alarm": self.false_alarm,
            "correct_human": self.correct_human,
        }


def confusion_matrix(
    scores: npt.ArrayLike, labels: npt.ArrayLike, *, threshold: float = 0.0, weights: npt.ArrayLike | None = None
) -> Confusion:
    """The four outcomes at ``threshold``; a score equal to the threshold is called spoof. One class alone is fine.

    Source: Fawcett 2006, figure 1. Raises :class:`~earwitness.errors.MetricError` for NaN or no trials.

    Examples
    --------
    >>> confusion_matrix([-1, 0, 2, -3], [0, 0, 1, 1])
    Confusion(hit=1.0, miss=1.0, false_alarm=1.0, correct_human=1.0)
    """
    values, spoof, mass = checked(scores, labels, weights, both=False)
    called = values >= threshold
    parts = (spoof & called, spoof & ~called, ~spoof & called, ~spoof & ~called)
    hit, miss, alarm, correct = (float(p.sum() if mass is None else mass[p].sum()) for p in parts)
    return Confusion(hit=hit, miss=miss, false_alarm=alarm, correct_human=correct)


def accuracy(scores: npt.ArrayLike, labels: npt.ArrayLike, *, threshold: float = 0.0) -> float:
    """(hits + human called human) / trials. Range [0, 1]. Source: Fawcett 2006.

    Depends on the class shares: always answering with the larger class has its share as accuracy.

    Examples
    --------
    >>> accuracy([-1, 0, 2, 3], [0, 0, 1, 1])
    0.75
    """
    return confusion_matrix(scores, labels, threshold=threshold).accuracy


def balanced_accuracy(scores: npt.ArrayLike, labels: npt.ArrayLike, *, threshold: float = 0.0) -> float:
    """(recall + specificity) / 2. Range [0, 1]; .5 = chance. NaN with one class. Source: Brodersen et al., ICPR 2010.

    Examples
    --------
    >>> balanced_accuracy([-1, 0, 2, 3], [0, 0, 1, 1])
    0.75
    """
    return confusion_matrix(scores, labels, threshold=threshold).balanced_accuracy


def precision(scores: npt.ArrayLike, labels: npt.ArrayLike, *, threshold: float = 0.0) -> float:
    """Hits / all called spoof. Range [0, 1]; NaN when nothing is called spoof. Source: Fawcett 2006.

    Examples
    --------
    >>> round(precision([-1, 0, 2, 3], [0, 0, 1, 1]), 4)
    0.6667
    """
    return confusion_matrix(scores, labels, threshold=threshold).precision


def recall(scores: npt.ArrayLike, labels: npt.ArrayLike, *, threshold: float = 0.0) -> float:
    """Hits / all spoof. Range [0, 1]; NaN without spoof. 1 − recall is the miss rate. Source: Fawcett 2006.

    Examples
    --------
    >>> recall([-1, 0, 2, 3], [0, 0, 1, 1])
    1.0
    """
    return confusion_matrix(scores, labels, threshold=threshold).recall


def specificity(scores: npt.ArrayLike, labels: npt.ArrayLike, *, threshold: float = 0.0) -> float:
    """Bonafide called bonafide / all bonafide. Range [0, 1]; NaN without bonafide. 1 − it is the false-alarm rate.

    Source: Fawcett 2006.

    Examples
    --------
    >>> specificity([-1, 0, 2, 3], [0, 0, 1, 1])
    0.5
    """
    return confusion_matrix(scores, labels, threshold=threshold).specificity


def f1(scores: npt.ArrayLike, labels: npt.ArrayLike, *, threshold: float = 0.0) -> float:
    """2 hits / (2 hits + false alarms + misses) for the class spoof. Range [0, 1].

    NaN when there is no spoof and none is called so. Source: van Rijsbergen, "Information Retrieval", 1979.

    Examples
    --------
    >>> f1([-1, 0, 2, 3], [0, 0, 1, 1])
    0.8
    """
    return confusion_matrix(scores, labels, threshold=threshold).f1


def mcc(scores: npt.ArrayLike, labels: npt.ArrayLike, *, threshold: float = 0.0) -> float:
    """Matthews correlation coefficient of labels and decisions. Range [−1, 1]; 0 = chance.

    0 by convention when one class is absent or all get one answer. Source: Matthews 1975; Chicco and Jurman 2020.

    Examples
    --------
    >>> round(mcc([-1, 0, 2, 3], [0, 0, 1, 1]), 4)
    0.5774
    """
    return confusion_matrix(scores, labels, threshold=threshold).mcc


def classification_report(
    scores: npt.ArrayLike, labels: npt.ArrayLike, *, threshold: float = 0.0
) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and count (``support``) of each class, their plain mean and their mean by count.

    The rows are ``bonafide``, ``spoof``, ``macro`` and ``weighted``; undefined entries are NaN and make their means
    NaN. Source: the table of scikit-learn's ``classification_report``, with NaN where that prints 0.

    Examples
    --------
    >>> table = classification_report([-1, 0, 2, 3], [0, 0, 1, 1])
    >>> table["bonafide"]["recall"], table["spoof"]["recall"], table["macro"]["recall"]
    (0.5, 1.0, 0.75)
    """
    spoof = confusion_matrix(scores, labels, threshold=threshold)
    human = Confusion(hit=spoof.correct_human, miss=spoof.false_alarm, false_alarm=spoof.miss, correct_human=spoof.hit)
    rows = {
        name: {"precision": c.precision, "recall": c.recall, "f1": c.f1, "support": c.hit + c.miss}
        for name, c in (("bonafide", human), ("spoof", spoof))
    }
    total = spoof.total
    for name in ("macro", "weighted"):
        shares = [0.5 if name == "macro" else rows[c]["support"] / total for c in ("bonafide", "spoof")]
        rows[name] = {
            key: sum(share * rows[c][key] for share, c in zip(shares, ("bonafide", "spoof"), strict=True) if share > 0)
            for key in ("precision", "recall", "f1")
        } | {"support": total}
    return rows
