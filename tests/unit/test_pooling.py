"""Pooling, the curve over time and spans."""

from __future__ import annotations

import numpy as np
import pytest

from earwitness.errors import MetricError, UnknownNameError
from earwitness.pooling import POOLINGS, Stretch, curve, pool, spans


@pytest.mark.parametrize("rule", POOLINGS)
def test_every_rule_keeps_a_constant_and_stays_inside_the_range(rule: str) -> None:
    rng = np.random.default_rng(0)
    assert pool([2.5] * 4, [1, 2, 3, 4], rule) == pytest.approx(2.5)
    for _ in range(20):
        v, w = rng.normal(size=7) * 5, rng.random(7)
        assert v.min() - 1e-9 <= pool(v, w, rule) <= v.max() + 1e-9
        order = rng.permutation(7)
        assert pool(v[order], w[order], rule) == pytest.approx(pool(v, w, rule))
        assert pool(v + 1.5, w, rule) == pytest.approx(pool(v, w, rule) + 1.5)


@pytest.mark.parametrize("rule", POOLINGS)
def test_a_window_split_in_two_halves_changes_nothing(rule: str) -> None:
    assert pool([1.0, 5.0, 5.0], [2.0, 1.0, 1.0], rule) == pytest.approx(pool([1.0, 5.0], [2.0, 2.0], rule))


def test_what_the_rules_give() -> None:
    v, w = [0.0, 6.0], [3.0, 1.0]
    assert pool(v, w) == pytest.approx(1.5)
    assert pool(v, w, "top-third") == pytest.approx(6 * 0.75)
    assert pool(v, w, "log-mean-exp") == pytest.approx(np.log(0.75 + 0.25 * np.exp(6)))
    assert pool(v, w, "max") == 6
    assert pool(v, [1.0, 0.0], "max") == 0
    assert pool(v, [0.0, 0.0]) == 3
    assert pool([700.0, 800.0], [1, 1], "log-mean-exp") == pytest.approx(800 - np.log(2))


def test_nothing_to_pool_and_unknown_rules_are_errors() -> None:
    with pytest.raises(MetricError):
        pool([], [])
    with pytest.raises(MetricError):
        pool([1.0], [1.0, 2.0])
    with pytest.raises(UnknownNameError, match="mean"):
        pool([1.0], [1.0], "men")


def test_the_curve_is_the_mean_of_the_windows_at_each_time() -> None:
    rng = np.random.default_rng(1)
    windows = [Stretch(s, s + 4.0, v) for s, v in zip([0.0, 2.0, 4.0, 4.7, 11.0], rng.normal(size=5), strict=True)]
    pieces = curve(windows)
    for t in np.arange(0.05, 16, 0.1):
        here = [w.llr for w in windows if w.start <= t < w.end]
        found = [p.llr for p in pieces if p.start <= t < p.end]
        assert len(found) == (1 if here else 0)
        if here:
            assert found[0] == pytest.approx(np.mean(here))
    assert curve([]) == []


def test_spans_join_touching_stretches_and_stop_at_gaps() -> None:
    windows = [Stretch(0.0, 4.0, 3.0), Stretch(4.0, 8.0, 5.0), Stretch(20.0, 24.0, 2.0), Stretch(24.0, 28.0, -9.0)]
    assert spans(windows, 1.0) == [Stretch(0.0, 8.0, 4.0), Stretch(20.0, 24.0, 2.0)]
    assert spans(windows, 9.0) == []
    assert spans([], 0.0) == []


def test_a_span_weighs_by_time() -> None:
    assert spans([Stretch(0.0, 3.0, 2.0), Stretch(3.0, 4.0, 6.0)], 0.0)[0].llr == pytest.approx(3.0)
