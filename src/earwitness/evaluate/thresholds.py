"""Thresholds by named rule, chosen on one set of trials and used on another.

Test data chooses nothing: :func:`choose` asks which set it is looking at, and :func:`check_disjoint` refuses a set that
shares trials with the one that is reported.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earwitness.errors import ConfigError, ManifestError
from earwitness.evaluate.measures import Costs
from earwitness.evaluate.scores import Scores
from earwitness.metrics.costs import dcf_of
from earwitness.metrics.ranked import Ranked
from earwitness.metrics.ranking import eer_threshold

RULES = ("eer", "max-f1", "fpr=RATE", "cost", "bayes")


@dataclass(frozen=True)
class Chosen:
    """A threshold, the rule that gave it, and the set it was chosen on (``nothing`` for a rule that needs none)."""

    value: float
    rule: str
    chosen_on: str
    trials: int = 0

    def to_dict(self) -> dict[str, float | str | int]:
        """For JSON."""
        return dict(vars(self))


def bayes(costs: Costs | None = None) -> Chosen:
    """The threshold for scores that are log-likelihood ratios: from prior and costs alone, no data.

    Examples
    --------
    >>> bayes(Costs(prior=0.5, miss=1, false_alarm=1)).value
    0.0
    """
    cost = costs or Costs(prior=0.5, miss=1.0, false_alarm=1.0)
    return Chosen(
        cost.threshold, f"bayes (prior {cost.prior:g}, costs {cost.miss:g} and {cost.false_alarm:g})", "nothing"
    )


def choose(scores: Scores, rule: str, *, chosen_on: str, costs: Costs | None = None) -> Chosen:
    """A threshold for ``scores`` by a named rule.

    Parameters
    ----------
    scores:
        The development trials, both classes.
    rule:
        ``eer``: where false-alarm and miss rate are closest. ``max-f1``: the highest F1; of several the highest
        threshold. ``fpr=0.05``: the lowest threshold whose false-alarm rate is at most .05, so the highest recall at
        that rate. ``cost``: the lowest expected cost at ``costs`` as measured on the trials. ``bayes``: from ``costs``
        alone.
    chosen_on:
        What the trials are called in the report, such as ``dev``.
    costs:
        For ``cost`` and ``bayes``; prior one half and equal costs unless given.

    Raises
    ------
    ConfigError
        For an unknown rule or a rate outside [0, 1].
    MetricError
        With one class only.

    Examples
    --------
    >>> dev = Scores.of("abcd", [-2, -1, 1, 2], ["bonafide", "bonafide", "spoof", "spoof"])
    >>> choose(dev, "eer", chosen_on="dev").value
    0.0
    >>> choose(dev, "fpr=0.5", chosen_on="dev").value
    -1.5
    """
    if rule == "bayes":
        return bayes(costs)
    cost = costs or Costs(prior=0.5, miss=1.0, false_alarm=1.0)
    if rule == "eer":
        value = eer_threshold(scores.scores, scores.truth).threshold
        return Chosen(value, rule, chosen_on, len(scores))
    ranked = Ranked.of(scores.scores, scores.truth)
    false_alarm, miss = ranked.rates()
    # Sought from the highest threshold down, so that of equally good ones the one with fewer false alarms is taken.
    if rule == "max-f1":
        fakes, humans = scores.truth.sum(), (~scores.truth).sum()
        hits = (1.0 - miss) * fakes
        index = _last_best(2.0 * hits / (hits + fakes + false_alarm * humans))
    elif rule == "cost":
        index = _last_best(-dcf_of(false_alarm, miss, cost.prior, cost.miss, cost.false_alarm))
        rule = f"cost (prior {cost.prior:g}, costs {cost.miss:g} and {cost.false_alarm:g})"
    elif rule.startswith("fpr="):
        index = int(np.argmax(false_alarm <= _rate(rule)))
    else:
        raise ConfigError(f"unknown threshold rule {rule!r}", hint="known: " + ", ".join(RULES))
    return Chosen(ranked.threshold_at(index), rule, chosen_on, len(scores))


def _last_best(values: np.ndarray) -> int:
    return len(values) - 1 - int(np.argmax(values[::-1]))


def _rate(rule: str) -> float:
    try:
        rate = float(rule.removeprefix("fpr="))
    except ValueError:
        rate = -1.0
    if not 0.0 <= rate <= 1.0:
        raise ConfigError(f"{rule!r}: not a false-alarm rate", hint="for example fpr=0.05")
    return rate


def check_disjoint(dev: Scores, reported: Scores) -> None:
    """Refuse a threshold set that shares trials with the reported set.

    Raises
    ------
    ManifestError
        With the number of shared trials and the first of them.
    """
    shared = sorted(set(dev.ids) & set(reported.ids))
    if shared:
        raise ManifestError(
            f"{dev.where} and {reported.where} share {len(shared):,} trials, the first is {shared[0]!r}",
            hint="a threshold may not be chosen on the trials it is reported on",
            code="threshold-on-test",
        )
