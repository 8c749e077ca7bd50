"""The report as one self-contained HTML page: no network, no script; light, dark and print from one drawing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from earwitness.evaluate import plots, words
from earwitness.evaluate.baseline import Baseline
from earwitness.evaluate.bootstrap import Difference, Interval
from earwitness.evaluate.breakdown import Breakdown
from earwitness.evaluate.figures import Drawing, inline_svg
from earwitness.evaluate.report import Report

TILES = ("eer", "eer_mean_over_systems", "auc", "min_dcf", "cllr", "balanced_accuracy")
SHORT = 12
"""Rows of a table that are shown before the rest is folded away."""
_DEFINED = tuple(words.MEANINGS)


def page(
    reports: Sequence[Report],
    *,
    comparisons: Sequence[Difference] = (),
    baseline: Baseline | None = None,
    command: str = "",
    version: str = "",
) -> str:
    """The page of one report, or of several side by side.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    """
    first = reports[0]
    place = " · ".join(filter(None, (first.settings.dataset, first.settings.split)))
    title = first.name if len(reports) == 1 else f"{len(reports)} detectors compared"
    parts = [
        f'<p class="kicker">Evaluation{" · " + escape(place) if place else ""}</p><h1>{escape(title)}</h1>',
        f'<p class="soft">{_counts(first)}</p>',
    ]
    if len(reports) > 1:
        parts += [_side_by_side(reports, baseline), _comparisons(comparisons)]
        parts.append(_curves(reports, baseline))
    for number, report in enumerate(reports):
        parts.append(_one(report, number, alone=len(reports) == 1, baseline=baseline))
    parts += [_definitions(first), reproduce(command, version)]
    return document(f"{title} – evaluation", parts)


def document(title: str, parts: Iterable[str]) -> str:
    """A whole page from pieces of markup, with the style of all evaluation pages."""
    style = files("earwitness.evaluate").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>\n<style>{style}</style></head>\n<body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body></html>\n"
    )


def _counts(report: Report) -> str:
    counts = report.scores.counts()
    text = f"{counts['bonafide']:,} human and {counts['spoof']:,} spoof trials"
    if counts["without_score"]:
        text += f", {counts['without_score']:,} more without a score"
    return text + f". Threshold {report.settings.chosen.value:.4g}: {escape(threshold_words(report))}."


def threshold_words(report: Report) -> str:
    """Which rule chose the threshold, and on what."""
    chosen = report.settings.chosen
    if chosen.chosen_on == "nothing":
        return f"rule “{chosen.rule}”, which looks at no data"
    return f"rule “{chosen.rule}”, chosen on {chosen.chosen_on}"


def _one(report: Report, number: int, *, alone: bool, baseline: Baseline | None) -> str:
    parts = [] if alone else [f"<h2>{escape(report.name)}</h2>"]
    parts += [_tiles(report, baseline), _notes(report)]
    mark = f"d{number}"
    drawn = [
        ("Score histograms", plots.histograms(report), "hist"),
        ("Who was called what", plots.confusion(report), "conf"),
    ]
    drawn.append(("Calibration", plots.calibration(report), "cal"))
    if alone:
        curves = [("ROC", plots.roc([report], baseline), "roc"), ("DET", plots.det([report], baseline), "det")]
        drawn = [*curves, ("Precision and recall", plots.pr([report]), "pr"), *drawn]
    parts.append('<div class="plots">' + "".join(plot(d, f"{mark}-{n}", t) for t, d, n in drawn) + "</div>")
    parts.append(_figures(report))
    parts += [_table(table, mark) for table in report.tables]
    parts.append(_human(report))
    return "\n".join(filter(None, parts))


def plot(draw: Drawing, name: str, title: str, size: tuple[float, float] = (4.6, 4.2), kind: str = "") -> str:
    """A drawing with its title; ``name`` must be unique on the page."""
    svg = inline_svg(draw, name, escape(title, quote=True), size=size)
    return f'<figure class="{kind}"><figcaption>{escape(title)}</figcaption>{svg}</figure>'


def _curves(reports: Sequence[Report], baseline: Baseline | None) -> str:
    drawn = (("ROC", plots.roc), ("DET", plots.det), ("Precision and recall", plots.pr))
    inside = "".join(plot(make(reports, baseline), f"all-{i}", title) for i, (title, make) in enumerate(drawn))
    return f'<div class="plots">{inside}</div>'


def _tiles(report: Report, baseline: Baseline | None) -> str:
    shown = [t for t in TILES if t != "eer_mean_over_systems" or report.has_systems]
    shown += [t for t in ("min_tdcf_2019",) if t in report.points]
    cells = []
    for name in shown:
        limits = words.span(name, report.intervals.get(name))
        below = f"95 % interval {limits}" if limits else ""
        if name in ("eer", "auc") and baseline is not None:
            below += f"<br>trivial baseline {words.figure(name, getattr(baseline, name))}"
        cells.append(
            f'<div class="tile"><div class="name">{words.TITLES[name]}</div>'
            f'<div class="value">{words.figure(name, report.points[name])}</div><div class="range">{below}</div></div>'
        )
    return f'<div class="tiles">{"".join(cells)}</div>'


def _notes(report: Report) -> str:
    if not report.notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return f'<div class="notes"><ul>{items}</ul></div>'


def _figures(report: Report) -> str:
    rows = []
    for name, value in report.points.items():
        if name == f"eer_{report.settings.convention}" or (name == "eer_mean_over_systems" and not report.has_systems):
            continue
        interval = report.intervals.get(name)
        drawn = _drawn(interval) if interval else ""
        rows.append((words.TITLES[name], words.figure(name, value), words.span(name, interval), drawn))
    for by, interval in report.other_intervals.items():
        name = f"EER, interval by {by.replace('+', ' and ')}"
        rows.append((name, words.figure("eer", interval.value), words.span("eer", interval), _drawn(interval)))
    return "<h3>All figures</h3>" + html_table(("figure", "value", "95 % interval", "drawn"), rows, text=1)


def _drawn(interval: Interval) -> str:
    least = "at least " if "+" in interval.by else ""
    return f"{least}{interval.clusters:,} clusters by {escape(interval.by.replace('+', ' and '))}"


def _table(table: Breakdown, mark: str) -> str:
    title = words.TABLES.get(table.by, table.by)
    worst = table.worst
    lead = ""
    if worst is not None and table.by != "novelty":
        lead = f"Worst: <strong>{escape(worst.name)}</strong>. "
    if table.against_all_human:
        lead += "Each group of spoofs against all human speech. "
    if table.unnamed:
        lead += f"{table.unnamed:,} trials belong to no group of this table. "
    if any("by trial" in i.by for g in table.groups for i in (g.eer, g.false_alarm, g.miss) if i is not None):
        lead += "† too few clusters in the group: drawn by single trials, so too narrow."
    rows = []
    for g in table.groups:
        alarms = () if table.against_all_human else (_rate(g.false_alarm),)
        rows.append((g.name, f"{g.bonafide:,}", f"{g.spoof:,}", _rate(g.eer), *alarms, _rate(g.miss)))
    heads = ["", "human", "spoof", "EER", *([] if table.against_all_human else ["false alarms"]), "missed"]
    body = html_table(heads, rows, text=1, fold=SHORT)
    picture = ""
    if table.by in ("system", "kind") and sum(g.eer is not None for g in table.groups) > 1:
        draw, size = plots.bars(table)
        picture = plot(draw, f"{mark}-{table.by}", f"{title}: EER", size, "wide")
    return f"<h3>{title}</h3><p class='soft'>{lead}</p>{picture}{body}"


def _human(report: Report) -> str:
    found = report.human_false_alarms
    if not found:
        return ""
    by, worst = found[0]
    rows = [(f"{b}: {g.name}", f"{g.bonafide:,}", _rate(g.false_alarm)) for b, g in found]
    text = f"Human speech called spoof, by group. Worst: <strong>{escape(worst.name)}</strong> (by {escape(by)})."
    return f"<h3>False alarms on human speech</h3><p class='soft'>{text}</p>" + html_table(
        ("group", "human", "called spoof"), rows, text=1, fold=SHORT
    )


def _rate(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    mark = "†" if "by trial" in interval.by else ""
    return f"{100 * interval.value:.1f} %{_small(words.span('eer', interval))}{mark}"


def _side_by_side(reports: Sequence[Report], baseline: Baseline | None) -> str:
    rows = []
    own = {} if baseline is None else {"eer": baseline.eer, "auc": baseline.auc}
    for name in (n for n in reports[0].points if n != f"eer_{reports[0].settings.convention}"):
        cells = [
            f"{words.figure(name, r.points[name])}{_small(words.span(name, r.intervals.get(name)))}" for r in reports
        ]
        rows.append(
            (words.TITLES[name], *cells, *([words.figure(name, own[name]) if name in own else ""] if own else []))
        )
    heads = ("", *(r.name for r in reports), *(["trivial baseline"] if own else []))
    return html_table(heads, rows, text=1)


def _small(limits: str) -> str:
    return f' <span class="range">{limits}</span>' if limits else ""


def _comparisons(found: Sequence[Difference]) -> str:
    if not found:
        return ""
    rows = [
        (
            f"{d.first} − {d.second}",
            words.TITLES[d.metric],
            words.figure(d.metric, d.value),
            words.span(d.metric, Interval(d.value, d.low, d.high, 0.95, d.by, 0, 0)),
            words.p_value(d.p),
            words.p_value(d.p_adjusted),
        )
        for d in found
    ]
    text = (
        f"Same trials, same bootstrap draws (clusters by {escape(found[0].by)}). p corrected by Holm for "
        f"{len(found)} comparisons."
    )
    heads = ("difference", "figure", "value", "95 % interval", "p", "p corrected")
    return f"<h3>Paired comparison</h3><p class='soft'>{text}</p>" + html_table(heads, rows, text=2)


def html_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, text: int, fold: int | None = None) -> str:
    """A table whose first ``text`` columns are text, escaped; the others are numbers made here and may hold markup."""
    head = "".join(f'<th class="{"" if i < text else "number"}">{escape(h)}</th>' for i, h in enumerate(heads))
    body = [
        "<tr>"
        + "".join(
            (f"<th>{escape(c)}</th>" if i == 0 else f"<td>{escape(c)}</td>")
            if i < text
            else f'<td class="number">{c}</td>'
            for i, c in enumerate(row)
        )
        + "</tr>"
        for row in rows
    ]
    start = f"<div class='table'><table><thead><tr>{head}</tr></thead><tbody>"
    end = "</tbody></table></div>"
    if fold is None or len(body) <= fold + 3:
        return start + "".join(body) + end
    rest = f"<details><summary>{len(body) - fold:,} more</summary>{start}{''.join(body[fold:])}{end}</details>"
    return start + "".join(body[:fold]) + end + rest


def _definitions(report: Report) -> str:
    costs = report.settings.costs
    items = "".join(f"<dt>{words.TITLES.get(n, 'Interval')}</dt><dd>{words.MEANINGS[n]}</dd>" for n in _DEFINED)
    text = (
        f"EER by the convention “{report.settings.convention}”. Costs: prior of spoof {costs.prior:g}, a missed spoof "
        f"{costs.miss:g}, a false alarm {costs.false_alarm:g}. Rates of groups with under ten clips are not shown."
    )
    return f"<h2>What the figures mean</h2><p>{text}</p><dl>{items}</dl>"


def reproduce(command: str, version: str) -> str:
    """The command that made a page."""
    shown = f"<pre>{escape(command)}</pre>" if command else ""
    made = f"earwitness {escape(version)}" if version else "earwitness"
    return f"<h3>How to make this page again</h3>{shown}<p class='soft'>Made by {made}.</p>"
