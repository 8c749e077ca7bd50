"""``earwitness errors``: what the clips that a detector gets wrong have in common.

Exit codes: 0 done; 1 a file is missing, unreadable or does not fit; 2 wrong usage.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from earwitness.errors import ConfigError


def errors(
    detector: Annotated[
        str,
        typer.Argument(help="Detector folder ('default' is the one that ships), or a score file.", show_default=False),
    ],
    manifest: Annotated[Path, typer.Argument(help="Labelled clips.", show_default=False)],
    root: Annotated[Path | None, typer.Option(help="Folder of the manifest's paths.")] = None,
    split: Annotated[str | None, typer.Option(help="Split to look at; eval or test where there is one.")] = None,
    direction: Annotated[str, typer.Option(help="What a higher score of a score file speaks for.")] = "spoof",
    threshold: Annotated[float, typer.Option(help="From here on a clip is called generated.")] = 0.0,
    cache: Annotated[Path, typer.Option(help="Measurements, as 'earwitness audit' keeps them.")] = Path(
        ".cache/errors.jsonl"
    ),
    dataset: Annotated[str | None, typer.Option(help="Name of the clips in tables.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that measure, and recordings scored at a time.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the folds.")] = 0,
    page: Annotated[Path | None, typer.Option(help="Write the findings as Markdown.")] = None,
    rows: Annotated[Path | None, typer.Option(help="Add rows to a results CSV.")] = None,
) -> None:
    """Say which trivial cues foretell a detector's errors, and which sources and systems have most of them.

    A small tree is cross-validated by source, for false alarms and misses apart; an AUC near .5 is good news.
    """
    from earwitness.cli.trials import open_manifest
    from earwitness.data.measuring import measure_all
    from earwitness.evaluate import error_analysis
    from earwitness.evaluate.bench import reported_split
    from earwitness.evaluate.rows import append_rows

    everything, title = open_manifest(manifest, None, root=root)
    chosen = reported_split([row.split for row in everything], split, everything.where)
    clips = everything.filter(split=chosen) if chosen else everything
    scores, recipe, commit = _scores(detector, clips, direction, jobs)
    measured = measure_all(clips, jobs=jobs, cache=cache)
    sides = error_analysis.analyse(scores, clips, measured, threshold=threshold, seed=seed)
    name, place = scores.name, " ".join(filter(None, (dataset or title, chosen)))
    text = error_analysis.page(sides, name=name, place=place, command=shlex.join(["earwitness", *sys.argv[1:]]))
    typer.echo(text)
    if page is not None:
        page.write_text(text, encoding="utf-8")
    if rows is not None:
        facts = {"recipe": recipe, "commit": commit, "dataset": dataset or title, "split": chosen}
        append_rows(rows, error_analysis.result_rows(sides, **facts))


def _scores(word: str, clips: Any, direction: str, jobs: int) -> tuple[Any, str, str]:
    """Labelled scores of a detector or from a file, and recipe and commit of what gave them."""
    from earwitness.cli.trials import directions, is_detector, open_detector, run_scorer
    from earwitness.evaluate.bench import entry_of
    from earwitness.evaluate.score_files import read_scores
    from earwitness.evaluate.scorers import DetectorScorer

    if is_detector(word):
        found = open_detector(word, jobs=jobs)
        scored = run_scorer(DetectorScorer(found, jobs=jobs), clips)
        entry = entry_of(found, scored.scores, scored.seconds)
        return scored.scores, entry.recipe, entry.commit
    if not Path(word).is_file():
        raise ConfigError(f"{word!r} is no detector folder and no score file", hint="detectors have detector.json")
    scores = read_scores(Path(word), direction=directions([direction], 1)[0])
    wanted = {row.id for row in clips}
    return scores.where_true([i in wanted for i in scores.ids]), scores.name, ""
