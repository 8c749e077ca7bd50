"""The audit as one self-contained HTML page: no script, no network, readable on paper."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from earwitness.data.audit import FORMATS, LIMITS, QUANTILES, Audit
from earwitness.data.audit_charts import bar, histogram, strips
from earwitness.data.files import replacing
from earwitness.data.findings import SEVERITIES, Finding
from earwitness.data.manifest import LABELS
from earwitness.data.shortcuts import NUMBERS

_STYLE = """
:root{--human:#1f6f8b;--spoof:#c8553d;--error:#b3261e;--warning:#b26a00;--note:#4a6fa5;--line:#d9dde2;--soft:#5b6570}
body{font:15px/1.5 system-ui,sans-serif;color:#1c2126;background:#fff;max-width:1060px;margin:2rem auto;
padding:0 1.2rem}
h1{font-size:1.55rem;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--line)}
p{margin:.4rem 0}.soft,small{color:var(--soft)}.verdict{font-size:1.1rem;border-left:4px solid var(--note);
padding:.4rem .9rem;background:#f4f6f8}.finding{border:1px solid var(--line);border-left:5px solid var(--note);
border-radius:4px;padding:.5rem .8rem;margin:.6rem 0;break-inside:avoid}.finding.error{border-left-color:var(--error)}
.finding.warning{border-left-color:var(--warning)}.finding b{font-weight:600}.tag{font-size:.75rem;font-weight:700;
text-transform:uppercase;letter-spacing:.04em}.error .tag{color:var(--error)}.warning .tag{color:var(--warning)}
.note .tag{color:var(--note)}.finding dl{display:grid;grid-template-columns:5.5rem 1fr;margin:.3rem 0 0;gap:0 .5rem}
dt{color:var(--soft)}dd{margin:0}details{margin-top:.3rem}summary{cursor:pointer;color:var(--soft)}
code{font:13px/1.45 ui-monospace,monospace;overflow-wrap:anywhere}ul.rows{margin:.2rem 0;padding-left:1.2rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.22rem .6rem;text-align:right;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{text-align:left}th{font-weight:600;color:var(--soft)}
table.texts td:nth-child(2),table.texts th:nth-child(2){text-align:left}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:1rem}
svg{width:100%;height:auto;display:block}svg text{font:10px system-ui,sans-serif;fill:var(--soft)}
svg .title{font-size:12px;fill:#1c2126}svg .grid{stroke:var(--line);stroke-width:.5}svg.bar{width:160px}
svg.bar .empty{fill:#eceff2}
svg.strip{width:260px}.key span{display:inline-block;width:.8rem;height:.8rem;
margin:0 .3rem 0 1rem;vertical-align:-1px}
.tables{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:1.2rem}
@media print{body{margin:0}details{display:none}}
"""

_SHOWN = 30

_KEY = (
    '<p class="key soft"><span style="background:var(--human)"></span>bonafide'
    '<span style="background:var(--spoof)"></span>spoof</p>'
)


def write_page(result: Audit, path: Path, *, command: str = "") -> None:
    """Write the page; the file is replaced as a whole.

    Parameters
    ----------
    result:
        The audit.
    path:
        ``.html``.
    command:
        What repeats the audit, printed at the end.
    """
    with replacing(path) as temporary:
        temporary.write_text(page(result, command=command), encoding="utf-8")


def page(result: Audit, *, command: str = "") -> str:
    """The page as text; everything that comes from the manifest or the files is escaped."""
    from earwitness import __version__

    parts = [
        f"<h1>Audit of {escape(Path(result.where).name)}</h1>",
        f'<p class="soft">{result.rows:,} rows, {result.measured:,} could be read · earwitness {__version__} · '
        f"{result.seconds:.0f} s</p>",
        f'<p class="verdict">{escape(result.verdict())}</p>',
        _counts(result),
        _findings(result.findings),
        _cues(result),
        _histograms(result),
        _spread(result),
        _formats(result),
        "<h2>What this audit cannot see</h2><ul>",
        *(f"<li>{escape(text)}</li>" for text in LIMITS),
        "</ul>",
        f"<h2>Repeat it</h2><p><code>{escape(command)}</code></p>" if command else "",
    ]
    head = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Audit of {escape(Path(result.where).name)}</title><style>{_STYLE}</style>"
    )
    return head + "<body>" + "\n".join(filter(None, parts)) + "</body></html>\n"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], *, kind: str = "") -> str:
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table class="{kind}"><tr>{top}</tr>{body}</table>'


def _counts(result: Audit) -> str:
    rows = (
        (escape(split or "(no split)"), label, f"{count:,}", f"{hours:.2f}")
        for (split, label), (count, hours) in result.counts.items()
    )
    return "<h2>Clips</h2>" + _table(("split", "label", "clips", "hours"), rows, kind="texts")


def _findings(findings: Iterable[Finding]) -> str:
    findings = list(findings)
    number = {s: sum(f.severity == s for f in findings) for s in SEVERITIES}
    text = ", ".join(f"{n} {s}{'' if n == 1 else 's'}" for s, n in number.items())
    cards = [f"<h2>Findings: {text}</h2>"]
    for finding in findings:
        shown = "".join(f"<li><code>{escape(row)}</code></li>" for row in finding.rows[:_SHOWN])
        rest = finding.count - min(_SHOWN, len(finding.rows))
        more = f"<li>… and {rest:,} more, in the JSON</li>" if rest > 0 and finding.rows else ""
        rows = f'<details><summary>rows</summary><ul class="rows">{shown}{more}</ul></details>' if shown else ""
        cards.append(
            f'<div class="finding {finding.severity}"><span class="tag">{finding.severity}</span> '
            f"<b>{escape(finding.title)}</b><dl><dt>effect</dt><dd>{escape(finding.effect)}</dd>"
            f"<dt>do</dt><dd>{escape(finding.advice)}</dd></dl>{rows}</div>"
        )
    return "".join(cards if findings else ["<h2>Findings: none</h2>"])


def _cues(result: Audit) -> str:
    probe = result.probe
    rows = (
        (
            escape(cue.title) + (" <small>(declared)</small>" if cue.declared else ""),
            bar(cue.strength),
            "" if cue.auc is None else f"{cue.auc:.3f}",
            "" if cue.tree_auc is None else f"{cue.tree_auc:.3f}",
            escape(cue.medians[0]),
            escape(cue.medians[1]),
        )
        for cue in probe.cues
    )
    intro = (
        '<p class="soft">How well each cue alone tells the labels apart: AUC .5 = not at all, 1 = always. The tree has '
        "depth 3 and is tested on sources it has not seen. Declared cues are columns of the manifest, not part of the "
        "baseline.</p>"
    )
    splits = "".join(
        f"<p>Fitted on train, tested on {escape(name)}: AUC {v['auc']:.3f}, EER {v['eer']:.1%} "
        f"({v['clips']:,.0f} clips).</p>"
        for name, v in probe.splits.items()
    )
    low_high = f" (95 % interval {probe.interval[0]:.3f}–{probe.interval[1]:.3f})" if probe.interval else ""
    total = f"<p>All measured cues together: AUC {probe.auc:.3f}{low_high}.</p>" if probe.auc is not None else ""
    head = ("cue", "", "AUC", "tree AUC", "typical bonafide", "typical spoof")
    return "<h2>Shortcut probe</h2>" + intro + _table(head, rows) + total + splits


def _histograms(result: Audit) -> str:
    splits = dict.fromkeys(split for split, _ in result.histograms)
    charts = [
        histogram(
            {label: result.histograms[split, label] for label in LABELS if (split, label) in result.histograms},
            title=split or "all",
        )
        for split in splits
    ]
    intro = '<p class="soft">Mean share of samples by amplitude (-1 to 1); the vertical axis is logarithmic.</p>'
    return f'<h2>Amplitudes</h2>{intro}{_KEY}<div class="charts">{"".join(charts)}</div>'


def _spread(result: Audit) -> str:
    quantiles = ", ".join(str(q) for q in QUANTILES)
    rows = (
        (
            escape(NUMBERS[name]) + f" <small>{escape(name)}</small>",
            strips(own),
            *(f"{own[label][2]:g}" if label in own else "" for label in LABELS),
        )
        for name, own in result.spread.items()
        if len({v for q in own.values() for v in q}) > 1
    )
    intro = f'<p class="soft">{quantiles} % of the clips; the mark is the median.</p>'
    head = ("cue", "", "median bonafide", "median spoof")
    return "<h2>Distributions</h2>" + intro + _KEY + _table(head, rows)


def _formats(result: Audit) -> str:
    tables = []
    for name in FORMATS:
        rows = (
            (escape(value), *(f"{own[label]:,}" for label in LABELS)) for value, own in result.formats[name].items()
        )
        tables.append("<div>" + _table((name.replace("_", " "), *LABELS), rows) + "</div>")
    return '<h2>Formats</h2><div class="tables">' + "".join(tables) + "</div>"
