"""``earwitness score``: the score of every recording of a manifest, as a file that other tools read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def score(
    manifest: Annotated[
        Path | None, typer.Argument(help="CSV, TSV, JSONL or Parquet; or give --data.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.")] = Path("scores.csv"),
    form: Annotated[
        str, typer.Option("--format", help="csv, asvspoof2019 (utt attack key score) or asvspoof5 (TSV).")
    ] = "csv",
    direction: Annotated[
        str | None,
        typer.Option(
            help="What a higher score in the file speaks for, spoof or bonafide; unless given the custom of the "
            "format: spoof for csv, bonafide for ASVspoof.",
            show_default=False,
        ),
    ] = None,
    detector: Annotated[str, typer.Option(help="Detector folder; 'default' is the one that ships.")] = "default",
    profile: Annotated[Path | None, typer.Option(help="A profile of 'earwitness calibrate'.")] = None,
    data: Annotated[
        tuple[str, Path] | None, typer.Option(metavar="NAME ROOT", help="A corpus of 'earwitness data list'.")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of the manifest's paths.")] = None,
    reals: Annotated[Path | None, typer.Option(help="Originals of a corpus that holds fakes only.")] = None,
    split: Annotated[str | None, typer.Option(help="Only this split.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Recordings scored at a time.")] = 1,
) -> None:
    """Write the score of every recording of a manifest.

    Scores are natural-log likelihood ratios. A recording that has none stands in the CSV with an empty score and its
    reason, and is counted here.
    """
    from earwitness.cli.trials import directions, open_detector, open_manifest, run_scorer
    from earwitness.errors import ConfigError
    from earwitness.evaluate.score_files import FORMATS, write_scores
    from earwitness.evaluate.scorers import DetectorScorer

    if form not in FORMATS:
        raise ConfigError(f"unknown score format {form!r}", hint="known: " + ", ".join(FORMATS))
    way = directions([direction], 1)[0] if direction else None
    rows, _ = open_manifest(manifest, data, root=root, reals=reals)
    if split is not None:
        rows = rows.filter(split=split)
    found = open_detector(detector, jobs=jobs, profile=profile)
    scored = run_scorer(DetectorScorer(found, jobs=jobs), rows)
    written = write_scores(scored.scores, out, form=form, direction=way)  # type: ignore[arg-type]
    typer.echo(
        f"{out}: {len(scored.scores):,} scores of {found.info.id} {found.info.version}, higher = {written}, "
        f"in {scored.seconds:.1f} s"
    )
    if scored.scores.missing:
        first, why = next(iter(scored.scores.missing.items()))
        typer.echo(
            f"note: {len(scored.scores.missing):,} recordings have no score, the first is {first}: {why}", err=True
        )
