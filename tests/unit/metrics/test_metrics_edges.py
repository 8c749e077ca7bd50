"""Edge cases decided in words: ties, one class, constant scores, NaN, infinities, one trial, speed."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from earwitness import metrics
from earwitness.errors import MetricError
from earwitness.metrics.ranked import Ranked, auc_of, checked, eer_of

BOTH = ("auc", "eer", "average_precision", "min_dcf", "act_dcf", "cllr", "min_cllr", "brier", "ece")
ALL = (*BOTH, "accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1", "mcc")


@pytest.mark.parametrize("name", ALL)
def test_nan_empty_and_bad_labels_are_refused(name):
    function = getattr(metrics, name)
    for scores, labels, word in (
        ([0.0, math.nan], [0, 1], "NaN"),
        ([], [], "at least one"),
        ([0.0, 1.0], [0, 2], "labels"),
        ([0.0, 1.0], ["bonafide", "spoof"], "labels"),
        ([0.0, 1.0], [1], "shape"),
        ([[0.0], [1.0]], [[0], [1]], "shape"),
        (["a", "b"], [0, 1], "numbers"),
    ):
        with pytest.raises(MetricError, match=word):
            function(scores, labels)


@pytest.mark.parametrize("name", BOTH)
def test_one_class_is_undefined(name):
    with pytest.raises(MetricError, match="none of the 3 trials is spoof"):
        getattr(metrics, name)([1.0, 2.0, 3.0], [0, 0, 0])
    with pytest.raises(MetricError, match="none of the 1 trials is bonafide"):
        getattr(metrics, name)([1.0], [1])


def test_constant_scores_know_nothing():
    scores, labels = np.full(10, 3.0), np.arange(10) < 4
    assert metrics.eer(scores, labels) == 0.5
    assert metrics.eer(scores, labels, convention="asvspoof") == 0.5
    assert metrics.auc(scores, labels) == 0.5
    assert metrics.average_precision(scores, labels) == 0.4
    assert metrics.min_dcf(scores, labels) == 1.0
    assert metrics.min_cllr(scores, labels) == pytest.approx(1.0)
    assert metrics.mcc(scores, labels) == 0.0


def test_reversed_scores_are_the_complement():
    rng = np.random.default_rng(1)
    labels = rng.random(500) < 0.4
    scores = np.round(rng.normal(size=500) + labels, 1)
    assert metrics.auc(-scores, labels) == pytest.approx(1 - metrics.auc(scores, labels))
    assert metrics.eer(-scores, labels) == pytest.approx(1 - metrics.eer(scores, labels))
    assert metrics.eer(-scores, ~labels) == pytest.approx(metrics.eer(scores, labels))


def test_perfect_scores():
    scores, labels = [-5.0, -4.0, 4.0, 5.0], [0, 0, 1, 1]
    assert metrics.eer(scores, labels) == 0.0
    assert metrics.auc(scores, labels) == 1.0
    assert metrics.min_cllr(scores, labels) == 0.0
    assert metrics.min_dcf(scores, labels) == 0.0
    found = metrics.eer_threshold(scores, labels)
    assert -4 < found.threshold <= 4
    assert metrics.accuracy(scores, labels, threshold=found.threshold) == 1.0


def test_undefined_ratios_are_nan():
    assert math.isnan(metrics.precision([-1.0, -2.0], [0, 1]))
    assert math.isnan(metrics.recall([-1.0], [0]))
    assert math.isnan(metrics.specificity([1.0], [1]))
    assert math.isnan(metrics.balanced_accuracy([1.0], [1]))
    assert math.isnan(metrics.f1([-1.0], [0]))
    assert metrics.accuracy([-1.0], [0]) == 1.0
    assert metrics.mcc([1.0, 1.0], [0, 1]) == 0.0
    table = metrics.classification_report([-1.0, -2.0], [0, 0])
    assert math.isnan(table["spoof"]["recall"])
    assert table["weighted"]["recall"] == 1.0


def test_a_score_at_the_threshold_is_called_spoof():
    assert metrics.recall([0.0], [1], threshold=0.0) == 1.0
    assert metrics.specificity([0.0], [0], threshold=0.0) == 0.0


def test_infinite_scores_rank_and_cost():
    scores, labels = [-math.inf, 0.0, math.inf], [0, 0, 1]
    assert metrics.eer(scores, labels) == 0.0
    assert metrics.auc(scores, labels) == 1.0
    assert metrics.cllr(scores, labels) == pytest.approx(0.25)
    assert metrics.cllr([math.inf, 1.0], [0, 1]) == math.inf
    assert math.isfinite(metrics.eer_threshold([-math.inf, 1.0], [0, 1]).threshold)


def test_costs_and_priors_out_of_range():
    for bad in ({"prior": 0.0}, {"prior": 1.0}, {"cost_miss": 0.0}, {"cost_false_alarm": -1.0}):
        with pytest.raises(MetricError):
            metrics.min_dcf([0.0, 1.0], [0, 1], **bad)
    with pytest.raises(MetricError, match="bins"):
        metrics.ece([0.0, 1.0], [0, 1], bins=0)
    with pytest.raises(MetricError, match="prior"):
        metrics.brier([0.0, 1.0], [0, 1], prior=1.5)
    with pytest.raises(MetricError, match="convention"):
        metrics.eer([0.0, 1.0], [0, 1], convention="other")


def test_weights_are_checked():
    for weights in ([1.0], [-1.0, 1.0], [math.nan, 1.0], [math.inf, 1.0]):
        with pytest.raises(MetricError, match="weights"):
            metrics.eer([0.0, 1.0], [0, 1], weights=weights)
    with pytest.raises(MetricError, match="none of the 3 trials is spoof"):
        metrics.auc([0.0, 1.0, 2.0], [0, 1, 0], weights=[1, 0, 1])


def test_many_weight_rows_equal_one_by_one():
    rng = np.random.default_rng(3)
    scores, labels, _ = checked(np.round(rng.normal(size=80), 1), rng.random(80) < 0.5)
    weights = rng.integers(0, 3, (7, 80)).astype(float)
    weights[6, labels] = 0.0
    alarm, miss = Ranked.of(scores, labels).rates(weights)
    for row in range(6):
        assert eer_of(alarm, miss)[row] == pytest.approx(metrics.eer(scores, labels, weights=weights[row]))
        assert auc_of(alarm, miss)[row] == pytest.approx(metrics.auc(scores, labels, weights=weights[row]))
    assert math.isnan(eer_of(alarm, miss)[6])
    assert math.isnan(auc_of(alarm, miss)[6])


def test_mean_over_systems_is_one_roc_with_even_weights():
    """A system with many easy clips does not hide one with few hard ones."""
    human = np.linspace(-1, 1, 100)
    easy, hard = np.full(90, 5.0), np.full(10, -5.0)
    scores = np.concatenate([human, easy, hard])
    labels = np.arange(200) >= 100
    weights = np.concatenate([np.ones(100), np.full(90, 1 / 90), np.full(10, 1 / 10)])
    assert metrics.auc(scores, labels) == pytest.approx(0.9)
    assert metrics.auc(scores, labels, weights=weights) == pytest.approx(0.5)


def test_tandem_refuses_what_is_undefined():
    good = metrics.AsvRates(miss=0.02, false_alarm=0.02, spoof_accepted=0.3, threshold=0.0)
    with pytest.raises(MetricError, match="form"):
        metrics.min_tdcf([0.0, 1.0], [0, 1], good, form="2020")
    with pytest.raises(MetricError, match="undefined"):
        metrics.min_tdcf([0.0, 1.0], [0, 1], metrics.AsvRates(0.02, 0.02, 0.0, 0.0))
    with pytest.raises(MetricError, match="add up"):
        metrics.TandemCosts(prior_spoof=0.5)
    with pytest.raises(MetricError, match="spoof scores"):
        metrics.a_dcf([1.0], [0.0], [])
    with pytest.raises(MetricError, match="nowhere equal"):
        metrics.t_eer([-1.0, 1.0], [0, 1], [0.0, 1.0], [0.0, 1.0], [-5.0, -6.0])
    with pytest.raises(MetricError, match="nowhere equal"):
        metrics.t_eer([1.0, -1.0], [0, 1], [1.0, 2.0], [-1.0, 0.0], [1.0, 2.0])


def test_localisation_refuses_what_is_undefined():
    with pytest.raises(MetricError, match="hop"):
        metrics.range_eer([[1.0]], [[]], hop=0.0)
    with pytest.raises(MetricError, match="same recordings"):
        metrics.range_eer([[1.0]], [], hop=1.0)
    with pytest.raises(MetricError, match="spoof"):
        metrics.range_eer([[1.0, 2.0]], [[]], hop=1.0)
    with pytest.raises(MetricError, match="ends before"):
        metrics.iou([(2.0, 1.0)], [])
    with pytest.raises(MetricError, match="recording 0"):
        metrics.segment_eer([[1.0, 2.0]], [[1]])
    with pytest.raises(MetricError, match="no recordings"):
        metrics.segment_eer([], [])
    assert metrics.iou([(0.0, 1.0)], []) == 0.0
    assert metrics.range_eer([[0.0, 1.0]], [[(1.0, 9.0)]], hop=1.0, seconds=[1.5]) == 0.0


def test_seven_hundred_thousand_trials_in_under_a_second():
    rng = np.random.default_rng(0)
    labels = rng.random(700_000) < 0.5
    scores = rng.normal(size=700_000) + labels
    start = time.process_time()
    value = metrics.eer(scores, labels), metrics.auc(scores, labels)
    assert time.process_time() - start < 1.0
    assert value == (pytest.approx(0.3085, abs=0.002), pytest.approx(0.7602, abs=0.002))
