"""The options of ``earwitness evaluate``, in the groups of its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_SOURCES, _TRIALS, _CHOICE = "What is measured", "On which trials", "Thresholds, costs and intervals"
_OUT = "What comes out"

Things = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[DETECTOR]... [MANIFEST]",
        help="Detector folders ('default' is the one that ships), then a manifest unless --data or only --scores.",
    ),
]
Scores = Annotated[list[Path] | None, typer.Option(help="A score file; may be repeated.", rich_help_panel=_SOURCES)]
Command = Annotated[
    list[str] | None,
    typer.Option(help="A command with {list} (one path a line) and {out} (path<TAB>score).", rich_help_panel=_SOURCES),
]
Url = Annotated[
    list[str] | None, typer.Option(help="A service that takes POST with the file as 'file'.", rich_help_panel=_SOURCES)
]
Field = Annotated[
    str, typer.Option(help="JSON pointer of the score in the service's answer.", rich_help_panel=_SOURCES)
]
Function = Annotated[
    list[str] | None,
    typer.Option("--callable", help="module:function from a path to a score.", rich_help_panel=_SOURCES),
]
Direction = Annotated[
    list[str] | None,
    typer.Option(
        help="What a higher score of --scores, --command, --url or --callable speaks for: bonafide or spoof.",
        rich_help_panel=_SOURCES,
    ),
]
Name = Annotated[list[str] | None, typer.Option(help="Names for the tables, in order.", rich_help_panel=_SOURCES)]
Profile = Annotated[Path | None, typer.Option(help="A profile of 'earwitness calibrate'.", rich_help_panel=_SOURCES)]
Jobs = Annotated[int, typer.Option(min=1, help="Recordings scored at a time.", rich_help_panel=_SOURCES)]
Data = Annotated[
    tuple[str, Path] | None,
    typer.Option(metavar="NAME ROOT", help="A corpus of 'earwitness data list'.", rich_help_panel=_TRIALS),
]
Root = Annotated[Path | None, typer.Option(help="Folder of the manifest's paths.", rich_help_panel=_TRIALS)]
Reals = Annotated[
    Path | None, typer.Option(help="Originals of a corpus that holds fakes only.", rich_help_panel=_TRIALS)
]
Key = Annotated[
    Path | None, typer.Option(help="Labels for --scores: manifest, table or protocol.", rich_help_panel=_TRIALS)
]
Split = Annotated[
    str | None, typer.Option(help="Split to report; eval or test where there is one.", rich_help_panel=_TRIALS)
]
Dataset = Annotated[str | None, typer.Option(help="Name of the trials in tables.", rich_help_panel=_TRIALS)]
AsvScores = Annotated[
    Path | None, typer.Option(help="Scores of a speaker verifier; adds min t-DCF.", rich_help_panel=_TRIALS)
]
Audit = Annotated[Path | None, typer.Option(help="Audit file with the trivial baseline.", rich_help_panel=_TRIALS)]
Threshold = Annotated[float | None, typer.Option(help="A fixed threshold (higher = spoof).", rich_help_panel=_CHOICE)]
Rule = Annotated[
    str | None,
    typer.Option(
        help="eer, max-f1, fpr=0.05, cost or bayes; all but the last need dev trials.", rich_help_panel=_CHOICE
    ),
]
DevSplit = Annotated[str | None, typer.Option(help="Split that chooses.", rich_help_panel=_CHOICE)]
DevScores = Annotated[
    Path | None, typer.Option(help="Labelled score file that chooses, for one --scores.", rich_help_panel=_CHOICE)
]
Prior = Annotated[float, typer.Option(help="Prior of spoof for --rule.", rich_help_panel=_CHOICE)]
CostMiss = Annotated[float, typer.Option(help="Cost of a missed spoof for --rule.", rich_help_panel=_CHOICE)]
CostFalseAlarm = Annotated[float, typer.Option(help="Cost of a false alarm for --rule.", rich_help_panel=_CHOICE)]
Dcf = Annotated[
    tuple[float, float, float],
    typer.Option(metavar="P MISS FA", help="Prior and costs of minDCF and actDCF.", rich_help_panel=_CHOICE),
]
Convention = Annotated[str, typer.Option(help="Of the EER: interpolated or asvspoof.", rich_help_panel=_CHOICE)]
Cluster = Annotated[
    str, typer.Option(help="source, speaker, system, trial, or two joined by +.", rich_help_panel=_CHOICE)
]
Draws = Annotated[int, typer.Option(min=1, help="Bootstrap draws.", rich_help_panel=_CHOICE)]
Seed = Annotated[int, typer.Option(help="Of the bootstrap.", rich_help_panel=_CHOICE)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, rates as fractions.", rich_help_panel=_OUT)]
Html = Annotated[Path | None, typer.Option(help="Write one HTML page.", rich_help_panel=_OUT)]
Plots = Annotated[Path | None, typer.Option(help="Folder for plots as SVG and PNG.", rich_help_panel=_OUT)]
Rows = Annotated[Path | None, typer.Option(help="Add rows to a results CSV.", rich_help_panel=_OUT)]
KeepScores = Annotated[Path | None, typer.Option(help="Folder for the scores as CSV.", rich_help_panel=_OUT)]
