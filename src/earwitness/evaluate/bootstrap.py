"""Intervals and paired tests by a bootstrap over clusters.

Whole clusters (speakers, sources, systems) are drawn with replacement; a trial's weight is how often its cluster was
drawn. With two clusterings at once, both are drawn independently and the weights multiply (the pigeonhole bootstrap,
which is on the wide side). Intervals are percentiles. Sources: Efron and Tibshirani 1993; Owen, "The pigeonhole
bootstrap", 2007; Bengio and Mariéthoz, "A statistical significance test for person authentication", 2004.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from earwitness.errors import MetricError
from earwitness.evaluate.clusters import cluster_codes
from earwitness.evaluate.measures import Measures
from earwitness.evaluate.scores import Scores
from earwitness.metrics.ranked import Floats

CHUNK = 4_000_000
"""Weights made at a time: 32 MB of float64."""
FEW_CLUSTERS = 20
"""With fewer clusters than this, a percentile interval is known to be too narrow, and reports say so."""


@dataclass(frozen=True)
class Interval:
    """A value with its interval; ``clusters`` counts what was drawn, ``draws`` the draws in which it was defined."""

    value: float
    low: float
    high: float
    level: float
    by: str
    clusters: int
    draws: int

    def to_dict(self) -> dict[str, float | str | int | None]:
        """For JSON: NaN as null."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        clean = {k: None if np.isnan(v) else round(float(v), 6) for k, v in numbers.items()}
        return {**clean, "level": self.level, "by": self.by, "clusters": self.clusters, "draws": self.draws}


def draw_weights(scores: Scores, by: Sequence[str], *, draws: int = 1000, seed: int = 0) -> Iterator[Floats]:
    """Weights of the trials in ``draws`` bootstrap draws, in blocks of shape ``(some draws, trials)``.

    The same trials, clustering and seed give the same weights: that is what makes comparisons paired.

    Examples
    --------
    >>> s = Scores.of("abcd", [1, 2, 3, 4], meta={"source": ["x", "x", "y", "y"]})
    >>> block = next(draw_weights(s, ["source"], draws=5))
    >>> block.shape, set(block.sum(axis=1).tolist())
    ((5, 4), {4.0})
    """
    if draws < 1:
        raise MetricError(f"{draws} draws", hint="at least one; a thousand is usual")
    rng = np.random.default_rng(seed)
    clusterings = [cluster_codes(scores, name) for name in by]
    block = max(1, min(draws, CHUNK // max(len(scores), 1)))
    for start in range(0, draws, block):
        size = min(block, draws - start)
        weights: Floats | None = None
        for codes, count in clusterings:
            times = np.stack([np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(size)])
            drawn = times.astype(np.float64)[:, codes]
            weights = drawn if weights is None else weights * drawn
        if weights is None:
            raise MetricError("no clustering given", hint="for example source")
        yield weights


def intervals(
    measures: Measures,
    names: Sequence[str],
    *,
    by: Sequence[str] = ("source",),
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Percentile intervals of the named figures.

    Parameters
    ----------
    measures:
        The trials and how to measure them.
    names:
        Of :data:`earwitness.evaluate.measures.ALL`.
    by:
        One or two clusterings.
    draws, seed:
        How many draws, and from which seed.
    level:
        Share of the draws inside.

    Returns
    -------
    dict
        An :class:`Interval` by name. NaN limits where fewer than half of the draws define the figure.
    """
    found: dict[str, list[Floats]] = {name: [] for name in names}
    for weights in draw_weights(measures.scores, by, draws=draws, seed=seed):
        for name, values in measures(weights, names).items():
            found[name].append(values)
    clusters = min(cluster_codes(measures.scores, name)[1] for name in by)
    points = measures.values(names)
    out = {}
    for name, parts in found.items():
        low, high, defined = _limits(np.concatenate(parts), level)
        out[name] = Interval(points[name], low, high, level, "+".join(by), clusters, defined)
    return out


def _limits(values: Floats, level: float) -> tuple[float, float, int]:
    good = values[~np.isnan(values)]
    if 2 * len(good) < len(values) or not len(good):
        return float("nan"), float("nan"), len(good)
    low, high = np.quantile(good, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high), len(good)


@dataclass(frozen=True)
class Difference:
    """Figure of ``first`` minus figure of ``second`` on the same trials, with interval and p-values.

    ``p`` is two-sided: twice the smaller share of draws on one side of 0 (ties on both sides), at least
    ``2 / (draws + 1)``. ``p_adjusted`` is Holm's correction over all comparisons made together.
    """

    first: str
    second: str
    metric: str
    value: float
    low: float
    high: float
    p: float
    p_adjusted: float
    by: str
    trials: int

    def to_dict(self) -> dict[str, float | str | int | None]:
        """For JSON: NaN as null."""
        out: dict[str, float | str | int | None] = {}
        for key, value in vars(self).items():
            if isinstance(value, float):
                out[key] = None if np.isnan(value) else round(value, 6)
            else:
                out[key] = value
        return out


def differences(
    measured: Mapping[str, Measures],
    names: Sequence[str] = ("eer",),
    *,
    by: Sequence[str] = ("source",),
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> list[Difference]:
    """All pairs of detectors compared on the same draws.

    Parameters
    ----------
    measured:
        Detector's name → its trials; all must hold the same trials in the same order (see :func:`common`).

    Raises
    ------
    MetricError
        When trials or labels differ, or there are fewer than two.
    """
    titles = list(measured)
    if len(titles) < 2:
        raise MetricError(f"{len(titles)} detectors to compare", hint="give two or more")
    base = measured[titles[0]].scores
    for title in titles[1:]:
        other = measured[title].scores
        if other.ids != base.ids or not np.array_equal(other.truth, base.truth):
            raise MetricError(f"{titles[0]} and {title} were not scored on the same trials with the same labels")
    drawn: dict[tuple[str, str], list[Floats]] = {(t, n): [] for t in titles for n in names}
    for weights in draw_weights(base, by, draws=draws, seed=seed):
        for title in titles:
            for name, values in measured[title](weights, names).items():
                drawn[title, name].append(values)
    points = {title: measured[title].values(names) for title in titles}
    found = []
    for index, first in enumerate(titles):
        for second in titles[index + 1 :]:
            for name in names:
                gaps = np.concatenate(drawn[first, name]) - np.concatenate(drawn[second, name])
                low, high, _ = _limits(gaps, level)
                value = points[first][name] - points[second][name]
                found.append((first, second, name, value, low, high, two_sided(gaps)))
    adjusted = holm([row[-1] for row in found])
    return [
        Difference(*row, p_adjusted=p, by="+".join(by), trials=len(base))
        for row, p in zip(found, adjusted, strict=True)
    ]


def two_sided(gaps: Floats) -> float:
    """Two-sided bootstrap p-value that a difference is 0; NaN without a defined draw.

    Examples
    --------
    >>> two_sided(np.full(999, 0.1)), two_sided(np.zeros(999))
    (0.002, 1.0)
    """
    good = gaps[~np.isnan(gaps)]
    if not len(good):
        return float("nan")
    smaller = min((good <= 0).sum(), (good >= 0).sum())
    return float(min(1.0, 2.0 * (smaller + 1) / (len(good) + 1)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction for the number of comparisons; NaN stays NaN. Source: Holm 1979.

    Examples
    --------
    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    out = [float("nan")] * len(p_values)
    known = sorted((p, i) for i, p in enumerate(p_values) if not np.isnan(p))
    highest = 0.0
    for rank, (p, index) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        out[index] = highest
    return out


def common(several: Sequence[Scores]) -> tuple[list[Scores], int]:
    """The same detectors on the trials that all of them scored, in one order, and how many trials were left out."""
    shared = set(several[0].ids).intersection(*(s.ids for s in several[1:]))
    order = [name for name in several[0].ids if name in shared]
    if not order:
        raise MetricError("the detectors have no trial in common", hint="do the score files name the same trials?")
    out = []
    for scores in several:
        place = {name: i for i, name in enumerate(scores.ids)}
        index = [place[name] for name in order]
        labels = None if scores.labels is None else scores.labels[index]
        meta = {k: tuple(c[i] for i in index) for k, c in scores.meta.items()}
        out.append(Scores(tuple(order), scores.scores[index], labels, meta, scores.name, {}, scores.where))
    union = set().union(*(s.ids for s in several))
    return out, len(union) - len(order)
