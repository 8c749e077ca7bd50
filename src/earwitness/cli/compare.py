"""``earwitness compare``: paired tests between score files on the same trials."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from earwitness.evaluate.scores import Scores


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

    from earwitness.cli.trials import console
    from earwitness.errors import ConfigError
    from earwitness.evaluate.bench import COMPARED
    from earwitness.evaluate.bootstrap import common, differences
    from earwitness.evaluate.clusters import parse_clusters
    from earwitness.evaluate.measures import ALL, Measures
    from earwitness.evaluate.terminal import comparison_table

    names = tuple(metric or COMPARED)
    if unknown := [n for n in names if n not in ALL]:
        raise ConfigError(f"unknown metric {unknown[0]!r}", hint="known: " + ", ".join(ALL))
    if len(files) < 2:
        raise ConfigError("one score file", hint="give two or more")
    several, left_out = common(_read(files, direction, name, key))
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


def _read(files: list[Path], direction: list[str] | None, name: list[str] | None, key: Path | None) -> list[Scores]:
    """The score files under different names, with labels."""
    from earwitness.cli.trials import directions
    from earwitness.errors import ConfigError
    from earwitness.evaluate.keys import read_key
    from earwitness.evaluate.score_files import read_scores

    given = list(name or [])
    titles = given + [f.name.removesuffix(".gz").rsplit(".", 1)[0] for f in files[len(given) :]]
    if len(set(titles)) < len(files) or len(titles) > len(files):
        raise ConfigError("the detectors need a name each, all different", hint="give names with --name")
    labels = None if key is None else read_key(key)
    found = []
    for file, way, title in zip(files, directions(direction, len(files)), titles, strict=True):
        scores = read_scores(file, direction=way, name=title)
        found.append(scores if labels is None else scores.keyed(labels))
    return found
