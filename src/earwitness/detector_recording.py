"""Hear a recording of any kind: open it, push its blocks through a detector's stream, mind its channels.

Where the channels of a recording differ so much that averaging them would hide one (``ChannelLevels.split``), each
channel is heard apart; the score is the largest among the channels that pass the quality gate (among all, if none
does), and the result names the channel. Channels without sound (``ChannelLevels.voices``) are left out.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from earwitness.audio.windows import Samples
from earwitness.detector_folder import DetectorInfo
from earwitness.detector_stream import ScoredWindow

if TYPE_CHECKING:
    from earwitness.audio import Audio
    from earwitness.detector import Detector

    Recording: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | Audio

#: called with seconds heard so far and seconds in all (None where the file does not say)
Progress = Callable[[float, float | None], None]
#: called with windows as they are scored, and the channel (from 0) where channels are heard apart
Windows = Callable[[Sequence[ScoredWindow], int | None], None]


@dataclass(frozen=True)
class FileScore:
    """All that was heard in a recording, before any decision.

    ``raw`` and ``llr`` are None if nothing could be scored. ``reason`` says why no confident verdict may be given, None
    if nothing speaks against one. ``channel`` counts from 0 where channels were heard apart.
    """

    raw: float | None
    llr: float | None
    windows: tuple[ScoredWindow, ...]
    speech: float
    quality: Any
    source: Any
    warnings: tuple[str, ...]
    reason: str | None
    channel: int | None = None


def score_recording(
    detector: Detector,
    source: Recording,
    *,
    window: float | None = None,
    progress: Progress | None = None,
    windows: Windows | None = None,
) -> FileScore:
    """Hear ``source`` in one pass, and once more per channel where channels differ; see :meth:`Detector.score_file`."""
    from earwitness.audio import Audio, open_audio

    if isinstance(source, Audio):
        return _hear(detector, _Decoded(source), None, window, progress, windows)
    with open_audio(source) as stream:
        whole = _hear(detector, stream, None, window, progress, windows)
        if not stream.levels.split:
            return whole
        apart = []
        for channel in stream.levels.voices:
            with stream.again(channel) as one:
                apart.append(_hear(detector, one, channel, window, progress, windows))
    return _decisive(whole, apart)


def _decisive(whole: FileScore, apart: list[FileScore]) -> FileScore:
    from earwitness.audio import channel_name

    scored = [s for s in apart if s.llr is not None]
    usable = [s for s in scored if s.reason is None] or scored
    if not usable:
        return whole
    best = max(usable, key=lambda s: -math.inf if s.llr is None else s.llr)
    names = {s.channel: channel_name(s.channel or 0, whole.source.channels) for s in apart}
    each = ", ".join(f"{names[s.channel]} " + ("none" if s.llr is None else f"{s.llr:+.2f}") for s in apart)
    note = f"the channels differ, so each with sound was scanned apart; decisive is {names[best.channel]} (llr: {each})"
    return replace(best, warnings=(*best.warnings, note))


def _hear(
    detector: Detector,
    blocks: Any,
    channel: int | None,
    window: float | None,
    progress: Progress | None,
    windows: Windows | None,
) -> FileScore:
    from earwitness.audio.gate import gate

    stream = detector.stream(window=window)
    told = 0
    for block in blocks:
        scored = stream.push(block)
        if windows is not None and scored:
            windows(scored, channel)
            told += len(scored)
        if progress is not None:
            progress(stream.seconds, blocks.source.duration)
    heard = stream.finish(blocks.levels)
    if windows is not None and len(heard.windows) > told:
        windows(heard.windows[told:], channel)
    reason, doubts = gate(heard.quality)
    warnings = (*blocks.warnings, *heard.warnings, *doubts, *_window_note(detector.info, window))
    return FileScore(
        raw=heard.raw,
        llr=heard.llr,
        windows=heard.windows,
        speech=heard.speech,
        quality=heard.quality,
        source=blocks.source,
        warnings=tuple(dict.fromkeys(warnings)),
        reason=heard.reason or reason,
        channel=channel,
    )


class _Decoded:
    """A decoded :class:`Audio` as a stream of one block."""

    def __init__(self, audio: Audio) -> None:
        self.source, self.warnings, self.levels = audio.source, list(audio.warnings), audio.levels
        self._samples = audio.samples
        if audio.channel is None and audio.levels.split:
            self.warnings.append("the channels differ, but only their average was given; scan the file to hear each")

    def __iter__(self) -> Iterator[Samples]:
        yield self._samples


def _window_note(info: DetectorInfo, window: float | None) -> list[str]:
    if window is None or window == info.window.seconds:
        return []
    return [f"windows of {window:g} s were asked for; the detector was calibrated with {info.window.seconds:g} s"]
