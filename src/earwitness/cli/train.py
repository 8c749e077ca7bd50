"""``earwitness train``: a recipe and a manifest in, a run folder and a detector folder out."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earwitness.cli.common import Bar, Silent, progress, say

if TYPE_CHECKING:
    from earwitness.train.classical_compare import Compared
    from earwitness.train.loop import Outcome
    from earwitness.train.material import Material


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name, or a TOML file.", show_default=False)],
    manifest: Annotated[
        Path,
        typer.Option(
            "--manifest",
            "-m",
            help="Rows with the splits train and dev, or a folder that 'earwitness data images' wrote.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Run folder; goes on where it was stopped.")] = Path("runs"),
    detector: Annotated[
        Path | None, typer.Option(help="Detector folder to write; the run folder's own unless given.")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder that the manifest's paths start from.")] = None,
    cache: Annotated[Path, typer.Option(help="Where decoded audio is kept between runs.")] = Path(".cache/audio"),
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Another setting, as name=value; may be given several times.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes that decode, and that hear dev in the end.", min=1)] = 1,
    budget: Annotated[
        float, typer.Option(help="Stop after so many minutes of training; looks at dev are not counted.", min=0)
    ] = 0.0,
    pretrained: Annotated[
        bool, typer.Option("--pretrained/--no-pretrained", help="No: train from random weights, not pretrained ones.")
    ] = True,
    track: Annotated[list[str] | None, typer.Option(help="Where else rows go: tensorboard, wandb.")] = None,
    export: Annotated[bool, typer.Option(help="Write the detector folder when training ends.")] = True,
) -> None:
    """Train a detector, choose its weights on dev, and write it with calibration, thresholds and measured error rates.

    Rows of other splits than train and dev are not looked at. A second call with the same recipe and folder goes on
    where the first one stopped. A folder of pictures trains a recipe on mel_image from the files; the detector is
    measured on the recordings that they were made of. A recipe with a table [classical] compares classical models by
    cross-validation over the sources of train, and exports the best.
    """
    from earwitness.train.classical_recipe import is_classical

    if is_classical(recipe):
        changed = [*(settings or []), *([f"classical.minutes={budget}"] if budget else [])]
        _classical(recipe, changed, manifest, root, out, detector, cache, jobs)
        return
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    from earwitness.train.loop import Run
    from earwitness.train.material import open_material
    from earwitness.train.recipe import load_recipe

    limit = [f"run.minutes={budget}"] if budget else []
    chosen = load_recipe(recipe, [*(settings or []), *limit, *([] if pretrained else ["pretrained=false"])])
    # one process decodes, the others find it done
    with PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU")).main_process_first():
        material = open_material(manifest, chosen, cache, root=root, jobs=jobs)
    folder = out / chosen.name if out == Path("runs") else out
    with progress() as bar:
        run = Run(chosen, material, folder, report=partial(_line, bar), tick=partial(_tick, bar), track=track or ())
        if main := run.accelerator.is_main_process:
            say(f"{folder}: {sum(p.numel() for p in run.network.parameters()):,} parameters", sys.stderr)
        outcome = run.fit()
    if main:
        _say_outcome(outcome)
    if main and export:
        _export(folder, material, detector or folder / "detector", jobs)


def _export(folder: Path, material: Material, target: Path, jobs: int) -> None:
    from earwitness.train.history import revision
    from earwitness.train.publish import publish

    publish([folder], material.recordings(), target, commit=revision(), jobs=jobs)
    say(str(target))


def _say_outcome(outcome: Outcome) -> None:
    say(
        f"{outcome.steps} steps ({outcome.epochs:.1f} epochs) in {outcome.minutes:.1f} min, stopped by "
        f"{outcome.stopped_by}; {outcome.waiting:.1%} of the time spent waiting for data",
        sys.stderr,
    )
    say(f"best on dev at step {outcome.best['step']:.0f}: EER {outcome.best['eer']:.2%}", sys.stderr)


def _classical(
    name: str,
    changed: list[str],
    manifest: Path,
    root: Path | None,
    out: Path,
    detector: Path | None,
    cache: Path,
    jobs: int,
) -> None:
    from earwitness.data.manifest import read_manifest
    from earwitness.train.classical import train_classical
    from earwitness.train.classical_recipe import load_classical
    from earwitness.train.history import revision

    recipe = load_classical(name, changed)
    folder = out / recipe.name if out == Path("runs") else out
    target = detector or folder / "detector"
    with progress() as bar:
        outcome = train_classical(
            recipe,
            read_manifest(manifest, root=root),
            folder,
            cache=cache,
            detector=target,
            commit=revision(),
            jobs=jobs,
            report=partial(_compared, bar),
            tick=lambda split, done, total: bar.update(done, total, f"features of {split}"),
        )
    say(
        f"chosen: {outcome.model}, EER {outcome.eer_folds:.2%} over sources of train, {outcome.eer_dev:.2%} on dev; "
        f"{outcome.clips} clips in {outcome.minutes:.1f} min, {outcome.stopped_by}",
        sys.stderr,
    )
    say(str(target))


def _compared(bar: Bar | Silent, line: Compared) -> None:
    bar.hide()
    say(
        f"{line.model:24} EER {line.eer:.2%} (± {line.spread:.2%})  AUC {line.auc:.4f}  {line.seconds:.0f} s  "
        f"ONNX: {line.export}",
        sys.stderr,
    )


def _tick(bar: Bar | Silent, step: int, share: float) -> None:
    bar.update(1000 * share, 1000, f"step {step}")


def _line(bar: Bar | Silent, row: dict[str, float]) -> None:
    bar.hide()
    say(
        f"step {row['step']:.0f}  loss {row['loss']:.3f}  dev EER {row['eer']:.2%}  "
        f"over systems {row['eer_systems']:.2%}  {row['minutes']:.1f} min",
        sys.stderr,
    )
