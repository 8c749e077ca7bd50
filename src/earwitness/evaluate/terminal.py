"""A report in a terminal: headline figures, who was called what, the tables in short, and what to mind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from earwitness.evaluate import words
from earwitness.evaluate.baseline import Baseline
from earwitness.evaluate.bootstrap import Difference, Interval
from earwitness.evaluate.breakdown import Breakdown
from earwitness.evaluate.report import Report

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

HEADLINE = (
    "eer", "eer_mean_over_systems", "auc", "average_precision", "min_dcf", "act_dcf", "cllr", "min_cllr",
    "accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1", "mcc",
    "wrong_synthetic", "wrong_human", "inconclusive",
    "min_tdcf_2019", "min_tdcf_2021", "asv_eer",
)  # fmt: skip
ROWS = 8
"""Groups shown of a table; JSON, CSV and the page have all."""


def show(
    console: Console,
    reports: Sequence[Report],
    *,
    comparisons: Sequence[Difference] = (),
    baseline: Baseline | None = None,
) -> None:
    """Print reports, several side by side, then each one's tables."""
    from rich.markup import escape

    first = reports[0]
    counts = first.scores.counts()
    place = " ".join(filter(None, (first.settings.dataset, first.settings.split)))
    console.print(
        f"[bold]{escape(place) or 'Evaluation'}[/]: {counts['bonafide']:,} human, {counts['spoof']:,} spoof trials"
    )
    console.print(_headline(reports, baseline))
    for report in reports:
        _verdict_lines(console, report, alone=len(reports) == 1)
        for table in report.tables:
            console.print(_table(table))
        found = report.human_false_alarms
        if found:
            by, worst = found[0]
            text = f"[bold]{escape(worst.name)}[/] (by {by}), {_rate(worst.false_alarm)} of {worst.bonafide:,}"
            console.print(f"Most false alarms on human speech: {text}")
        for note in report.notes:
            console.print(f"[yellow]note:[/] {escape(note)}")
    if comparisons:
        console.print(comparison_table(comparisons))


def _new(title: str, *heads: str, text: int = 1) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(heads):
        table.add_column(escape(head), justify="left" if index < text else "right", overflow="fold")
    return table


def _headline(reports: Sequence[Report], baseline: Baseline | None) -> Table:
    own = {} if baseline is None else {"eer": baseline.eer, "auc": baseline.auc}
    table = _new("", "", *(r.name for r in reports), *(["trivial baseline"] if own else []))
    for name in HEADLINE:
        if name not in reports[0].points or (
            name == "eer_mean_over_systems" and not any(r.has_systems for r in reports)
        ):
            continue
        cells = []
        for report in reports:
            limits = words.span(name, report.intervals.get(name))
            cells.append(words.figure(name, report.points[name]) + (f" [dim]{limits}[/]" if limits else ""))
        last = [words.figure(name, own[name]) if name in own else ""] if own else []
        table.add_row(words.TITLES[name], *cells, *last)
    return table


def _verdict_lines(console: Console, report: Report, *, alone: bool) -> None:
    from rich.markup import escape

    title = "" if alone else f"[bold]{escape(report.name)}[/] "
    chosen = report.settings.chosen
    where = "looks at no data" if chosen.chosen_on == "nothing" else f"chosen on {chosen.chosen_on}"
    c = report.confusion
    console.print(
        f"{title}At the threshold {chosen.value:.4g} ({chosen.rule}; {where}): human called spoof {c.false_alarm:,.0f} "
        f"of {c.false_alarm + c.correct_human:,.0f}, spoof called human {c.miss:,.0f} of {c.hit + c.miss:,.0f}"
    )
    if report.verdicts is not None:
        for word, side in (("human", "bonafide"), ("spoof", "spoof")):
            cells = ", ".join(f"{name} {count:,}" for name, count in report.verdicts[side].items())
            console.print(f"  verdicts on {word}: {cells}")


def _table(table: Breakdown) -> Table:
    from rich.markup import escape

    alarms = [] if table.against_all_human else ["false alarms"]
    title = words.TABLES.get(table.by, table.by)
    if table.worst is not None and table.by != "novelty":
        title += f" – worst: {table.worst.name}"
    out = _new(title, "", "human", "spoof", "EER", *alarms, "missed")
    for group in table.groups[:ROWS]:
        cells = [_rate(group.false_alarm)] if alarms else []
        out.add_row(
            escape(group.name), f"{group.bonafide:,}", f"{group.spoof:,}", _rate(group.eer), *cells, _rate(group.miss)
        )
    if len(table.groups) > ROWS:
        out.add_row(f"[dim]{len(table.groups) - ROWS} more[/]")
    return out


def _rate(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    limits = words.span("eer", interval)
    return f"{100 * interval.value:.1f} %" + (f" [dim]{limits}[/]" if limits else "")


def comparison_table(found: Sequence[Difference], values: Mapping[str, Mapping[str, float]] | None = None) -> Table:
    """Paired differences; with ``values`` (detector → figure → value) both sides stand beside each."""
    from rich.markup import escape

    both = ["first", "second"] if values else []
    title = f"Paired comparison on {found[0].trials:,} trials, clusters by {found[0].by}"
    title += f", p corrected by Holm for {len(found)}"
    table = _new(title, "first − second", "figure", *both, "difference", "95 % interval", "p", "p corrected", text=2)
    for d in found:
        sides = [words.figure(d.metric, values[n][d.metric]) for n in (d.first, d.second)] if values else []
        table.add_row(
            escape(f"{d.first} − {d.second}"),
            words.TITLES[d.metric],
            *sides,
            words.figure(d.metric, d.value),
            words.span(d.metric, Interval(d.value, d.low, d.high, 0.95, d.by, 0, 0)),
            words.p_value(d.p),
            words.p_value(d.p_adjusted),
        )
    return table
