"""Scores to natural-log likelihood ratios, and likelihood ratios to decisions: affine maps, priors, costs, thresholds.

Everything here is numpy on arrays; labels are 1 (or True) for spoof and 0 for bona fide, higher scores mean spoof.

Sources: prior-weighted logistic regression as in Brümmer and du Preez, "Application-independent evaluation of
speaker detection" (2006); Bayes thresholds as in any text on decision theory; the Wilson limit (1927).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earwitness.errors import ConfigError, DetectorError, MetricError

Floats = NDArray[np.float64]

#: half width in seconds of the zone around a band's edge in which two bands are mixed, so that one sample more or
#: less of speech cannot make the score jump
BLEND_SECONDS = 0.5
#: strength of the ridge on standardised scores; keeps separable data finite
RIDGE = 1e-4


@dataclass(frozen=True, slots=True)
class Affine:
    """``llr = scale * score + offset``; ``scale`` is never negative."""

    scale: float
    offset: float

    def apply(self, scores: ArrayLike) -> Floats:
        """The likelihood ratios of ``scores``, any shape."""
        return self.scale * np.asarray(scores, dtype=np.float64) + self.offset


@dataclass(frozen=True, slots=True)
class Calibration:
    """Affine maps by seconds of speech.

    Parameters
    ----------
    edges:
        Upper limits in seconds of all bands but the last, rising.
    maps:
        One map per band, so one more than ``edges``.
    fitted_on:
        Words on the data it was fitted on.

    Within :data:`BLEND_SECONDS` of an edge (less where a band is narrow) scale and offset go over linearly from one
    band to the next.

    Examples
    --------
    >>> c = Calibration((2.0,), (Affine(1.0, 0.0), Affine(2.0, 1.0)))
    >>> [float(c.apply(1.0, s)) for s in (1.0, 2.0, 3.0)]
    [1.0, 2.0, 3.0]
    """

    edges: tuple[float, ...]
    maps: tuple[Affine, ...]
    fitted_on: str = ""

    def apply(self, scores: ArrayLike, seconds: ArrayLike) -> Floats:
        """The likelihood ratios of raw ``scores`` for recordings with ``seconds`` of speech; shapes broadcast."""
        time = np.asarray(seconds, dtype=np.float64)
        scale, offset = np.full(time.shape, self.maps[0].scale), np.full(time.shape, self.maps[0].offset)
        low = (0.0, *self.edges[:-1])
        high = (*self.edges[1:], math.inf)
        for i, edge in enumerate(self.edges):
            half = min(BLEND_SECONDS, (edge - low[i]) / 2, (high[i] - edge) / 2)
            share = np.clip((time - edge + half) / (2 * half), 0.0, 1.0)
            scale = scale + share * (self.maps[i + 1].scale - self.maps[i].scale)
            offset = offset + share * (self.maps[i + 1].offset - self.maps[i].offset)
        return np.asarray(scale * np.asarray(scores, dtype=np.float64) + offset)

    def to_dict(self) -> dict[str, Any]:
        """As it stands in ``detector.json``; the last band's ``max_seconds`` is None."""
        limits: tuple[float | None, ...] = (*self.edges, None)
        bands = [
            {"max_seconds": limit, "scale": m.scale, "offset": m.offset}
            for limit, m in zip(limits, self.maps, strict=True)
        ]
        return {"kind": "affine", "bands": bands, "fitted_on": self.fitted_on}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, where: str = "calibration") -> Calibration:
        """Read back what :meth:`to_dict` wrote.

        Raises
        ------
        DetectorError
            For another kind, no bands, edges that do not rise, or numbers that are not finite.
        """
        try:
            bands = list(data["bands"])
            edges = tuple(float(b["max_seconds"]) for b in bands[:-1])
            maps = tuple(Affine(float(b["scale"]), float(b["offset"])) for b in bands)
            open_end = bands[-1].get("max_seconds") is None
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise DetectorError(f"{where}: bands are not readable: {error!r}") from None
        numbers = [*edges, *(x for m in maps for x in (m.scale, m.offset))]
        if data.get("kind") != "affine":
            raise DetectorError(f"{where}: kind is {data.get('kind')!r}; only 'affine' is known")
        rising = all(a < b for a, b in zip((0.0, *edges), edges, strict=False))
        if not rising or not open_end:
            raise DetectorError(f"{where}: max_seconds must rise from above 0 and be null in the last band")
        if not all(map(math.isfinite, numbers)) or any(m.scale < 0 for m in maps):
            raise DetectorError(f"{where}: scale and offset must be finite and scale not negative")
        return cls(edges, maps, str(data.get("fitted_on", "")))


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Limits in LLR: above ``synthetic`` is likely synthetic, below ``human`` likely human, else inconclusive."""

    human: float
    synthetic: float

    def shifted(self, by: float) -> Thresholds:
        """Both limits moved by ``by``, which is how another prior or other costs enter (see :func:`threshold_for`)."""
        return Thresholds(self.human + by, self.synthetic + by)


def threshold_for(prior: float = 0.5, cost_miss: float = 1.0, cost_false_alarm: float = 1.0) -> float:
    """The LLR above which calling a voice generated costs less than calling it human.

    ``log(cost_false_alarm * (1 - prior) / (cost_miss * prior))``, where ``prior`` is the probability of a generated
    voice before listening, in (0, 1), and costs are positive.

    Raises
    ------
    ConfigError
        For a prior outside (0, 1) or a cost that is not positive and finite.

    Examples
    --------
    >>> threshold_for(), round(threshold_for(prior=0.1), 3), round(threshold_for(cost_miss=10), 3)
    (0.0, 2.197, -2.303)
    """
    if not 0 < prior < 1:
        raise ConfigError(f"prior is {prior}; it must lie between 0 and 1", hint="0.5 says: as likely as not")
    for name, cost in (("cost of a miss", cost_miss), ("cost of a false alarm", cost_false_alarm)):
        if not 0 < cost < math.inf:
            raise ConfigError(f"the {name} is {cost}; it must be positive and finite")
    return math.log(cost_false_alarm) + math.log1p(-prior) - math.log(cost_miss) - math.log(prior)


def probability(llr: float, prior: float = 0.5) -> float:
    """The probability of a generated voice, for a stated prior in (0, 1).

    Examples
    --------
    >>> probability(0.0), probability(0.0, prior=0.25)
    (0.5, 0.25)
    """
    odds = llr + math.log(prior) - math.log1p(-prior)
    return 1 / (1 + math.exp(-odds)) if odds >= 0 else math.exp(odds) / (1 + math.exp(odds))


def fit_affine(scores: ArrayLike, labels: ArrayLike, prior: float = 0.5, *, ridge: float = RIDGE) -> Affine:
    """Fit ``llr = scale * score + offset`` by logistic regression in which both labels weigh as ``prior`` says.

    Newton's method on ``sum_i w_i log(1 + exp(-y_i (llr_i + logit(prior)))) + ridge/2 (a² + b²)`` over standardised
    scores, with ``y`` in {-1, 1} and weights that sum to ``prior`` over spoof and ``1 - prior`` over bona fide clips.
    If the best scale is negative (scores worse than chance), the map is 0: such scores say nothing.

    Parameters
    ----------
    scores, labels:
        (n,) raw scores, higher = spoof; 1 or True = spoof.
    prior:
        Weight of the spoof clips, in (0, 1).

    Raises
    ------
    MetricError
        If a label is missing, shapes differ or a score is not finite.

    Examples
    --------
    >>> fitted = fit_affine([-1.0, 0.0, 0.0, 1.0], [0, 0, 1, 1])
    >>> fitted.scale > 1, abs(fitted.offset) < 1e-9
    (True, True)
    """
    x, y = _checked(scores, labels)
    threshold_for(prior)
    weights = np.where(y, prior / y.sum(), (1 - prior) / (~y).sum())
    middle, spread = float(weights @ x), 0.0
    spread = math.sqrt(float(weights @ (x - middle) ** 2))
    if spread == 0:
        return Affine(0.0, 0.0)
    design = np.stack([(x - middle) / spread, np.ones_like(x)], axis=1)
    start = math.log(prior) - math.log1p(-prior)
    theta = np.zeros(2)
    for _ in range(100):
        p = _sigmoid(design @ theta + start)
        gradient = design.T @ (weights * (p - y)) + ridge * theta
        hessian = (design * (weights * p * (1 - p))[:, None]).T @ design + ridge * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        before = _loss(theta, design, y, weights, start, ridge)
        while _loss(theta - step, design, y, weights, start, ridge) > before + 1e-15 and np.abs(step).max() > 1e-12:
            step = step / 2
        theta = theta - step
        if np.abs(step).max() < 1e-10:
            break
    if theta[0] <= 0:
        return Affine(0.0, 0.0)
    scale = float(theta[0]) / spread
    return Affine(scale, float(theta[1]) - scale * middle)


def fit_bands(
    scores: ArrayLike,
    labels: ArrayLike,
    seconds: ArrayLike,
    *,
    edges: Sequence[float] = (2.0, 5.0),
    prior: float = 0.5,
    min_clips: int = 50,
    fitted_on: str = "",
) -> Calibration:
    """One affine map per band of speech seconds; a band with under ``min_clips`` of a label takes the map of all clips.

    Parameters
    ----------
    scores, labels, seconds:
        (n,) raw scores, labels, and seconds of speech.
    edges:
        Upper limits of all bands but the last, in seconds.

    Examples
    --------
    >>> len(fit_bands([0.0, 1.0], [0, 1], [3.0, 3.0]).maps)
    3
    """
    x, y = _checked(scores, labels)
    time = np.asarray(seconds, dtype=np.float64)
    if time.shape != x.shape:
        raise MetricError(f"{x.size} scores but {time.size} durations")
    everything = fit_affine(x, y, prior)
    band = np.searchsorted(np.asarray(edges), time, side="left")
    maps = []
    for i in range(len(edges) + 1):
        inside = band == i
        enough = min(int((y & inside).sum()), int((~y & inside).sum())) >= min_clips
        maps.append(fit_affine(x[inside], y[inside], prior) if enough else everything)
    return Calibration(tuple(float(e) for e in edges), tuple(maps), fitted_on)


def cross_fit(
    scores: ArrayLike,
    labels: ArrayLike,
    seconds: ArrayLike,
    groups: Sequence[str],
    *,
    folds: int = 5,
    seed: int = 0,
    edges: Sequence[float] = (2.0, 5.0),
    prior: float = 0.5,
) -> Floats:
    """Likelihood ratios of clips by maps that were fitted without any clip of the same group (source, speaker).

    Groups are dealt to ``folds`` at random by ``seed``, largest first, each to the fold with the fewest clips. A map
    whose remainder lacks a label cannot be fitted and raises.

    Returns
    -------
    (n,) float64, in the order of ``scores``.
    """
    x, y = _checked(scores, labels)
    time = np.asarray(seconds, dtype=np.float64)
    names, index, counts = np.unique(np.asarray(groups, dtype=str), return_inverse=True, return_counts=True)
    if len(groups) != x.size or names.size < 2:
        raise MetricError(f"{x.size} scores in {names.size} groups of {len(groups)} names: need two groups or more")
    order = np.random.default_rng(seed).permutation(names.size)
    order = order[np.argsort(-counts[order], kind="stable")]
    filled, fold = np.zeros(min(folds, names.size), dtype=int), np.empty(names.size, dtype=int)
    for group in order:
        fold[group] = int(filled.argmin())
        filled[fold[group]] += counts[group]
    out = np.empty(x.size)
    for k in range(filled.size):
        held = fold[index] == k
        out[held] = fit_bands(x[~held], y[~held], time[~held], edges=edges, prior=prior).apply(x[held], time[held])
    return out


def choose_thresholds(
    llr: ArrayLike, labels: ArrayLike, max_wrong: float = 0.05, *, prior: float = 0.5, upper_limit: bool = False
) -> Thresholds:
    """The widest confident verdicts of which at most ``max_wrong`` are wrong on these clips.

    ``synthetic`` is the lowest limit t at which ``(1-p) F(t) / ((1-p) F(t) + p S(t)) <= max_wrong``, with F and S the
    shares of bona fide and spoof clips above t and p the ``prior``: so labels are weighed to the prior, not counted as
    they come. ``human`` is the mirror image. If the two would cross (an almost perfect detector), both become the point
    between them that is nearest to 0. If no limit will do, the verdict is out of reach: the limit is set at the
    outermost score or at the calibrated ``log((1 - max_wrong) / max_wrong)``, whichever is further out.

    Parameters
    ----------
    llr, labels:
        (n,) calibrated, best cross-fitted, likelihood ratios; 1 or True = spoof.
    max_wrong:
        In (0, 1).
    upper_limit:
        Use the one-sided 95 % Wilson upper limit of the share that is wrong in place of the share itself.

    Examples
    --------
    >>> choose_thresholds([-3.0, -2.0, 2.0, 3.0], [0, 0, 1, 1])
    Thresholds(human=0.0, synthetic=0.0)
    """
    x, y = _checked(llr, labels)
    synthetic = lowest_limit(x, y, max_wrong, prior=prior, upper_limit=upper_limit)
    human = -lowest_limit(-x, ~y, max_wrong, prior=1 - prior, upper_limit=upper_limit)
    if human > synthetic:
        human = synthetic = min(max(0.0, synthetic), human)
    return Thresholds(human + 0.0, synthetic + 0.0)


def lowest_limit(
    llr: ArrayLike,
    labels: ArrayLike,
    max_wrong: float = 0.05,
    *,
    prior: float = 0.5,
    upper_limit: bool = False,
    callable_: ArrayLike | None = None,
) -> float:
    """One side of :func:`choose_thresholds`: the lowest limit above which at most ``max_wrong`` of the calls are wrong.

    Parameters
    ----------
    llr, labels, max_wrong, prior, upper_limit:
        As there. For the other side negate the ratios, invert the labels and take ``1 - prior``.
    callable_:
        (n,) False for trials that are not called whatever the limit, because another one keeps them back; they count
        in the shares all the same.

    Examples
    --------
    >>> lowest_limit([-3.0, 2.0, 1.0, 3.0], [0, 0, 1, 1])
    2.5
    """
    x, y = _checked(llr, labels)
    free = np.ones(x.shape, dtype=bool) if callable_ is None else np.asarray(callable_).astype(bool)
    floor = math.log((1 - max_wrong) / max_wrong)
    values = np.unique(x[free])
    if not values.size:
        return -math.inf
    cuts = np.concatenate([[values[0] - 1e-6], (values[1:] + values[:-1]) / 2])
    right = (y & free).sum() - np.searchsorted(np.sort(x[y & free]), cuts, side="right")
    wrong = (~y & free).sum() - np.searchsorted(np.sort(x[~y & free]), cuts, side="right")
    false = (1 - prior) * wrong / (~y).sum()
    share = false / np.maximum(false + prior * right / y.sum(), 1e-300)
    if upper_limit:
        share = _wilson_upper(share, (right + wrong).astype(np.float64))
    good = np.flatnonzero(share <= max_wrong)
    return float(cuts[good[0]]) if good.size else max(float(values[-1]), floor)


def _wilson_upper(share: Floats, n: Floats, z: float = 1.6448536) -> Floats:
    middle = share + z * z / (2 * n)
    return np.asarray((middle + z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))) / (1 + z * z / n))


def _checked(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    x, y = np.asarray(scores, dtype=np.float64), np.asarray(labels).astype(bool)
    if x.ndim != 1 or x.shape != y.shape:
        raise MetricError(f"scores have shape {x.shape} and labels {y.shape}; both must be (n,)")
    if not np.isfinite(x).all():
        raise MetricError(f"{int((~np.isfinite(x)).sum())} of {x.size} scores are not finite")
    if not y.any() or y.all():
        raise MetricError(f"{int(y.sum())} spoof and {int((~y).sum())} bona fide clips; both labels are needed")
    return x, y


def _sigmoid(z: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * z)))


def _loss(theta: Floats, design: Floats, y: NDArray[np.bool_], weights: Floats, start: float, ridge: float) -> float:
    margin = np.where(y, 1.0, -1.0) * (design @ theta + start)
    return float(weights @ np.logaddexp(0.0, -margin) + ridge / 2 * theta @ theta)
