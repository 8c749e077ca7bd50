"""``earwitness scan``: recordings in; a verdict on each in words, JSON or an HTML report out.

Exit codes: 0 all scanned; 1 some input could not be scanned (the others are still reported); 2 wrong usage; 3 all
scanned and ``--fail-on`` found what it names. 1 goes before 3: a missing answer is not a good one.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from earwitness.cli.common import Bar, Silent
    from earwitness.detector import Detector
    from earwitness.verdict import Verdict

#: what is scanned in a folder; a file that is named is scanned whatever its name
_NAMES = """
3g2 3gp aac ac3 aif aifc aiff amr ape asf au avi awb caf dts eac3 flac flv gsm m2ts m4a m4b m4v mka mkv mov mp2 mp3 mp4
mpeg mpg mts mxf oga ogg ogv opus ra rm sln snd spx tta voc w64 wav wave webm wma wmv wv
"""
EXTENSIONS = frozenset(_NAMES.split())
FAIL_ON = 3


class FailOn(StrEnum):
    """What ``--fail-on`` may name."""

    synthetic = "synthetic"


_Folder = Annotated[Path | None, typer.Option(help="Detector folder in place of the one that ships.", file_okay=False)]
_Profile = Annotated[
    Path | None, typer.Option(help="Calibration and limits made by 'earwitness calibrate'.", dir_okay=False)
]
_Sign = Annotated[
    Path | None, typer.Option(help="Sign each verdict of --json or --jsonl with this private key.", dir_okay=False)
]


def scan(
    recordings: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Recordings, folders of them, or - for standard input.")
    ],
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON: one object for one file, a list for several or a folder.")
    ] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Print one JSON object per line, as each is ready.")] = False,
    html: Annotated[Path | None, typer.Option(help="Also write a report, one HTML file.", dir_okay=False)] = None,
    prior: Annotated[
        float, typer.Option(help="Probability of a generated voice before listening, between 0 and 1.")
    ] = 0.5,
    threshold: Annotated[
        float | None, typer.Option(help="One limit (LLR) in place of the detector's two: no inconclusive band.")
    ] = None,
    cost_miss: Annotated[float, typer.Option(help="Cost of calling a generated voice human.")] = 1.0,
    cost_false_alarm: Annotated[float, typer.Option(help="Cost of calling a person synthetic.")] = 1.0,
    detector: _Folder = None,
    profile: _Profile = None,
    window: Annotated[float | None, typer.Option(help="Seconds of a window in place of the detector's own.")] = None,
    sign: _Sign = None,
    jobs: Annotated[int, typer.Option(min=0, help="Files scanned at the same time; 0 = one per core.")] = 0,
    fail_on: Annotated[
        FailOn | None, typer.Option(help=f"Exit with code {FAIL_ON} if a verdict is likely synthetic.")
    ] = None,
) -> None:
    """Scan recordings for generated voices. The verdict is evidence, not proof.

    Exit codes: 0 all scanned, 1 some input could not be scanned, 2 wrong usage, 3 --fail-on found something.
    """
    from earwitness.cli.common import progress

    _check_outputs(json, jsonl, html, sign)
    inputs = list(expand(recordings))
    several = len(recordings) > 1 or any(os.path.isdir(r) for r in recordings)
    workers = min(jobs or os.cpu_count() or 1, max(1, len(inputs)))
    found = _load(detector, profile, threads=1 if workers > 1 else None)
    settings = {
        "prior": prior,
        "cost_miss": cost_miss,
        "cost_false_alarm": cost_false_alarm,
        "threshold": threshold,
        "window": window,
    }
    _check(found, settings)
    kept: list[Verdict] = []
    failed = synthetic = 0
    write = _json_writer(several, sign) if json else _jsonl_writer(sign) if jsonl else _text_writer(found, len(inputs))
    with progress() as bar:
        for verdict in _verdicts(found, inputs, settings, workers, bar):
            failed += verdict.error is not None
            synthetic += verdict.label == "likely synthetic"
            if sys.stdout.isatty():
                bar.hide()
            write(verdict)
            if html is not None:
                kept.append(verdict)
    write(None)
    if html is not None:
        _report(kept, html)
    if failed:
        raise typer.Exit(1)
    if fail_on is FailOn.synthetic and synthetic:
        raise typer.Exit(FAIL_ON)


def expand(recordings: Iterable[str]) -> Iterator[str | Verdict]:
    """Folders replaced by the recordings in them, sorted, at any depth; a folder with none gives an error entry."""
    for name in recordings:
        if name == "-" or not os.path.isdir(name):
            yield name
            continue
        found = sorted(
            os.path.join(folder, file)
            for folder, _, files in os.walk(name)
            for file in files
            if file.rpartition(".")[2].lower() in EXTENSIONS and not file.startswith(".")
        )
        yield from found
        if not found:
            yield _nothing(name)


def _nothing(name: str) -> Verdict:
    from earwitness.errors import AudioError
    from earwitness.verdict import Verdict

    error = AudioError(
        f"{name}: no recordings in this folder",
        hint="name files to scan them whatever they are called",
        code="no-files",
    )
    return Verdict.failed(name, error)


def _check_outputs(json: bool, jsonl: bool, html: Path | None, sign: Path | None) -> None:
    if json and jsonl:
        raise typer.BadParameter("give --json or --jsonl, not both")
    if sign is not None and not (json or jsonl):
        raise typer.BadParameter("--sign goes with --json or --jsonl")
    if html is not None and not html.parent.is_dir():
        raise typer.BadParameter(f"--html: there is no folder {str(html.parent)!r} to write to")


def _load(folder: Path | None, profile: Path | None, threads: int | None) -> Detector:
    from earwitness.detector import load_detector

    found = load_detector(folder, threads=threads)
    if profile is None:
        return found
    from earwitness.detector_profile import with_profile

    return with_profile(found, profile)


def _check(detector: Detector, settings: dict[str, Any]) -> None:
    """Settings out of range are wrong usage, found before any recording is opened."""
    detector.thresholds(*(settings[k] for k in ("prior", "cost_miss", "cost_false_alarm", "threshold")))
    if settings["window"] is not None:
        detector.info.window.resized(settings["window"])


def _verdicts(
    detector: Detector, inputs: Sequence[str | Verdict], settings: dict[str, Any], workers: int, bar: Bar | Silent
) -> Iterator[Verdict]:
    """Verdicts in the order of ``inputs``, ``workers`` at a time, never far ahead of what was printed."""
    if workers == 1:
        for i, item in enumerate(inputs):

            def inside(done: float, total: float | None, i: int = i, item: str | Verdict = item) -> None:
                if len(inputs) == 1:
                    bar.update(done, total, str(item))
                else:
                    bar.update(i + min(done / total, 1.0) if total else i, len(inputs), str(item))

            yield _one(detector, item, {**settings, "progress": inside})
        return
    waiting: deque[Future[Verdict]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for done, item in enumerate(inputs):
                waiting.append(pool.submit(_one, detector, item, settings))
                if len(waiting) >= 4 * workers:
                    yield waiting.popleft().result()
                    bar.update(done + 1 - len(waiting), len(inputs), str(item))
            while waiting:
                yield waiting.popleft().result()
                bar.update(len(inputs) - len(waiting), len(inputs), "")
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _one(detector: Detector, item: str | Verdict, settings: dict[str, Any]) -> Verdict:
    from earwitness.errors import AudioError, ConfigError, DetectorError, EarwitnessError
    from earwitness.verdict import Verdict

    if isinstance(item, Verdict):
        return item
    try:
        return detector.scan(sys.stdin.buffer if item == "-" else item, path=item, **settings)
    except AudioError as error:
        return Verdict.failed(item, error)
    except (ConfigError, DetectorError):
        raise
    except Exception as error:
        # a fault of ours in one recording must not cost the verdicts on the others
        fault = EarwitnessError(
            f"{item}: fault in earwitness: {error!r}", hint="please report it with the recording", code="internal"
        )
        return Verdict.failed(item, fault)


_Dump = Callable[["Verdict", int | None], str]


def _dumper(sign: Path | None) -> _Dump:
    """What writes a verdict as JSON that standard output can take: names may hold letters, or bytes, that it cannot."""
    from earwitness.cli.common import can_print

    def plain(verdict: Verdict, indent: int | None) -> str:
        text = verdict.to_json(indent=indent)
        return text if can_print(text, sys.stdout) else verdict.to_json(indent=indent, ascii_only=True)

    if sign is None:
        return plain
    from json import dumps

    from earwitness.serve.records.signing import SigningKey, sign_verdict

    key = SigningKey.read(sign)

    def signed(verdict: Verdict, indent: int | None) -> str:
        return dumps(sign_verdict(verdict.to_dict(), key), indent=indent, allow_nan=False)

    return signed


def _json_writer(several: bool, sign: Path | None) -> Callable[[Verdict | None], None]:
    from earwitness.cli.common import say

    count, dump = 0, _dumper(sign)

    def write(verdict: Verdict | None) -> None:
        nonlocal count
        if verdict is None:
            if several:
                say("\n]" if count else "[]")
            return
        if several:
            say(("," if count else "[") + "\n" + dump(verdict, 1), end="")
        else:
            say(dump(verdict, 1))
        count += 1

    return write


def _jsonl_writer(sign: Path | None) -> Callable[[Verdict | None], None]:
    from earwitness.cli.common import say

    dump = _dumper(sign)

    def write(verdict: Verdict | None) -> None:
        if verdict is not None:
            say(dump(verdict, None))

    return write


def _text_writer(detector: Detector, count: int) -> Callable[[Verdict | None], None]:
    from earwitness.cli.common import Painter, can_print, coloured, complain, say
    from earwitness.cli.scan_text import closing, describe

    paint, plain = Painter(on=coloured(sys.stdout)), not can_print("▁█–", sys.stdout)
    tally = {"likely human": 0, "inconclusive": 0, "likely synthetic": 0, "error": 0}

    def write(verdict: Verdict | None) -> None:
        if verdict is None:
            say(closing(detector, tally if count > 1 else None, paint))
        elif verdict.error is not None:
            tally["error"] += 1
            complain(verdict.error["message"], verdict.error["hint"])
        else:
            tally[str(verdict.label)] += 1
            say(describe(verdict, paint, plain=plain) + "\n")

    return write


def _report(verdicts: Sequence[Verdict], path: Path) -> None:
    from earwitness.cli.common import say
    from earwitness.report import write_report

    write_report(verdicts, path, command=shlex.join(["earwitness", *sys.argv[1:]]))
    say(f"report: {path}", sys.stderr)
