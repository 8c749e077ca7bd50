"""Calibration and thresholds, against scikit-learn, brute force and cases whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from earwitness.calibrate import (
    Affine,
    Calibration,
    Thresholds,
    choose_thresholds,
    cross_fit,
    fit_affine,
    fit_bands,
    probability,
    threshold_for,
)
from earwitness.errors import ConfigError, DetectorError, MetricError


def sample(n: int = 400, shift: float = 2.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.3
    return rng.normal(size=n) + shift * labels, labels


@pytest.mark.parametrize("prior", [0.5, 0.1, 0.9])
@pytest.mark.parametrize("ridge", [1e-4, 1e-2])
def test_fit_equals_scikit_learn(prior: float, ridge: float) -> None:
    linear = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is the oracle (extra [train])")
    x, y = sample()
    ours = fit_affine(x, y, prior, ridge=ridge)
    weights = np.where(y, prior / y.sum(), (1 - prior) / (~y).sum())
    middle = weights @ x
    spread = math.sqrt(weights @ (x - middle) ** 2)
    z = (x - middle) / spread
    # the intercept is penalised too, and stands beside a fixed logit(prior): both as a second, constant feature
    start = math.log(prior / (1 - prior))
    if prior == 0.5:
        oracle = linear.LogisticRegression(C=1 / ridge, fit_intercept=False, tol=1e-12, max_iter=10_000)
        oracle.fit(np.stack([z, np.ones_like(z)], 1), y, sample_weight=weights)
        a, b = oracle.coef_[0]
    else:
        oracle = linear.LogisticRegression(C=1e12, tol=1e-12, max_iter=10_000).fit(z[:, None], y, sample_weight=weights)
        a, b = oracle.coef_[0][0], oracle.intercept_[0] - start
        ours = fit_affine(x, y, prior, ridge=1e-12)
    assert ours.scale == pytest.approx(a / spread, abs=2e-4)
    assert ours.offset == pytest.approx(b - a * middle / spread, abs=2e-4)


def test_scores_that_are_likelihood_ratios_stay_what_they_are() -> None:
    rng = np.random.default_rng(1)
    llr = np.concatenate([rng.normal(-2, 2, 40_000), rng.normal(2, 2, 10_000)])  # N(±m, 2m): log ratio = x for m = 2
    fitted = fit_affine(llr, np.arange(50_000) >= 40_000)
    assert fitted.scale == pytest.approx(1.0, abs=0.03)
    assert fitted.offset == pytest.approx(0.0, abs=0.03)


def test_separable_scores_give_a_finite_map() -> None:
    fitted = fit_affine([-1000.0, -999.0, 5.0, 6.0], [0, 0, 1, 1])
    assert 0 < fitted.scale < 1
    assert fitted.apply(6.0) > 3
    assert fitted.apply(-1000.0) < -3


def test_scores_worse_than_chance_or_constant_say_nothing() -> None:
    x, y = sample()
    assert fit_affine(-x, y) == Affine(0.0, 0.0)
    assert fit_affine(np.ones(4), [0, 0, 1, 1]) == Affine(0.0, 0.0)


@pytest.mark.parametrize(
    ("scores", "labels"),
    [([1.0, 2.0], [1, 1]), ([1.0, 2.0], [0, 0]), ([1.0, math.nan], [0, 1]), ([1.0], [0, 1]), ([[1.0]], [[0]])],
)
def test_what_cannot_be_fitted_is_an_error(scores: list[float], labels: list[int]) -> None:
    with pytest.raises(MetricError):
        fit_affine(scores, labels)


def test_bands_use_their_own_clips_where_there_are_enough() -> None:
    x, y = sample(3000)
    seconds = np.where(np.arange(3000) % 3 == 0, 1.0, 3.0)
    x = np.where(seconds < 2, 3 * x, x)
    fitted = fit_bands(x, y, seconds, edges=(2.0, 5.0), fitted_on="made")
    assert fitted.maps[0].scale == pytest.approx(fitted.maps[1].scale / 3, rel=0.2)
    assert fitted.maps[2] == fit_affine(x, y)  # no clip above 5 s
    assert fitted.maps[0] == fit_affine(x[seconds < 2], y[seconds < 2])


def test_the_score_has_no_jump_at_an_edge() -> None:
    c = Calibration((2.0, 2.4), (Affine(1.0, 0.0), Affine(3.0, 1.0), Affine(0.5, -1.0)))
    seconds = np.linspace(0, 6, 60_001)
    steps = np.abs(np.diff(c.apply(np.ones_like(seconds), seconds)))
    assert steps.max() < 0.0025 * 4
    assert float(c.apply(1.0, 1.4)) == pytest.approx(1.0)
    assert float(c.apply(1.0, 2.2)) == pytest.approx(4.0)  # the middle of a narrow band is that band's alone
    assert float(c.apply(1.0, 3.0)) == pytest.approx(-0.5)


def test_calibration_goes_to_json_and_back() -> None:
    c = Calibration((2.0,), (Affine(1.0, 0.5), Affine(2.0, -0.5)), "dev")
    assert Calibration.from_dict(c.to_dict()) == c
    assert c.to_dict()["bands"][-1]["max_seconds"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "spline"},
        {"bands": []},
        {"bands": [{"max_seconds": 2.0, "scale": 1.0, "offset": 0.0}]},
        {"bands": [{"max_seconds": None, "scale": -1.0, "offset": 0.0}]},
        {"bands": [{"max_seconds": None, "scale": math.nan, "offset": 0.0}]},
        {"bands": [{"max_seconds": None, "scale": "x", "offset": 0.0}]},
        {
            "bands": [
                {"max_seconds": 5.0, "scale": 1.0, "offset": 0.0},
                {"max_seconds": 2.0, "scale": 1.0, "offset": 0.0},
                {"max_seconds": None, "scale": 1.0, "offset": 0.0},
            ]
        },
    ],
)
def test_a_calibration_that_is_not_sound_is_an_error(change: dict[str, object]) -> None:
    with pytest.raises(DetectorError):
        Calibration.from_dict({**Calibration((), (Affine(1.0, 0.0),)).to_dict(), **change})


def test_cross_fitting_never_sees_the_group_it_scores() -> None:
    x, y = sample(600)
    seconds, groups = np.full(600, 3.0), [f"g{i % 10}" for i in range(600)]
    before = cross_fit(x, y, seconds, groups)
    inside = np.array([g == "g3" for g in groups])
    poisoned = cross_fit(x, np.where(inside, ~y, y), seconds, groups)
    np.testing.assert_allclose(poisoned[inside], before[inside])
    assert np.abs(poisoned[~inside] - before[~inside]).max() > 0.01
    assert np.corrcoef(before, x)[0, 1] > 0.99


def test_cross_fitting_needs_groups() -> None:
    x, y = sample(100)
    with pytest.raises(MetricError, match="groups"):
        cross_fit(x, y, np.ones(100), ["one"] * 100)


def brute(llr: np.ndarray, y: np.ndarray, max_wrong: float, prior: float) -> float:
    for t in sorted([llr.min() - 1, *llr]):
        above = llr > t
        if not above.any():
            return math.inf
        false = (1 - prior) * above[~y].mean()
        if false <= max_wrong * (false + prior * above[y].mean()):
            return float(t)
    return math.inf


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("prior", [0.5, 0.2])
def test_thresholds_equal_brute_force(seed: int, prior: float) -> None:
    x, y = sample(150, 1.5, seed)
    x = np.round(x, 1)  # ties
    found = choose_thresholds(x, y, prior=prior)
    low = brute(x, y, 0.05, prior)
    assert (x > found.synthetic).tolist() == (x > low).tolist()
    high = -brute(-x, ~y, 0.05, 1 - prior)
    assert (x < found.human).tolist() == (x < high).tolist()


def test_upper_limits_are_stricter() -> None:
    x, y = sample(2000, 2.0)
    point, upper = choose_thresholds(x, y), choose_thresholds(x, y, upper_limit=True)
    assert upper.synthetic > point.synthetic
    assert upper.human < point.human


def test_thresholds_out_of_reach_lie_beyond_all_scores() -> None:
    x, y = np.array([0.1, 0.2, 0.3, 0.4]), np.array([1, 0, 1, 0], dtype=bool)
    found = choose_thresholds(x, y, max_wrong=0.01)
    assert found.synthetic >= math.log(99)
    assert not (x > found.synthetic).any()


def test_thresholds_of_a_perfect_detector_meet_near_zero() -> None:
    found = choose_thresholds([1.0, 2.0, 5.0, 6.0], [0, 0, 1, 1])
    assert found == Thresholds(3.5, 3.5)


def test_priors_and_costs_move_the_threshold() -> None:
    assert threshold_for() == 0
    assert threshold_for(prior=0.01) == pytest.approx(math.log(99))
    assert threshold_for(cost_false_alarm=10) == pytest.approx(math.log(10))
    assert probability(threshold_for(prior=0.2), 0.2) == pytest.approx(0.5)
    assert probability(1000.0) == 1.0
    assert probability(-1000.0) == 0.0
    assert Thresholds(-1.0, 1.0).shifted(0.5) == Thresholds(-0.5, 1.5)
    for bad in (
        {"prior": 0.0},
        {"prior": 1.0},
        {"prior": math.nan},
        {"cost_miss": 0.0},
        {"cost_false_alarm": math.inf},
    ):
        with pytest.raises(ConfigError):
            threshold_for(**bad)
