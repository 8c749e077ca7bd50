"""Drawings of the audit page: plain SVG, no script, no network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from earwitness.data.manifest import BONAFIDE, SPOOF

COLOURS = {BONAFIDE: "var(--human)", SPOOF: "var(--spoof)"}


def histogram(series: Mapping[str, Sequence[float]], *, title: str, width: int = 300, height: int = 120) -> str:
    """Amplitudes from -1 to 1 per label, share of samples on a logarithmic axis (1 to 1 in 100,000).

    Examples
    --------
    >>> histogram({"spoof": [0.1, 0.8, 0.1]}, title="train").count("<path")
    1
    """
    low, high, top, bottom = -5.0, 0.0, 18, 16
    plot = height - top - bottom
    lines = []
    for label, shares in series.items():
        points = []
        for i, share in enumerate(shares):
            x = (i + 0.5) / len(shares) * width
            y = top + plot * (high - math.log10(max(share, 10**low))) / (high - low)
            points.append(f"{x:.1f},{y:.1f}")
        lines.append(f'<path d="M{" L".join(points)}" fill="none" stroke="{COLOURS[label]}" stroke-width="1.5"/>')
    grid = "".join(
        f'<line x1="0" x2="{width}" y1="{top + plot * k / 5:.1f}" y2="{top + plot * k / 5:.1f}" class="grid"/>'
        for k in range(6)
    )
    base = height - 3
    axis = (
        f'<text x="0" y="{base}">-1</text><text x="{width / 2}" y="{base}" text-anchor="middle">0</text>'
        f'<text x="{width}" y="{base}" text-anchor="end">1</text>'
        f'<text x="2" y="{top + 9}">1</text><text x="2" y="{top + plot - 3}">1/100,000</text>'
    )
    heading = f'<text x="0" y="11" class="title">{escape(title)}</text>'
    return f'<svg viewBox="0 0 {width} {height}" role="img">{heading}{grid}{"".join(lines)}{axis}</svg>'


def strips(quantiles: Mapping[str, Sequence[float]], *, width: int = 260) -> str:
    """5, 25, 50, 75 and 95 % of one cue, one strip per label over a common axis.

    Examples
    --------
    >>> strips({"bonafide": [0, 1, 2, 3, 4], "spoof": [1, 2, 3, 4, 5]}).count("<rect")
    2
    """
    values = [v for q in quantiles.values() for v in q]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    marks = []
    for row, (label, (least, first, middle, third, most)) in enumerate(quantiles.items()):
        y = 8 + 14 * row

        def x(value: float) -> float:
            return 4 + (width - 8) * (value - low) / span

        colour = COLOURS[label]
        marks.append(
            f'<line x1="{x(least):.1f}" x2="{x(most):.1f}" y1="{y}" y2="{y}" stroke="{colour}"/>'
            f'<rect x="{x(first):.1f}" y="{y - 4}" width="{max(1.0, x(third) - x(first)):.1f}" height="8" '
            f'fill="{colour}" opacity=".45"/>'
            f'<line x1="{x(middle):.1f}" x2="{x(middle):.1f}" y1="{y - 5}" y2="{y + 5}" stroke="{colour}" '
            f'stroke-width="2"/>'
        )
    height = 2 + 14 * len(quantiles)
    return f'<svg viewBox="0 0 {width} {height}" class="strip" role="img">{"".join(marks)}</svg>'


def bar(area: float, *, width: int = 160) -> str:
    """An area under the ROC curve from .5 (empty) to 1 (full).

    Examples
    --------
    >>> 'width="80.0"' in bar(0.75)
    True
    """
    share = max(0.0, min(1.0, (area - 0.5) * 2))
    colour = "var(--error)" if area >= 0.9 else "var(--warning)" if area >= 0.75 else "var(--note)"
    return (
        f'<svg viewBox="0 0 {width} 12" class="bar" role="img" aria-label="AUC {area:.3f}">'
        f'<rect width="{width}" height="12" class="empty"/>'
        f'<rect width="{share * width:.1f}" height="12" fill="{colour}"/></svg>'
    )
