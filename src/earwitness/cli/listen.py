"""``earwitness listen``: judge a voice while it speaks, from a microphone or a pipe.

Exit codes: 0 done; 1 the sound could not be read; 2 wrong usage; 3 ``--fail-on`` found what it names, in a decision on
the way or in the verdict at the end.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from earwitness.cli.scan import FAIL_ON, FailOn

if TYPE_CHECKING:
    from earwitness.audio.windows import Samples
    from earwitness.detector import Detector
    from earwitness.detector_live import Decision, LiveScan, Running
    from earwitness.verdict import Verdict

#: bytes of raw PCM that are read at a time: what has come is heard at once
_PIECE = 4096

Say = Callable[["Running | Decision | Verdict", "LiveScan"], None]


class Format(StrEnum):
    """What ``--format`` may name."""

    auto = "auto"
    pcm16 = "pcm16"
    mulaw = "mulaw"


def listen(
    source: Annotated[
        str, typer.Argument(metavar="[-]", help="- for standard input; the microphone if left out.")
    ] = "",
    form: Annotated[
        Format, typer.Option("--format", help="Of standard input: raw PCM, or auto for a container (wav, webm, ogg …).")
    ] = Format.auto,
    rate: Annotated[int, typer.Option(help="Hz of raw PCM.")] = 16_000,
    device: Annotated[str, typer.Option(help="Name of the microphone, as 'arecord -L' lists them.")] = "default",
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Stop after so much sound.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line, as each is ready.")] = False,
    prior: Annotated[
        float, typer.Option(help="Probability of a generated voice before listening, between 0 and 1.")
    ] = 0.5,
    cost_miss: Annotated[float, typer.Option(help="Cost of calling a generated voice human.")] = 1.0,
    cost_false_alarm: Annotated[float, typer.Option(help="Cost of calling a person synthetic.")] = 1.0,
    detector: Annotated[
        Path | None, typer.Option(help="Detector folder in place of the one that ships.", file_okay=False)
    ] = None,
    profile: Annotated[
        Path | None, typer.Option(help="Calibration and limits made by 'earwitness calibrate'.", dir_okay=False)
    ] = None,
    fail_on: Annotated[
        FailOn | None, typer.Option(help=f"Exit with code {FAIL_ON} if a decision or the verdict is likely synthetic.")
    ] = None,
) -> None:
    """Judge a voice while it speaks: running scores, a decision as soon as it is safe, the verdict at the end.

    Ctrl-C ends the listening, not the judging. The verdict at the end is that of a scan of the same sound.
    """
    from earwitness.detector_live import LiveScan
    from earwitness.verdict import SYNTHETIC

    if source not in ("", "-"):
        raise typer.BadParameter("the source is - or left out; recordings are judged by: earwitness scan")
    if source == "" and form is not Format.auto:
        raise typer.BadParameter("--format is for standard input: earwitness listen - --format pcm16")
    found = _load(detector, profile)
    settings = {"prior": prior, "cost_miss": cost_miss, "cost_false_alarm": cost_false_alarm}
    # settings out of range are wrong usage, found before anything is opened
    found.thresholds(**settings)
    say, alarm = _json_sayer() if as_json else _text_sayer(found), False
    with ExitStack() as stack:
        facts, blocks = _open(stack, source, form, rate, device)
        live = LiveScan(found, None, codec=facts.source.codec, **settings)
        for event in _hear(live, blocks, seconds):
            alarm |= getattr(event, "label", None) == SYNTHETIC
            say(event, live)
        verdict = live.finish(facts, path=source or "microphone")
    say(verdict, live)
    if fail_on is FailOn.synthetic and (alarm or verdict.label == SYNTHETIC):
        raise typer.Exit(FAIL_ON)


def _load(folder: Path | None, profile: Path | None) -> Detector:
    from earwitness.detector import load_detector
    from earwitness.detector_profile import with_profile

    found = load_detector(folder, threads=1)
    return found if profile is None else with_profile(found, profile)


def _open(stack: ExitStack, source: str, form: Format, rate: int, device: str) -> tuple[Any, Iterator[Samples]]:
    """What knows the facts of the sound, and its blocks."""
    from earwitness.audio.live import PcmAudio, PipeAudio
    from earwitness.audio.microphone import Microphone

    if source == "-" and form is Format.auto:
        pipe = stack.enter_context(PipeAudio(sys.stdin.buffer, "-"))
        return pipe, iter(pipe)
    if source == "-":
        pcm = PcmAudio(form.value, rate, "-")
        return pcm, _pushed(pcm, _pieces(sys.stdin.buffer))
    microphone = stack.enter_context(Microphone(device))
    pcm = PcmAudio("pcm16", microphone.rate, "microphone")
    return pcm, _pushed(pcm, iter(microphone))


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    read = getattr(file, "read1", file.read)
    while data := read(_PIECE):
        yield data


def _pushed(audio: Any, pieces: Iterator[bytes]) -> Iterator[Samples]:
    try:
        for data in pieces:
            yield audio.push(data)
    except KeyboardInterrupt:
        # what came so far is heard to its end
        pass
    yield audio.finish()


def _hear(live: LiveScan, blocks: Iterator[Samples], seconds: float | None) -> Iterator[Running | Decision]:
    from earwitness.audio import SAMPLE_RATE

    left = None if seconds is None else round(seconds * SAMPLE_RATE)
    try:
        for block in blocks:
            yield from live.push(block if left is None else block[:left])
            if left is not None:
                left -= len(block)
                if left <= 0:
                    return
    except KeyboardInterrupt:
        return


def _json_sayer() -> Say:
    from earwitness.cli.common import say
    from earwitness.detector_live import Decision, Running

    def write(event: Running | Decision | Verdict, live: LiveScan) -> None:
        if isinstance(event, Running):
            message = {"type": "running", **event.to_dict(), "label": live.label}
        elif isinstance(event, Decision):
            message = {"type": "decision", **event.to_dict()}
        else:
            message = {"type": "final", "verdict": event.to_dict()}
        say(json.dumps(message, allow_nan=False))

    return write


def _text_sayer(detector: Detector) -> Say:
    from earwitness.cli.common import Painter, can_print, clock, coloured, say
    from earwitness.cli.scan_text import closing, describe
    from earwitness.detector_live import Decision, Running

    paint, plain = Painter(on=coloured(sys.stdout)), not can_print("▁█–", sys.stdout)
    colours = {"likely human": "green", "inconclusive": "yellow", "likely synthetic": "red"}

    def write(event: Running | Decision | Verdict, live: LiveScan) -> None:
        if isinstance(event, Running):
            line = f"{clock(event.seconds):>9}  window {event.window.llr:+6.2f}  so far {event.llr:+6.2f}  {live.label}"
            say(line + (f" ({event.reason})" if event.reason else ""))
        elif isinstance(event, Decision):
            head = f"{clock(event.seconds):>9}  decided after {event.speech:.1f} s of speech: "
            say(head + paint(event.label.upper(), "bold", colours[event.label]) + f", LLR {event.llr:+.2f}")
        else:
            say("\n" + describe(event, paint, plain=plain) + "\n")
            say(closing(detector, None, paint))

    return write
