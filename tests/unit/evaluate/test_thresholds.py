"""Thresholds by rule, against brute force; never on what is reported."""

from __future__ import annotations

import numpy as np
import pytest

from earwitness import metrics
from earwitness.errors import ConfigError, ManifestError
from earwitness.evaluate.bench import Entry, ThresholdChoice, measure, reported_split
from earwitness.evaluate.measures import Costs
from earwitness.evaluate.report import ReportSettings
from earwitness.evaluate.scores import Scores
from earwitness.evaluate.thresholds import bayes, check_disjoint, choose


def dev_scores(seed=0, n=120):
    rng = np.random.default_rng(seed)
    spoof = rng.random(n) < 0.4
    words = ["spoof" if y else "bonafide" for y in spoof]
    return Scores.of([f"d{i}" for i in range(n)], np.round(rng.normal(size=n) + spoof, 1), words)


def every_threshold(s):
    return [*sorted(set(s.scores.tolist())), np.inf]


@pytest.mark.parametrize("seed", range(5))
def test_rules_find_the_best_threshold(seed):
    s = dev_scores(seed)
    best = max(metrics.f1(s.scores, s.truth, threshold=t) for t in every_threshold(s))
    found = choose(s, "max-f1", chosen_on="dev")
    assert metrics.f1(s.scores, s.truth, threshold=found.value) == pytest.approx(best)
    assert (found.chosen_on, found.trials) == ("dev", 120)

    within = [t for t in every_threshold(s) if 1 - metrics.specificity(s.scores, s.truth, threshold=t) <= 0.1]
    found = choose(s, "fpr=0.1", chosen_on="dev")
    assert 1 - metrics.specificity(s.scores, s.truth, threshold=found.value) <= 0.1
    best = max(metrics.recall(s.scores, s.truth, threshold=t) for t in within)
    assert metrics.recall(s.scores, s.truth, threshold=found.value) == pytest.approx(best)

    costs = Costs(prior=0.2, miss=5, false_alarm=1)
    found = choose(s, "cost", chosen_on="dev", costs=costs)
    least = metrics.min_dcf(s.scores, s.truth, prior=0.2, cost_miss=5, cost_false_alarm=1)
    got = metrics.act_dcf(s.scores, s.truth, prior=0.2, cost_miss=5, cost_false_alarm=1, threshold=found.value)
    assert got == pytest.approx(least)

    found = choose(s, "eer", chosen_on="dev")
    gaps = {}
    for t in [*every_threshold(s), found.value]:
        c = metrics.confusion_matrix(s.scores, s.truth, threshold=t)
        gaps[t] = abs((1 - c.recall) - (1 - c.specificity))
    assert gaps[found.value] == pytest.approx(min(gaps.values()))


def test_bayes_needs_no_data_and_says_so():
    found = bayes(Costs(prior=0.1, miss=1, false_alarm=1))
    assert found.value == pytest.approx(np.log(9))
    assert found.chosen_on == "nothing"
    assert choose(dev_scores(), "bayes", chosen_on="dev").chosen_on == "nothing"


def test_bad_rules_are_refused():
    for rule in ("best", "fpr=", "fpr=2", "f1"):
        with pytest.raises(ConfigError):
            choose(dev_scores(), rule, chosen_on="dev")
    with pytest.raises(ConfigError, match="choose on"):
        ThresholdChoice(rule="eer")
    with pytest.raises(ConfigError, match="one of them"):
        ThresholdChoice(rule="eer", value=0.0, dev_split="dev")


def test_reported_trials_choose_nothing():
    s = dev_scores()
    with pytest.raises(ManifestError, match="share 120 trials"):
        check_disjoint(s, s)
    with pytest.raises(ManifestError, match="share"):
        measure(Entry(s), ReportSettings(draws=10), ThresholdChoice(rule="eer", dev=s))


def test_the_dev_split_chooses_and_the_eval_split_is_reported():
    s = dev_scores(n=200)
    split = ["dev" if i < 100 else "eval" for i in range(200)]
    both = Scores(s.ids, s.scores, s.labels, {"split": tuple(split)})
    found = measure(Entry(both), ReportSettings(draws=10, split="eval"), ThresholdChoice(rule="eer", dev_split="dev"))
    own = choose(both.where_true(np.arange(200) < 100), "eer", chosen_on="dev")
    assert found.settings.chosen == own
    assert len(found.scores) == 100
    assert found.points["eer"] == pytest.approx(metrics.eer(s.scores[100:], s.truth[100:]))
    with pytest.raises(ManifestError, match="no splits"):
        measure(Entry(s), ReportSettings(draws=10), ThresholdChoice(rule="eer", dev_split="dev"))
    with pytest.raises(ManifestError, match="'test'"):
        measure(Entry(both), ReportSettings(draws=10, split="test"), ThresholdChoice())


def test_the_split_to_report():
    assert reported_split(["train", "dev", "test"], None, "m") == "test"
    assert reported_split(["train", "dev"], None, "m") == ""
    assert reported_split(["a", "b"], "b", "m") == "b"
    with pytest.raises(ManifestError, match="splits: a, b"):
        reported_split(["a", "b"], "eval", "m")
