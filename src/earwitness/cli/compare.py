"""``earwitness compare``: paired tests between score files on the same trials."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    files: Annotated[list[Path], typer.Argument(metavar="FILE FILE...", help="Two or more score files.")],
    direction: Annotated[
        list[str] | None,
        typer.Option(help="What a higher score speaks for: bonafide or spoof; one for all, or one for each file."),
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Labels: manifest, table or protocol.")] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="eer, auc, min_dcf, cllr … (may be repeated). [default: eer auc cllr]")
    ] = None,
    name: Annotated[list[str] | None, typer.Option(help="Names for the tables, in order.")] = None,
    cluster: Annotated[str, typer.Option(help="source, speaker, system, trial, or two joined by +.")] = "source",
    draws: Annotated[int, typer.Option(min=1, help="Bootstrap draws.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare detectors on the trials that all of them scored: differences, intervals, p-values corrected by Holm.

    A score file holds lines 'utt score' or 'utt attack key score', or is CSV/TSV with a header.
    """
    import json as formats

    from earwitness.cli.trials import console, directions
    from earwitness.errors import ConfigError
    from earwitness.evaluate.bench import COMPARED
    from earwitness.evaluate.bootstrap import common, differences
    from earwitness.evaluate.clusters import parse_clusters
    from earwitness.evaluate.keys import read_key
    from earwitness.evaluate.measures import ALL, Measures
    from earwitness.evaluate.score_files import read_scores
    from earwitness.evaluate.terminal import comparison_table

    names = tuple(metric or COMPARED)
    if unknown := [n for n in names if n not in ALL]:
        raise ConfigError(f"unknown metric {unknown[0]!r}", hint="known: " + ", ".join(ALL))
    if len(files) < 2:
        raise ConfigError("one score file", hint="give two or more")
    labels = None if key is None else read_key(key)
    titles = list(name or []) + [f.name.removesuffix(".gz").rsplit(".", 1)[0] for f in files[len(name or []) :]]
    if len(set(titles)) < len(files) or len(titles) > len(files):
        raise ConfigError("the detectors need a name each, all different", hint="give names with --name")
    read = [
        read_scores(f, direction=d, name=t)
        for f, d, t in zip(files, directions(direction, len(files)), titles, strict=True)
    ]
    several, left_out = common([s if labels is None else s.keyed(labels) for s in read])
    measured = {s.name: Measures(s) for s in several}
    found = differences(measured, names, by=parse_clusters(cluster), draws=draws, seed=seed)
    if json:
        values = {s.name: measured[s.name].values(names) for s in several}
        typer.echo(
            formats.dumps(
                {
                    "trials": len(several[0]),
                    "left_out": left_out,
                    "values": values,
                    "differences": [d.to_dict() for d in found],
                },
                indent=1,
            )
        )
        return
    out = console()
    out.print(comparison_table(found, {s.name: measured[s.name].values(names) for s in several}))
    if left_out:
        typer.echo(f"note: {left_out:,} trials that not all detectors scored were left out", err=True)
