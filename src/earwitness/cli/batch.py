"""``earwitness batch``: a folder, a bucket, a manifest or tar shards in; one row a recording out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from earwitness.batch.run import Progress, Summary
    from earwitness.cli.common import Bar, Silent

_LINE_EVERY = 30.0


class Backend(StrEnum):
    """Who does the work."""

    local = "local"
    ray = "ray"


class Device(StrEnum):
    """Where the network runs."""

    cpu = "cpu"
    cuda = "cuda"


_Source = Annotated[
    str,
    typer.Argument(
        help="Folder, glob, manifest (.csv .tsv .jsonl .parquet with a column path), tar shards "
        "(part-{00..99}.tar), file, or the address of one: s3://, gs://, https:// …"
    ),
]
_Out = Annotated[Path, typer.Option("--out", "-o", help="File to write: .parquet, .jsonl or .csv.", dir_okay=False)]
_Jobs = Annotated[int, typer.Option(min=0, help="Processes, or actors of Ray; 0 = one for each core.")]
_Ordered = Annotated[
    bool, typer.Option("--ordered/--unordered", help="Rows in the order of the source, or as they were done.")
]
_Overwrite = Annotated[bool, typer.Option("--overwrite", help="Begin anew; else what is done is kept.")]
_Retry = Annotated[bool, typer.Option("--retry-failed", help="Hear again what has an error for a row.")]
_Timeout = Annotated[
    float | None, typer.Option(min=0.1, help="Seconds after which a recording is given up; default: never.")
]
_Root = Annotated[str | None, typer.Option(help="Folder or address that a manifest's paths are relative to.")]
_Folder = Annotated[Path | None, typer.Option(help="Detector folder in place of the one that ships.", file_okay=False)]
_Profile = Annotated[
    Path | None, typer.Option(help="Calibration and limits made by 'earwitness calibrate'.", dir_okay=False)
]
_Threshold = Annotated[float | None, typer.Option(help="One limit (LLR) in place of the detector's two.")]
_Window = Annotated[float | None, typer.Option(help="Seconds of a window in place of the detector's own.")]
_Address = Annotated[
    str | None, typer.Option(help="A running Ray: auto, host:port or ray://host:port; else one is started here.")
]
_Gpus = Annotated[float, typer.Option(min=0.0, help="GPUs of each Ray actor, such as 0.25.")]
_Store = Annotated[int | None, typer.Option(min=80, metavar="MB", help="Most that Ray's object store may hold.")]


def batch(
    source: _Source,
    out: _Out,
    backend: Annotated[Backend, typer.Option(help="This machine, or Ray.")] = Backend.local,
    jobs: _Jobs = 0,
    ordered: _Ordered = True,
    overwrite: _Overwrite = False,
    retry_failed: _Retry = False,
    timeout: _Timeout = None,
    root: _Root = None,
    detector: _Folder = None,
    profile: _Profile = None,
    prior: Annotated[float, typer.Option(help="Probability of a generated voice before listening.")] = 0.5,
    threshold: _Threshold = None,
    cost_miss: Annotated[float, typer.Option(help="Cost of calling a generated voice human.")] = 1.0,
    cost_false_alarm: Annotated[float, typer.Option(help="Cost of calling a person synthetic.")] = 1.0,
    window: _Window = None,
    ray_address: _Address = None,
    gpus: _Gpus = 0.0,
    object_store: _Store = None,
    device: Annotated[Device, typer.Option(help="Where the network runs.")] = Device.cpu,
) -> None:
    """Score every recording of a source; stopped, it goes on where it was when called again.

    A recording that cannot be scored has a row with its error. Called again on a finished output, it adds what is new.

    Exit codes: 0 every recording has a score, 1 the output is whole but some rows are errors, 2 wrong usage.
    """
    from earwitness.batch.items import Job
    from earwitness.batch.run import Crew, run_batch
    from earwitness.batch.sources import open_source
    from earwitness.cli.common import progress, say

    job = Job(
        detector=str(detector) if detector is not None else None,
        profile=str(profile) if profile is not None else None,
        prior=prior,
        cost_miss=cost_miss,
        cost_false_alarm=cost_false_alarm,
        threshold=threshold,
        window=window,
        timeout=timeout,
        device=device.value,
    )
    size = None if object_store is None else object_store * 1_000_000
    crew = Crew(backend.value, jobs, ray_address=ray_address, gpus=gpus, object_store=size)
    found = open_source(source, root=root)
    with progress() as bar:
        summary = run_batch(
            found,
            out,
            job=job,
            crew=crew,
            ordered=ordered,
            overwrite=overwrite,
            retry=retry_failed,
            progress=_teller(bar),
        )
    say(f"{out}: {in_words(summary)}")
    if summary.failed:
        raise typer.Exit(1)


def _teller(bar: Bar | Silent) -> Callable[[Progress], None]:
    """Shows progress on a terminal; else a line from time to time."""
    from earwitness.cli.common import say

    last = time.monotonic()

    def tell(state: Progress) -> None:
        nonlocal last
        text = how_far(state)
        bar.update(state.done, state.total, text)
        if not sys.stderr.isatty() and time.monotonic() - last >= _LINE_EVERY:
            last = time.monotonic()
            say(text, sys.stderr)

    return tell


def how_far(state: Progress) -> str:
    """Progress in words.

    Examples
    --------
    >>> from earwitness.batch.run import Progress
    >>> how_far(Progress(done=1500, total=9000, fresh=1000, heard=36000.0, failed=2, seconds=50.0))
    '1,500 of 9,000 files, 20.0/s, 720 × real time, 2 failed, 6:15.0 left'
    """
    from earwitness.cli.common import clock

    total = f" of {state.total:,}" if state.total is not None else ""
    words = [f"{state.done:,}{total} files", f"{state.rate:.1f}/s"]
    if state.seconds > 0:
        words.append(f"{state.heard / state.seconds:.0f} × real time")
    if state.failed:
        words.append(f"{state.failed:,} failed")
    if state.left is not None:
        words.append(f"{clock(state.left)} left")
    return ", ".join(words)


def in_words(summary: Summary) -> str:
    """What a batch came to, in words.

    Examples
    --------
    >>> from earwitness.batch.run import Summary
    >>> in_words(Summary(rows=3, verdicts={"inconclusive": 2}, errors={"not-audio": 1}, hours=0.5))
    '3 rows, 0.5 h of audio: 2 inconclusive, 1 error (1 not-audio); nothing was left to do'
    """
    counts = [f"{n:,} {name}" for name, n in sorted(summary.verdicts.items())]
    if summary.failed:
        kinds = ", ".join(f"{n:,} {code}" for code, n in sorted(summary.errors.items()))
        counts.append(f"{summary.failed:,} error{'s' if summary.failed > 1 else ''} ({kinds})")
    did = "nothing was left to do"
    if summary.fresh:
        speed = summary.fresh_hours * 3600 / summary.seconds
        did = f"{summary.fresh:,} heard in {summary.seconds:.1f} s ({speed:.0f} × real time)"
    return f"{summary.rows:,} rows, {summary.hours:.1f} h of audio: {', '.join(counts) or 'none'}; {did}"
