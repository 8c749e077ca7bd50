"""An architecture as an SVG picture: boxes from top to bottom, an arrow for each result that another box uses."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from earwitness.models.flow import Box

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 250, 46, 28, 26, 40

_STYLE = (
    "text{font-family:system-ui,sans-serif;font-size:12px;fill:#1d2733}"
    ".title{font-size:17px;font-weight:600}.small{font-size:10.5px;fill:#5b6875}"
    "rect{fill:#fff;stroke:#9fb0c0;rx:6}.learns{fill:#e8f1fb;stroke:#4a7fb5}.end{fill:#eef5ea;stroke:#6c9a57}"
    ".operation{fill:#f6f4ee;stroke:#c9bfa5;rx:16}path{fill:none;stroke:#7d8c9a;stroke-width:1.3}"
)


def svg(boxes: Sequence[Box], *, title: str, about: str, shape: Sequence[int]) -> str:
    """The drawing.

    Parameters
    ----------
    boxes:
        From :func:`earwitness.models.flow.flow`.
    title, about:
        Name of the network, and a line below it.
    shape:
        Of the input, without the batch.

    Examples
    --------
    >>> svg([Box("Linear", "last", "2 → 1", (1,), 3, {-1})], title="a", about="b", shape=(2,))[:5]
    '<svg '
    """
    rows = [[-1], *_rows(boxes)]
    widest = max(map(len, rows))
    # arrows that pass by a row run in the margin on the right
    long = sum(1 for i, box in enumerate(boxes) for s in box.sources if _row(rows, i) - _row(rows, s) > 1)
    lanes = min(long, 12)
    inner = widest * (WIDTH + GAP_X) - GAP_X
    width, top = inner + 2 * MARGIN + 9 * lanes, 2 * MARGIN
    height = top + len(rows) * (HEIGHT + GAP_Y) + MARGIN
    place: dict[int, tuple[float, float]] = {}
    for level, row in enumerate(rows):
        left = MARGIN + (inner - len(row) * (WIDTH + GAP_X) + GAP_X) / 2
        for column, index in enumerate(row):
            place[index] = (left + column * (WIDTH + GAP_X), top + level * (HEIGHT + GAP_Y))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img"><title>{escape(title)}</title><style>{_STYLE}</style>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" style="fill:#7d8c9a;stroke:none"/></marker></defs>'
        f'<rect width="{width:g}" height="{height:g}" style="fill:#fff;stroke:none;rx:0"/>',
        f'<text class="title" x="{MARGIN}" y="{MARGIN - 8}">{escape(title)}</text>',
        f'<text class="small" x="{MARGIN}" y="{MARGIN + 10}">{escape(about)}</text>',
    ]
    lane = 0
    for index, box in enumerate(boxes):
        for source in sorted(box.sources):
            far = _row(rows, index) - _row(rows, source) > 1
            parts.append(_arrow(place[source], place[index], MARGIN + inner + 9 * (lane % 12 + 1) if far else None))
            lane += far
    parts.append(_box(place[-1], "input", _size(shape), "end"))
    last = len(boxes) - 1
    for index, box in enumerate(boxes):
        kind = "end" if index == last else "learns" if box.parameters else "" if box.place else "operation"
        first = f"{box.kind}  {box.detail}" if box.detail else box.kind
        numbers = f"  ·  {box.parameters:,}" if box.parameters else ""
        second = (f"{box.place}  ·  " if box.place else "") + _size(box.shape) + numbers
        parts.append(_box(place[index], first, second, kind))
    return "".join([*parts, "</svg>\n"])


def _rows(boxes: Sequence[Box]) -> list[list[int]]:
    """Boxes by the longest way from the input."""
    level = {-1: 0}
    for index, box in enumerate(boxes):
        level[index] = 1 + max((level[s] for s in box.sources), default=0)
    out: list[list[int]] = [[] for _ in range(max(level.values()))]
    for index in range(len(boxes)):
        out[level[index] - 1].append(index)
    return out


def _row(rows: Sequence[Sequence[int]], index: int) -> int:
    return next(number for number, row in enumerate(rows) if index in row)


def _size(shape: Sequence[int]) -> str:
    return " × ".join(f"{n:,}" for n in shape) if shape else "one number"


def _box(at: tuple[float, float], first: str, second: str, kind: str) -> str:
    x, y = at
    return (
        f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}"/>'
        f'<text x="{x + 10:g}" y="{y + 19:g}">{escape(_short(first, 38))}</text>'
        f'<text class="small" x="{x + 10:g}" y="{y + 36:g}">{escape(_short(second, 46))}</text>'
    )


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else "…" + text[-most + 1 :]


def _arrow(source: tuple[float, float], target: tuple[float, float], lane: float | None) -> str:
    x0, y0 = source[0] + WIDTH / 2, source[1] + HEIGHT
    x1, y1 = target[0] + WIDTH / 2, target[1]
    if lane is None:
        bend = (y1 - y0) / 2
        way = f"M{x0:g} {y0:g}C{x0:g} {y0 + bend:g} {x1:g} {y1 - bend:g} {x1:g} {y1:g}"
    else:
        # out at the right side of the one, down the margin, in at the right side of the other
        x0, y0 = source[0] + WIDTH, source[1] + HEIGHT / 2
        x1, y1 = target[0] + WIDTH, target[1] + HEIGHT / 2
        way = f"M{x0:g} {y0:g}C{lane:g} {y0:g} {lane:g} {y0:g} {lane:g} {y0 + 24:g}V{y1 - 24:g}"
        way += f"C{lane:g} {y1:g} {lane:g} {y1:g} {x1:g} {y1:g}"
    return f'<path d="{way}" marker-end="url(#tip)"/>'
