"""``earwitness audit``: what is wrong with a corpus before a model learns it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earwitness.cli.progress import Bar

if TYPE_CHECKING:
    from rich.console import Console

    from earwitness.data.audit import Audit

_STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def audit(
    manifest: Annotated[
        Path, typer.Argument(metavar="MANIFEST", help="CSV, TSV, JSONL or Parquet.", show_default=False)
    ],
    root: Annotated[Path | None, typer.Option(help="Folder that paths start from.", show_default=False)] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Start of the names of what is written; the manifest unless given.", show_default=False
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0 means one per core.")] = 0,
    fail_on: Annotated[
        str, typer.Option(help="Exit code 1 from this severity on: error, warning, note or never.")
    ] = "never",
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON instead of the summary.")] = False,
    fresh: Annotated[bool, typer.Option(help="Measure again, without what an earlier run kept.")] = False,
    seed: Annotated[int, typer.Option(help="For the folds of the shortcut probe.")] = 0,
) -> None:
    """Find duplicates, leaks, broken files and shortcuts in a corpus.

    Writes MANIFEST.audit.json (with the trivial baseline, which later evaluations print) and MANIFEST.audit.html, and
    keeps measurements in MANIFEST.audit-cache.jsonl, so that an interrupted run goes on.
    """
    import json
    import os

    from rich.console import Console

    from earwitness.data.audit import audit as run
    from earwitness.data.audit import write_json
    from earwitness.data.audit_page import write_page
    from earwitness.data.findings import SEVERITIES
    from earwitness.data.manifest import read_manifest
    from earwitness.errors import ConfigError

    if fail_on not in (*SEVERITIES, "never"):
        raise ConfigError(f"--fail-on {fail_on!r}", hint="error, warning, note or never")
    rows = read_manifest(manifest, root=root)
    start = str(out or manifest)
    cache = Path(f"{start}.audit-cache.jsonl")
    if fresh:
        cache.unlink(missing_ok=True)
    with Bar("measuring", len(rows)) as advance:
        result = run(rows, jobs=jobs or os.cpu_count() or 1, cache=cache, progress=advance, seed=seed)
    page, data = Path(f"{start}.audit.html"), Path(f"{start}.audit.json")
    write_json(result, data)
    write_page(result, page, command=_command(manifest, root, out))
    if as_json:
        typer.echo(json.dumps(result.to_dict(), indent=1, ensure_ascii=False))
    else:
        show(result, Console())
        typer.echo(f"\n{data}\n{page}")
    if fail_on != "never" and result.fails(fail_on):
        raise typer.Exit(1)


def show(result: Audit, console: Console) -> None:
    """The summary for a terminal: counts, verdict, findings, the strongest cues."""
    from rich.markup import escape
    from rich.padding import Padding
    from rich.table import Table

    console.print(f"[bold]{escape(result.where)}[/bold]: {result.rows:,} rows, {result.measured:,} could be read")
    for (split, label), (rows, hours) in result.counts.items():
        console.print(f"  {split or '(no split)':12} {label:9} {rows:8,} clips {hours:8.2f} h", highlight=False)
    console.print(f"\n{escape(result.verdict())}\n", soft_wrap=True)
    for finding in result.findings:
        style = _STYLES[finding.severity]
        console.print(
            f"[{style}]{finding.severity:8}[/{style}] {escape(finding.title)}", soft_wrap=True, highlight=False
        )
        lines = [f"effect: {finding.effect}", f"do: {finding.advice}"]
        lines += [f"{row}" for row in finding.rows[:3]]
        lines += [f"… {finding.count - 3:,} more"] if len(finding.rows) > 3 else []
        console.print(Padding(escape("\n".join(lines)), (0, 0, 0, 9)), style="dim", highlight=False)
    if not result.findings:
        console.print("nothing found")
    table = Table(title="Cues that tell the labels apart", title_justify="left", box=None)
    for column in ("cue", "AUC", "tree AUC", "bonafide", "spoof"):
        table.add_column(column, justify="left" if column == "cue" else "right")
    for cue in result.probe.cues[:8]:
        figures = [f"{v:.3f}" if v is not None else "" for v in (cue.auc, cue.tree_auc)]
        table.add_row(cue.title + (" (declared)" if cue.declared else ""), *figures, *(escape(m) for m in cue.medians))
    if result.probe.cues:
        console.print()
        console.print(table)
    for name, figures_of in result.probe.splits.items():
        console.print(
            f"trained on train, tested on {name}: AUC {figures_of['auc']:.3f}, EER {figures_of['eer']:.1%} "
            f"({figures_of['clips']:,} clips)",
            highlight=False,
        )
    console.print(f"\n{result.seconds:.1f} s, {result.clips_per_second:,.0f} clips/s", highlight=False)


def _command(manifest: Path, root: Path | None, out: Path | None) -> str:
    import shlex

    given = [("--root", root), ("--out", out)]
    options = [str(part) for name, value in given if value is not None for part in (name, value)]
    return shlex.join(["earwitness", "audit", str(manifest), *options])
