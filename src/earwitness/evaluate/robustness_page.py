"""Robustness as a heat map, a page, a table for a terminal, and result rows."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from earwitness.evaluate import words
from earwitness.evaluate.bootstrap import Interval
from earwitness.evaluate.figures import Drawing, Palette
from earwitness.evaluate.page import document, html_table, plot, reproduce
from earwitness.evaluate.robustness import Measured, rise_together
from earwitness.evaluate.rows import ResultRow, machine_name

if TYPE_CHECKING:
    from rich.table import Table

TOLERATED = 0.03
"""A benign condition should cost at most this much EER."""
_SHORT = {
    "wrong_synthetic": "human called\nsynthetic",
    "wrong_human": "generated\ncalled human",
    "inconclusive": "inconclusive",
    "false_alarm": "false alarms",
    "miss": "misses",
}
_HEADS = {k: v.replace("\n", " ") for k, v in _SHORT.items()}


def heat_map(found: Sequence[Measured]) -> tuple[Drawing, tuple[float, float]]:
    """Conditions down, figures across: EER of all and by kind, then what the verdicts were; and the size in inches."""
    kinds = sorted({kind for m in found for kind in m.kinds})
    shown = [k for k in _SHORT if k in found[0].figures]
    columns = ["EER", *(f"EER\n{kind}" for kind in kinds), *(_SHORT[k] for k in shown)]
    roles = ["spoof"] * (1 + len(kinds)) + ["c0" if k == "inconclusive" else "c1" for k in shown]
    table = [
        [m.figures["eer"].value, *(m.kinds.get(k, float("nan")) for k in kinds), *(m.figures[k].value for k in shown)]
        for m in found
    ]

    def draw(figure: Any, palette: Palette) -> None:
        axes = figure.add_subplot()
        for row, (measured, values) in enumerate(zip(found, table, strict=True)):
            for column, value in enumerate(values):
                _cell(axes, palette, row, column, value, roles[column], full=1.0 if column > len(kinds) else 0.5)
            weight = "bold" if measured.condition.group == "plain" else "normal"
            axes.text(-0.1, row + 0.5, measured.condition.name, ha="right", va="center", fontsize=9, fontweight=weight)
        for row in range(1, len(found)):
            if found[row].condition.group != found[row - 1].condition.group:
                axes.plot([-3.2, len(columns)], [row, row], color=palette["ink"], linewidth=1)
                axes.text(-3.2, row + 0.45, found[row].condition.group, fontsize=8, color=palette["soft"], va="center")
        for column, title in enumerate(columns):
            axes.text(column + 0.48, -0.2, title, ha="center", va="bottom", fontsize=8.5, color=palette["soft"])
        axes.set(xlim=(-3.2, len(columns)), ylim=(len(found), 0))
        axes.axis("off")

    return draw, (3.2 + 0.95 * len(columns), 0.9 + 0.29 * len(found))


def _cell(axes: Any, palette: Palette, row: int, column: int, value: float, role: str, *, full: float) -> None:
    if np.isnan(value):
        return
    share = min(1.0, value / full)
    box = {"facecolor": palette[role], "alpha": 0.04 + 0.66 * share, "edgecolor": "none"}
    axes.fill([column, column + 0.97, column + 0.97, column], [row, row, row + 0.95, row + 0.95], **box)
    text = f"{100 * value:.1f}"
    axes.text(column + 0.485, row + 0.48, text, ha="center", va="center", fontsize=9, color=palette["ink"])


def sentences(found: Sequence[Measured]) -> list[str]:
    """What the table says, in words: benign conditions that cost too much, and whether doubt rises with error."""
    out = []
    benign = [m for m in found if m.condition.group == "benign" and m.change is not None]
    over = [m for m in benign if m.change is not None and m.change.value > TOLERATED]
    if benign:
        names = ", ".join(f"{m.condition.name} ({_points(m)})" for m in over)
        few = f"{len(benign) - len(over)} of {len(benign)} benign conditions cost at most {100 * TOLERATED:g} points"
        out.append(f"{few} of EER" + (f"; more: {names}." if over else "."))
    rho = rise_together(found)
    if rho is not None:
        out.append(f"Rank correlation over conditions of EER and inconclusive share: {rho:+.2f}.")
    lost = sum(m.without for m in found)
    if lost:
        out.append(f"{lost:,} files got no score and are in no figure.")
    return out


def _points(measured: Measured) -> str:
    return "" if measured.change is None else f"{100 * measured.change.value:+.1f}"


def _rate(interval: Interval) -> str:
    return f"{100 * interval.value:.1f} {words.span('eer', interval)}"


def _change(measured: Measured) -> str:
    change = measured.change
    if change is None:
        return "–"
    return f"{_points(measured)} [{100 * change.low:+.1f}, {100 * change.high:+.1f}]"


def table_rows(found: Sequence[Measured]) -> tuple[list[str], list[list[str]]]:
    """Heads and cells of the table, percent."""
    shown = [k for k in _HEADS if k in found[0].figures]
    heads = ["condition", "group", "EER", "change", *(_HEADS[k] for k in shown)]
    rows = [
        [
            m.condition.name,
            m.condition.group,
            _rate(m.figures["eer"]),
            _change(m),
            *(_rate(m.figures[k]) for k in shown),
        ]
        for m in found
    ]
    return heads, rows


def terminal_table(found: Sequence[Measured], title: str) -> Table:
    """The table for a terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    heads, rows = table_rows(found)
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(heads):
        table.add_column(head, justify="left" if index < 2 else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def page(found: Sequence[Measured], *, name: str, place: str, command: str = "", version: str = "") -> str:
    """One self-contained HTML page.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    """
    draw, size = heat_map(found)
    heads, rows = table_rows(found)
    first = found[0]
    said = "".join(f"<li>{escape(s)}</li>" for s in sentences(found))
    parts = [
        f'<p class="kicker">Robustness{" · " + escape(place) if place else ""}</p><h1>{escape(name)}</h1>',
        f'<p class="soft">{first.bonafide:,} human and {first.spoof:,} generated clips under {len(found)} conditions. '
        "Percent; 95 % intervals over clusters; the change of the EER is paired, clip by clip.</p>",
        f'<div class="notes"><ul>{said}</ul></div>' if said else "",
        plot(draw, "heat", "Error and doubt by condition (%)", size, "wide"),
        "<h3>All figures</h3>" + html_table(heads, rows, text=2),
        reproduce(command, version),
    ]
    return document(f"{name} – robustness", parts)


def result_rows(
    found: Sequence[Measured], *, recipe: str, commit: str, dataset: str, split: str, seconds: float | None = None
) -> list[ResultRow]:
    """Rows named ``eer[condition=telephone]``, ``eer_change[…]``, and so on; the change is to the clips as they are."""
    place = machine_name()
    fixed = (recipe, commit, dataset, split, "dev")
    rows = []
    for m in found:
        where = f"[condition={m.condition.name}]"
        for metric, interval in m.figures.items():
            rows.append(ResultRow(*fixed, metric + where, interval.value, interval.low, interval.high, seconds, place))
        if m.change is not None:
            rows.append(
                ResultRow(*fixed, f"eer_change{where}", m.change.value, m.change.low, m.change.high, seconds, place)
            )
        for kind, value in m.kinds.items():
            rows.append(ResultRow(*fixed, f"eer[condition={m.condition.name}, kind={kind}]", value, machine=place))
    rho = rise_together(found)
    if rho is not None:
        rows.append(ResultRow(*fixed, "rank correlation of EER and inconclusive share", rho, machine=place))
    return rows
