"""``earwitness attack``: noise that is made to fool a detector, and what input randomisation does against it.

Exit codes: 0 done; 1 a file is missing, unreadable or does not fit; 2 wrong usage.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earwitness.errors import ConfigError, TrainingError

if TYPE_CHECKING:
    from earwitness.data.manifest import Manifest
    from earwitness.detector import Detector
    from earwitness.train.attack import Plan
    from earwitness.train.attack_summary import Line


def attack(
    target: Annotated[
        str,
        typer.Argument(
            metavar="RUN_OR_DETECTOR",
            help="Detector folder ('default' is the one that ships), or run folder with a detector in it.",
            show_default=False,
        ),
    ],
    manifest: Annotated[Path, typer.Argument(help="Labelled clips.", show_default=False)],
    runs: Annotated[
        list[Path] | None,
        typer.Option("--run", help="Take gradients from this run, or from the mean of several; not from the graph."),
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of the manifest's paths.")] = None,
    split: Annotated[str | None, typer.Option(help="Split to attack; eval or test where there is one.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many clips, half of each label; 0 = all.")] = 100,
    methods: Annotated[
        list[str] | None, typer.Option("--method", help="random, fgsm or pgd; may be repeated. [default: all]")
    ] = None,
    snrs: Annotated[
        list[float] | None,
        typer.Option("--snr", help="Signal-to-noise ratio in dB; may be repeated. [default: 60, 50, 40, 30]"),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of pgd.")] = 10,
    copies: Annotated[int, typer.Option(min=1, help="Copies whose mean is the randomised score.")] = 4,
    adaptive: Annotated[bool, typer.Option(help="Also pgd through noise, which knows of the randomisation.")] = False,
    dataset: Annotated[str | None, typer.Option(help="Name of the clips in tables.")] = None,
    seed: Annotated[int, typer.Option(help="Of the clips, the noise and the randomisation.")] = 0,
    rows: Annotated[Path | None, typer.Option(help="Add rows to a results CSV.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, rates as fractions.")] = False,
) -> None:
    """Attack a detector with FGSM and PGD and let it judge the result, as it is and with randomised input.

    Gradients come from the exported graph, run by PyTorch, or from the networks of --run; what they make is written as
    a 16-bit file and scanned. The rows with the method 'random' are noise of the same size, made for nobody.
    """
    from earwitness.cli.trials import drawn, open_manifest
    from earwitness.evaluate.bench import reported_split
    from earwitness.train.attack import METHODS, SNRS, Plan

    if unknown := [m for m in methods or [] if m not in METHODS]:
        raise ConfigError(f"unknown attack {unknown[0]!r}", hint="known: " + ", ".join(METHODS))
    everything, title = open_manifest(manifest, None, root=root)
    chosen = reported_split([row.split for row in everything], split, everything.where)
    clips = drawn(everything.filter(split=chosen) if chosen else everything, limit, seed=seed)
    detector, twin = _open(target, runs or [])
    lines = _lines(detector, twin, clips, Plan(methods or METHODS, snrs or SNRS, steps, copies, adaptive, seed))
    if json:
        import dataclasses
        import json as formats

        typer.echo(formats.dumps([dataclasses.asdict(line) for line in lines], indent=1))
    else:
        _show(lines, detector, dataset or title, chosen)
    if rows is not None:
        _append(rows, lines, detector, dataset or title, chosen)


def _lines(detector: Detector, twin: Any, clips: Manifest, plan: Plan) -> list[Line]:
    """Attack all clips; on one thread, because clips are short and figures must not hang on the number of cores."""
    import torch

    from earwitness.cli.common import progress
    from earwitness.train.attack import attack as run_attack
    from earwitness.train.attack_summary import summary

    torch.set_num_threads(1)
    found = []
    with progress() as bar:
        for number, trials in enumerate(run_attack(twin, detector, clips, plan)):
            found += trials
            bar.update(number + 1, len(clips), "attacking")
    if not found:
        raise TrainingError(f"{clips.where}: no clip got a score", hint="is the split right?")
    return summary(found)


def _open(target: str, runs: list[Path]) -> tuple[Detector, Any]:
    """The detector that judges, and the twin that gives gradients."""
    from earwitness.cli.trials import is_detector, open_detector
    from earwitness.detector_folder import MODEL
    from earwitness.train.publish import load_run
    from earwitness.train.recipe import Fused
    from earwitness.train.twin import graph_twin

    folder = Path(target)
    if (folder / "recipe.json").is_file():
        runs, target = runs or [folder], str(folder / "detector")
    if not is_detector(target):
        raise ConfigError(
            f"{target!r} is no detector folder",
            hint="a run folder has one when training ended; else: earwitness export RUN -m MANIFEST -o RUN/detector",
        )
    detector = open_detector(target, jobs=1)
    if not runs:
        return detector, graph_twin((detector.folder / MODEL).read_bytes())
    networks = [load_run(run)[1] for run in runs]
    return detector, networks[0] if len(networks) == 1 else Fused(networks).eval()


def _show(lines: list[Line], detector: Detector, title: str, split: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from earwitness.cli.trials import console

    name = f"{detector.info.id} on {title} {split}: {lines[0].clips} clips"
    table = Table(title=name, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(
        ("attack", "input", "aimed SNR", "SNR, dB", "turned", "95 %", "wrong verdict", "inconclusive", "EER")
    ):
        table.add_column(head, justify="left" if index < 2 else "right")
    for line in lines:
        low, high = (f"{100 * limit:.0f}" for limit in line.interval)
        aimed, snr = ("–", "–") if line.aimed is None else (f"{line.aimed:g}", f"{line.snr:.1f}")
        rates = (line.confident_wrong, line.inconclusive, line.eer)
        shown = [f"{100 * rate:.1f}" for rate in rates]
        table.add_row(line.method, line.input, aimed, snr, f"{100 * line.success:.1f}", f"{low}–{high}", *shown)
    out = console()
    out.print(table)
    out.print(
        "Percent. Turned: of the clips on the right side of 0, those on the wrong side after; without an attack, those "
        "on the wrong side."
    )


def _append(path: Path, lines: list[Line], detector: Detector, title: str, split: str) -> None:
    from earwitness.evaluate.rows import ResultRow, append_rows, machine_name

    train = detector.info.data.get("train") or {}
    fixed = (str(train.get("recipe") or detector.info.id), str(train.get("commit") or ""), title, split, "dev")
    found = []
    for line in lines:
        aimed = "" if line.aimed is None else f", snr={line.aimed:g} dB"
        where = f"[attack={line.method}{aimed}, input={line.input}, clips={line.clips}]"
        found.append(ResultRow(*fixed, f"turned{where}", line.success, *line.interval, machine=machine_name()))
        for metric in ("confident_wrong", "inconclusive", "eer", "snr"):
            found.append(ResultRow(*fixed, f"{metric}{where}", getattr(line, metric), machine=machine_name()))
    append_rows(path, found)
