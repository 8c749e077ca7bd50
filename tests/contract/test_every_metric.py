"""What every entry of the table METRICS must do."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from earwitness import metrics
from earwitness.errors import MetricError
from earwitness.metrics import METRICS, AsvRates
from earwitness.registry import find

RNG = np.random.default_rng(7)
LABELS = np.arange(60) % 2 == 1
SCORES = np.round(RNG.normal(size=60) + 1.5 * LABELS, 1)
ASV = (RNG.normal(3, 1, 40), RNG.normal(0, 1, 40), RNG.normal(2, 1, 40))
VERIFIER = AsvRates(miss=0.02, false_alarm=0.03, spoof_accepted=0.4, threshold=0.0)
FRAMES = [SCORES[:30].tolist(), SCORES[30:].tolist()]

SPECIAL = {  # arguments of those that do not take (scores, labels)
    "min_tdcf": (SCORES, LABELS, VERIFIER),
    "a_dcf": ASV,
    "t_eer": (SCORES, LABELS, *ASV),
    "segment_eer": (FRAMES, [LABELS[:30], LABELS[30:]]),
    "range_eer": (FRAMES, [[(0.1, 0.4)], [(0.0, 0.15)]]),
    "iou": ([(0.0, 1.0)], [(0.5, 2.0)]),
}
BOUNDED = {"brier", "ece", *(n for n in METRICS if n not in ("mcc", "cllr", "act_dcf"))}


def call(name, scores=SCORES, labels=LABELS):
    function = find(METRICS, name, kind="metric")
    if name in SPECIAL:
        return function(*SPECIAL[name], **({"hop": 0.01} if name == "range_eer" else {}))
    return function(scores, labels)


@pytest.mark.parametrize("name", METRICS)
def test_is_public_and_documented(name):
    function = find(METRICS, name, kind="metric")
    assert function is getattr(metrics, name)
    text = inspect.getdoc(function) or ""
    assert "Source: " in text, "a metric names its source"
    assert ">>> " in text, "a metric shows a runnable example"


@pytest.mark.parametrize("name", METRICS)
def test_gives_the_same_twice_and_changes_nothing(name):
    scores, labels = SCORES.copy(), LABELS.copy()
    first, second = call(name, scores, labels), call(name, scores, labels)
    assert repr(first) == repr(second)
    assert np.array_equal(scores, SCORES)
    assert np.array_equal(labels, LABELS)


@pytest.mark.parametrize("name", [n for n in METRICS if n in BOUNDED])
def test_stays_in_its_range(name):
    value = call(name)
    if isinstance(value, float):
        assert 0.0 <= value <= 1.0
        assert type(value) is float, "plain floats go into JSON"


@pytest.mark.parametrize("name", [n for n in METRICS if n not in SPECIAL])
def test_order_of_trials_does_not_matter(name):
    order = RNG.permutation(60)
    first, second = call(name), call(name, SCORES[order], LABELS[order])
    if isinstance(first, float):
        assert first == pytest.approx(second, abs=1e-12)
    else:
        np.testing.assert_allclose(numbers(first), numbers(second), atol=1e-12)


def numbers(value):
    """All the numbers in a nested result, as one vector."""
    if isinstance(value, dict):
        return np.concatenate([numbers(v) for v in value.values()])
    if hasattr(value, "__dict__"):
        return np.concatenate([numbers(v) for v in vars(value).values()])
    flat = np.atleast_1d(np.asarray(value, dtype=float))
    return flat[np.isfinite(flat)]


@pytest.mark.parametrize("name", [n for n in METRICS if n not in ("iou",)])
def test_nan_is_refused(name):
    if name not in SPECIAL:
        with pytest.raises(MetricError, match="NaN"):
            call(name, np.where(np.arange(60) == 3, np.nan, SCORES))
        return
    first, *rest = SPECIAL[name]
    broken = (
        [[np.nan, *first[0][1:]], *first[1:]] if isinstance(first, list) else np.where(first == first[0], np.nan, first)
    )
    function = find(METRICS, name, kind="metric")
    with pytest.raises(MetricError, match="NaN"):
        function(broken, *rest, **({"hop": 0.01} if name == "range_eer" else {}))


def test_every_public_metric_is_in_the_table():
    helpers = {"asv_rates", "bayes_threshold", "eer_threshold"}
    functions = {n for n in metrics.__all__ if inspect.isfunction(getattr(metrics, n))}
    assert functions - helpers == set(METRICS)
