"""The two drawings of a report, as SVG: where the score lies, and how it runs over time above the spectrogram.

Colours come from the page's style sheet (classes), so the drawings follow light, dark and print.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from earwitness.pooling import Stretch, curve
from earwitness.report.markup import Markup, join, number, tag
from earwitness.report.words import clock

WIDTH, LEFT, RIGHT = 960, 58, 12
PLOT = WIDTH - LEFT - RIGHT
CURVE_TOP, CURVE_HEIGHT = 12, 170
BAR_TOP = CURVE_TOP + CURVE_HEIGHT + 8
PICTURE_TOP, PICTURE_HEIGHT = BAR_TOP + 20, 150
LIMIT = 12.0
POINTS = 800

Place = Callable[[float], float]


def signed(value: float, digits: int = 1) -> str:
    """A score with its sign, with a real minus.

    Examples
    --------
    >>> signed(2.34), signed(-0.5), signed(0.0)
    ('+2.3', '−0.5', '0.0')
    """
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def scale(llr: float, human: float, synthetic: float) -> Markup:
    """Where one score lies between "a person" and "a generated voice": a line with three zones and a marker."""
    end = max(6.0, math.ceil(max(abs(human), abs(synthetic)) + 1))
    left, width, top, height = 20, WIDTH - 40, 34, 18

    def x(value: float) -> float:
        return left + width * (min(max(value, -end), end) + end) / (2 * end)

    zones = (("human", -end, human), ("middle", human, synthetic), ("synthetic", synthetic, end))
    bars = [tag("rect", class_=f"zone {n}", x=x(a), y=top, width=x(b) - x(a), height=height) for n, a, b in zones]
    names = [
        tag("text", word, class_="zone-name", x=(x(a) + x(b)) / 2, y=top + height + 18, text_anchor="middle")
        for word, (_, a, b) in zip(("likely human", "inconclusive", "likely synthetic"), zones, strict=True)
        if x(b) - x(a) > 90
    ]
    edges = [
        tag("text", signed(v), class_="tick", x=x(v), y=top + height + 36, text_anchor="middle")
        for v in (human, synthetic)
    ]
    at = x(llr)
    marker = tag("polygon", class_="marker", points=f"{number(at - 8)},22 {number(at + 8)},22 {number(at)},{top + 4}")
    anchor = "start" if at < 80 else "end" if at > WIDTH - 80 else "middle"
    label = tag("text", f"score {signed(llr, 2)}", class_="marker-name", x=at, y=15, text_anchor=anchor)
    said = f"The score {signed(llr, 2)} on a line from a person to a generated voice."
    return tag("svg", tag("title", said), *bars, *names, *edges, marker, label, **_frame(92, said))


def timeline(
    windows: Sequence[Stretch],
    spans: Sequence[Stretch],
    limits: tuple[float, float],
    seconds: float,
    picture: str | None,
) -> Markup:
    """The score over time, the stretches that look generated, and the spectrogram below, on one time axis.

    Parameters
    ----------
    windows, spans:
        As in a verdict.
    limits:
        The thresholds for human and synthetic.
    seconds:
        Length of the recording.
    picture:
        Address of the spectrogram image, or None to leave that panel out.
    """
    stretches = thinned(curve(windows), seconds)
    values = [s.llr for s in stretches]
    low = max(-LIMIT, min([-3.0, limits[0] - 1, *values]) - 0.6)
    high = min(LIMIT, max([3.0, limits[1] + 1, *values]) + 0.6)

    def x(time: float) -> float:
        return LEFT + PLOT * min(max(time / seconds, 0.0), 1.0)

    def y(value: float) -> float:
        return CURVE_TOP + CURVE_HEIGHT * (high - min(max(value, low), high)) / (high - low)

    zones = (("synthetic", high, limits[1]), ("middle", limits[1], limits[0]), ("human", limits[0], low))
    bands = [tag("rect", class_=f"zone {n}", x=LEFT, y=y(a), width=PLOT, height=y(b) - y(a)) for n, a, b in zones]
    step = 1 if high - low <= 8 else 2 if high - low <= 16 else 4
    ticks = [v for v in range(math.ceil(low), math.floor(high) + 1) if v % step == 0]
    grid = [tag("line", class_="grid", x1=LEFT, x2=LEFT + PLOT, y1=y(v), y2=y(v)) for v in ticks]
    marks = [tag("text", signed(v, 0), class_="tick", x=LEFT - 7, y=y(v) + 4, text_anchor="end") for v in ticks]
    line = tag("path", class_="curve", d=_steps(stretches, x, y))
    bars = [
        tag("rect", class_="span", x=x(s.start), y=BAR_TOP, width=max(2.0, x(s.end) - x(s.start)), height=9)
        for s in spans
    ]
    rail = tag("rect", class_="rail", x=LEFT, y=BAR_TOP, width=PLOT, height=9)
    bottom = PICTURE_TOP + PICTURE_HEIGHT if picture else BAR_TOP + 9
    below = _picture(picture) if picture else []
    said = f"The score over {clock(seconds)}, from {clock(0)} to {clock(seconds)}."
    axes = [
        *_time_axis(seconds, bottom, x),
        _upright("score", CURVE_TOP + CURVE_HEIGHT / 2),
        *([_upright("kHz", PICTURE_TOP + PICTURE_HEIGHT / 2)] if picture else []),
    ]
    parts = join([*bands, *grid, *marks, rail, *bars, *below, line, *axes])
    return tag("svg", tag("title", said), parts, **_frame(bottom + 34, said))


def thinned(stretches: Sequence[Stretch], seconds: float) -> list[Stretch]:
    """The curve with at most about :data:`POINTS` steps: neighbours are joined to their mean over time.

    Examples
    --------
    >>> long = [Stretch(float(i), float(i + 1), float(i % 2)) for i in range(8000)]
    >>> len(thinned(long, 8000.0)), thinned(long, 8000.0)[0].llr
    (800, 0.5)
    """
    if len(stretches) <= POINTS:
        return list(stretches)
    out: list[Stretch] = []
    group: list[Stretch] = []
    for stretch in stretches:
        cell = int(stretch.start / seconds * POINTS)
        if group and (int(group[0].start / seconds * POINTS) != cell or group[-1].end != stretch.start):
            out.append(_joined(group))
            group = []
        group.append(stretch)
    return [*out, _joined(group)]


def _joined(group: Sequence[Stretch]) -> Stretch:
    whole = sum(s.end - s.start for s in group)
    return Stretch(group[0].start, group[-1].end, sum(s.llr * (s.end - s.start) for s in group) / whole)


def _steps(stretches: Sequence[Stretch], x: Place, y: Place) -> str:
    parts = []
    end = None
    for s in stretches:
        head = "L" if end == s.start else "M"
        parts.append(f"{head}{number(x(s.start))} {number(y(s.llr))}H{number(x(s.end))}")
        end = s.end
    return "".join(parts)


def _picture(address: str) -> list[Markup]:
    image = tag(
        "image", href=address, x=LEFT, y=PICTURE_TOP, width=PLOT, height=PICTURE_HEIGHT, preserveAspectRatio="none"
    )
    frame = tag("rect", class_="frame", x=LEFT, y=PICTURE_TOP, width=PLOT, height=PICTURE_HEIGHT)
    ticks = [
        tag(
            "text",
            str(k),
            class_="tick",
            x=LEFT - 7,
            y=PICTURE_TOP + PICTURE_HEIGHT * (8 - k) / 8 + 4,
            text_anchor="end",
        )
        for k in (0, 2, 4, 6, 8)
    ]
    return [image, frame, *ticks]


def _time_axis(seconds: float, bottom: float, x: Place) -> list[Markup]:
    choices = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000)
    step = next((c for c in choices if seconds / c <= 10), seconds / 10)
    out = []
    for i in range(int(seconds / step + 1e-9) + 1):
        time = i * step
        anchor = "end" if x(time) > WIDTH - 40 else "middle"
        out.append(tag("line", class_="frame", x1=x(time), x2=x(time), y1=bottom, y2=bottom + 5))
        out.append(
            tag("text", clock(time, tenths=step < 1), class_="tick", x=x(time), y=bottom + 20, text_anchor=anchor)
        )
    return out


def _upright(word: str, y: float) -> Markup:
    return tag("text", word, class_="axis", transform=f"translate(14 {number(y)}) rotate(-90)", text_anchor="middle")


def _frame(height: float, said: str) -> dict[str, str]:
    return {"viewBox": f"0 0 {WIDTH} {number(height)}", "role": "img", "aria_label": said}
