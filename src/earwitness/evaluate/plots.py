"""What is drawn of reports: ROC, PR and DET curves, score histograms, confusion matrix, calibration, bars by system."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from earwitness import metrics
from earwitness.evaluate.baseline import Baseline
from earwitness.evaluate.breakdown import Breakdown, Group
from earwitness.evaluate.figures import Drawing, Palette, colour, line_style, tidy
from earwitness.evaluate.report import Report
from earwitness.metrics.ranked import Floats

_NORMAL = NormalDist()
_DET_TICKS = (0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95, 0.99)
_POINTS = 400
MOST_BARS = 40
"""Systems drawn; the page's table has them all."""


def probit(rates: Floats) -> Floats:
    """Normal deviates of rates, for DET axes; 0 and 1 are drawn at .0005 and .9995.

    Examples
    --------
    >>> probit(np.array([0.5])).tolist()
    [0.0]
    """
    return np.array([_NORMAL.inv_cdf(min(max(float(r), 0.0005), 0.9995)) for r in rates])


def thinned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """The points of a curve that can be told apart on a page, its ends included."""
    if len(x) <= _POINTS:
        return x, y
    place = np.stack([np.round(x * _POINTS), np.round(y * _POINTS)])
    keep = np.concatenate(([True], (np.diff(place, axis=1) != 0).any(axis=0)))
    keep[-1] = True
    return x[keep], y[keep]


def roc(reports: Sequence[Report], baseline: Baseline | None = None) -> Drawing:
    """ROC curves; the trivial baseline is the point at its EER."""

    def draw(figure: Any, palette: Palette) -> None:
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=palette["line"], linewidth=1)
        for index, report in enumerate(reports):
            curve = metrics.roc_curve(report.scores.scores, report.scores.truth)
            x, y = thinned(curve.x, curve.y)
            label = f"{report.name}: AUC {report.points['auc']:.4f}"
            axes.plot(x, y, color=colour(palette, index), label=label, **line_style(index))
        _mark(axes, palette, baseline, lambda e: (e, 1 - e))
        tidy(axes, "false-alarm rate (human called spoof)", "recall (spoof found)")
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        _legend(axes, "lower right")

    return draw


def pr(reports: Sequence[Report], baseline: Baseline | None = None) -> Drawing:  # noqa: ARG001 - one shape for all
    """Precision-recall curves, with the share of spoof as the line of no information."""

    def draw(figure: Any, palette: Palette) -> None:
        axes = figure.add_subplot()
        share = float(reports[0].scores.truth.mean())
        axes.axhline(share, color=palette["line"], linewidth=1)
        axes.text(0.01, share, f"share of spoof {share:.2f}", color=palette["soft"], va="bottom", fontsize=9)
        for index, report in enumerate(reports):
            curve = metrics.pr_curve(report.scores.scores, report.scores.truth)
            x, y = thinned(curve.x, curve.y)
            label = f"{report.name}: AP {report.points['average_precision']:.4f}"
            axes.plot(x, y, color=colour(palette, index), label=label, **line_style(index))
        tidy(axes, "recall (spoof found)", "precision (of those called spoof)")
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        _legend(axes, "lower left")

    return draw


def det(reports: Sequence[Report], baseline: Baseline | None = None) -> Drawing:
    """DET curves on normal-deviate axes, the EER marked."""

    def draw(figure: Any, palette: Palette) -> None:
        axes = figure.add_subplot()
        low, high = probit(np.array([0.001, 0.95]))
        axes.plot([low, high], [low, high], color=palette["line"], linewidth=1)
        for index, report in enumerate(reports):
            curve = metrics.det_curve(report.scores.scores, report.scores.truth)
            x, y = thinned((probit(curve.x) + 3.3) / 6.6, (probit(curve.y) + 3.3) / 6.6)
            rate = report.points["eer"]
            label = f"{report.name}: EER {100 * rate:.2f} %"
            axes.plot(x * 6.6 - 3.3, y * 6.6 - 3.3, color=colour(palette, index), label=label, **line_style(index))
            place = probit(np.array([rate]))
            axes.plot(place, place, "o", color=colour(palette, index), markersize=5)
        _mark(axes, palette, baseline, lambda e: (probit(np.array([e]))[0],) * 2)
        ticks, names = probit(np.array(_DET_TICKS)), [f"{100 * t:g}" for t in _DET_TICKS]
        tidy(axes, "false-alarm rate (%)", "miss rate (%)")
        axes.set_xticks(ticks, names)
        axes.set_yticks(ticks, names)
        axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
        _legend(axes, "upper right")

    return draw


def _mark(axes: Any, palette: Palette, baseline: Baseline | None, place: Any) -> None:
    if baseline is None:
        return
    x, y = place(baseline.eer)
    axes.plot([x], [y], marker="D", color=palette["ink"], markersize=6, fillstyle="none", linestyle="none")
    axes.annotate(
        "trivial baseline", (x, y), xytext=(8, -3), textcoords="offset points", color=palette["ink"], fontsize=9
    )


def _legend(axes: Any, place: str) -> None:
    axes.legend(loc=place, fontsize=9, handlelength=2.6)


def histograms(report: Report) -> Drawing:
    """Scores of both classes, each as shares of its own class, with the thresholds."""

    def draw(figure: Any, palette: Palette) -> None:
        axes = figure.add_subplot()
        values, truth = report.scores.scores, report.scores.truth
        finite = values[np.isfinite(values)]
        low, high = np.quantile(finite, [0.001, 0.999])
        edges = np.linspace(low, high if high > low else low + 1.0, 41)
        for side, role, word in ((~truth, "human", "human"), (truth, "spoof", "spoof")):
            inside = np.clip(values[side], edges[0], edges[-1])
            share = np.histogram(inside, edges)[0] / max(1, side.sum())
            axes.stairs(share, edges, fill=True, color=palette[role], alpha=0.28)
            axes.stairs(share, edges, color=palette[role], linewidth=1.6, label=f"{word} ({side.sum():,})")
        limits = report.settings.limits
        marks = [limits.human, limits.synthetic] if limits else [report.settings.chosen.value]
        for value in dict.fromkeys(marks):
            if edges[0] <= value <= edges[-1]:
                axes.axvline(value, color=palette["ink"], linewidth=1, linestyle=(0, (4, 3)))
        tidy(axes, "score (higher = spoof)", "share of the class")
        axes.set_ylim(bottom=0)
        _legend(axes, "upper right")

    return draw


def confusion(report: Report) -> Drawing:
    """Who was called what, in shares of the class and counts; with three verdicts where the detector has them."""

    def draw(figure: Any, palette: Palette) -> None:
        axes = figure.add_subplot()
        if report.verdicts is not None:
            columns = list(report.verdicts["bonafide"])
            table = np.array([[report.verdicts[row][c] for c in columns] for row in ("bonafide", "spoof")], dtype=float)
        else:
            columns, c = ["called human", "called spoof"], report.confusion
            table = np.array([[c.correct_human, c.false_alarm], [c.miss, c.hit]])
        shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
        for row in range(2):
            for column in range(len(columns)):
                role = "human" if column == 0 else "spoof" if column == len(columns) - 1 else "soft"
                share = float(shares[row, column])
                box = {"facecolor": palette[role], "alpha": 0.08 + 0.37 * share, "edgecolor": "none"}
                axes.fill([column, column + 0.97, column + 0.97, column], [row, row, row + 0.95, row + 0.95], **box)
                middle = column + 0.485
                axes.text(middle, row + 0.42, f"{100 * share:.1f} %", ha="center", fontsize=15, color=palette["ink"])
                axes.text(
                    middle, row + 0.66, f"{table[row, column]:,.0f}", ha="center", fontsize=10, color=palette["soft"]
                )
        axes.set(xlim=(0, len(columns)), ylim=(2, 0))
        axes.set_xticks(np.arange(len(columns)) + 0.485, columns)
        axes.set_yticks([0.475, 1.475], ["human", "spoof"])
        axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
        axes.spines[:].set_visible(False)

    return draw


def calibration(report: Report) -> Drawing:
    """Probability against the share of spoof seen, classes weighted to even odds; point size grows with the weight."""

    def draw(figure: Any, palette: Palette) -> None:
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=palette["line"], linewidth=1)
        curve = metrics.calibration_curve(report.scores.scores, report.scores.truth)
        axes.plot(curve.predicted, curve.observed, color=palette["c0"], linewidth=1.4)
        axes.scatter(curve.predicted, curve.observed, s=12 + 500 * curve.mass, color=palette["c0"], alpha=0.75)
        cllr, least = report.points["cllr"], report.points["min_cllr"]
        axes.text(0.03, 0.96, f"Cllr {cllr:.3f}, at best {least:.3f}", va="top", color=palette["ink"])
        tidy(axes, "probability of spoof, at even odds", "share of spoof seen")
        axes.set(xlim=(0, 1), ylim=(0, 1.02), aspect="equal")

    return draw


def bars(table: Breakdown) -> tuple[Drawing, tuple[float, float]]:
    """EER by group with intervals, the worst on top, and the size in inches that the bars need."""
    groups = [g for g in table.groups if g.eer is not None][:MOST_BARS]

    def draw(figure: Any, palette: Palette) -> None:
        axes = figure.add_subplot()
        for place, group in enumerate(groups):
            _bar(axes, palette, place, group)
        axes.set_yticks(range(len(groups)), [f"{g.name}  ({g.spoof:,})" for g in groups])
        axes.invert_yaxis()
        tidy(axes, "EER (%), spoofs of the group against all human speech, with 95 % interval", "")
        axes.grid(False, axis="y")
        axes.set_xlim(left=0)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)

    return draw, (7.6, 0.9 + 0.24 * max(1, len(groups)))


def _bar(axes: Any, palette: Palette, place: int, group: Group) -> None:
    found = group.eer
    if found is None:
        return
    axes.barh(place, 100 * found.value, height=0.62, color=palette["c0"], alpha=0.75)
    if not np.isnan(found.low):
        axes.plot([100 * found.low, 100 * found.high], [place, place], color=palette["ink"], linewidth=1.2)
