"""``earwitness tune``: search the settings that a recipe names, on dev; it goes on where it stopped."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earwitness.cli.common import Bar, Silent, progress, say

if TYPE_CHECKING:
    from earwitness.train.tuning import TrialRow


def tune(
    recipe: Annotated[str, typer.Argument(help="A recipe's name, or a TOML file with [search].", show_default=False)],
    manifest: Annotated[
        Path,
        typer.Option(
            "--manifest", "-m", help="Rows with the splits train and dev, or a folder of pictures.", show_default=False
        ),
    ],
    trials: Annotated[int, typer.Option(help="Settings tried in all, those of earlier calls counted.", min=1)] = 20,
    budget: Annotated[float, typer.Option(help="Minutes of training for each trial; 0 keeps the recipe's.")] = 5.0,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the study; goes on where it was stopped.")] = Path(
        "runs/tune"
    ),
    root: Annotated[Path | None, typer.Option(help="Folder that the manifest's paths start from.")] = None,
    cache: Annotated[Path, typer.Option(help="Where decoded audio is kept between runs.")] = Path(".cache/audio"),
    settings: Annotated[list[str] | None, typer.Option("--set", help="A setting of all trials, as name=value.")] = None,
    jobs: Annotated[int, typer.Option(help="Processes that decode.", min=1)] = 1,
    pretrained: Annotated[
        bool, typer.Option("--pretrained/--no-pretrained", help="No: begin from random weights.")
    ] = True,
) -> None:
    """Search the settings in a recipe's [search] by Optuna's TPE; what counts is what training chooses by, on dev.

    Every trial is a run folder; the study is kept in study.sqlite, its table in trials.csv. Rows of other splits than
    train and dev are not looked at.
    """
    from earwitness.train.material import open_material
    from earwitness.train.recipe import load_recipe
    from earwitness.train.tuning import tune as search

    changed = [*(settings or []), *([f"run.minutes={budget}"] if budget else [])]
    changed += [] if pretrained else ["pretrained=false"]
    chosen = load_recipe(recipe, changed)
    material = open_material(manifest, chosen, cache, root=root, jobs=jobs)
    folder = out / chosen.name if out == Path("runs/tune") else out
    with progress() as bar:
        rows = search(
            recipe, changed, material, folder, trials=trials, report=partial(_line, bar), tick=partial(_tick, bar)
        )
    best = min((row for row in rows if row.value is not None), key=lambda row: row.value or 0.0, default=None)
    if best is not None:
        say(f"best of {len(rows)}: trial {best.number}, {best.value:.4f} on dev", sys.stderr)
        say(" ".join(f"--set {name}={value}" for name, value in best.settings.items()))
    say(str(folder / "trials.csv"))


def _tick(bar: Bar | Silent, trial: int, step: int, share: float) -> None:
    bar.update(1000 * share, 1000, f"trial {trial}, step {step}")


def _line(bar: Bar | Silent, row: TrialRow) -> None:
    bar.hide()
    tried = " ".join(f"{name}={value}" for name, value in row.settings.items())
    found = row.state if row.value is None else f"{row.value:.4f} (EER {row.eer:.2%})"
    say(f"trial {row.number}: {found}  {tried}", sys.stderr)
