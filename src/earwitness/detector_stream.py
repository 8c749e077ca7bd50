"""Hear a recording once, block by block: speech, quality, windows, scores. Memory does not grow with duration.

A :class:`DetectorStream` takes blocks of 16 kHz mono samples and gives windows as soon as they are scored.

- A window is scored if it holds at least :data:`SPEECH_SECONDS` of speech or :data:`SPEECH_SHARE` of itself.
- If no window does, the :data:`SPARE` windows with most speech are scored at the end, so that there is a score even
  where the verdict will be "inconclusive".
- The recording's raw score pools the windows' raw scores, each weighed by the speech that no window before it held, so
  that every second counts once and a few samples more change next to nothing; it is calibrated by the seconds of speech
  in the whole recording. A window's own LLR is calibrated as if the window were all there is.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from earwitness.audio import SAMPLE_RATE
from earwitness.audio.vad import FRAME, THRESHOLD
from earwitness.audio.windows import Cutter, Samples, WindowPlan, tile
from earwitness.pooling import Stretch, pool

if TYPE_CHECKING:
    from earwitness.calibrate import Calibration

SPEECH_SECONDS = 0.5
SPEECH_SHARE = 0.25
#: least seconds of decoded audio for any score
LEAST_SECONDS = 0.3
#: windows kept for a recording in which none holds enough speech
SPARE = 8
#: windows of one length that are scored together
BATCH = 8

Frames = NDArray[np.float32]


class SpeechFrames(Protocol):
    """What a stream of the speech detector offers: (frames, 2) probabilities of speech and music."""

    def push(self, block: Samples, /) -> Frames:
        """The frames that are decided after this block."""
        ...

    def flush(self) -> Frames:
        """The frames that are left."""
        ...


class Meter(Protocol):
    """What the quality meter offers to a stream."""

    def push(self, block: Samples, frames: Frames, /) -> None:
        """Take a block and the speech frames that were decided with it."""
        ...

    def result(self, levels: Any = None, /) -> Any:
        """The quality of all that was pushed."""
        ...


class KnownSpeech:
    """Speech frames (n, 2) that are there already, as a stream."""

    def __init__(self, frames: Frames) -> None:
        self._frames = np.asarray(frames, dtype=np.float32).reshape(len(frames), -1)

    def push(self, block: Samples, /) -> Frames:  # noqa: ARG002 - the shape of a stream
        """All frames, at the first block."""
        frames, self._frames = self._frames, self._frames[:0]
        return frames

    def flush(self) -> Frames:
        """Nothing, or all frames if there was no block."""
        return self._frames


@dataclass(frozen=True, slots=True)
class ScoredWindow:
    """One window: seconds from the start, raw score, LLR, seconds of speech, and of speech in no window before it."""

    start: float
    end: float
    raw: float
    llr: float
    speech: float
    fresh: float

    def stretch(self) -> Stretch:
        """The window as it stands in a verdict."""
        return Stretch(self.start, self.end, self.llr)


@dataclass(frozen=True)
class Heard:
    """What came out of a whole stream.

    ``raw`` and ``llr`` are None where nothing could be scored, and ``reason`` says why. ``speech`` is in seconds.
    """

    raw: float | None
    llr: float | None
    windows: tuple[ScoredWindow, ...]
    speech: float
    seconds: float
    quality: Any = None
    reason: str | None = None
    warnings: tuple[str, ...] = ()


class DetectorStream:
    """Scores what is pushed into it.

    Parameters
    ----------
    run:
        (batch, samples) float32 -> (batch,) raw scores.
    plan, calibration, pooling:
        As in ``detector.json``.
    speech:
        A stream of the speech detector.
    meter:
        The quality meter, or None.
    batch:
        Windows scored together; 1 gives each window as soon as it is complete.

    Examples
    --------
    >>> from earwitness.calibrate import Affine, Calibration
    >>> plan, calibration = WindowPlan(4.0, 2.0, 1.0), Calibration((), (Affine(2.0, 0.5),))
    >>> all_speech = KnownSpeech(np.ones((188, 2), dtype=np.float32))
    >>> stream = DetectorStream(lambda x: x.mean(axis=1), plan, calibration, "mean", speech=all_speech)
    >>> stream.push(np.ones(6 * SAMPLE_RATE, dtype=np.float32))
    []
    >>> heard = stream.finish()
    >>> [(w.start, w.end) for w in heard.windows], heard.llr
    ([(0.0, 4.0), (2.0, 6.0)], 2.5)
    """

    def __init__(
        self,
        run: Callable[[Samples], NDArray[np.floating[Any]]],
        plan: WindowPlan,
        calibration: Calibration,
        pooling: str,
        *,
        speech: SpeechFrames,
        meter: Meter | None = None,
        batch: int = BATCH,
    ) -> None:
        self._run, self._plan, self._calibration, self._pooling = run, plan, calibration, pooling
        self._speech, self._meter, self._batch = speech, meter, batch
        self._cutter = Cutter(plan)
        self._waiting: deque[tuple[int, Samples]] = deque()
        self._ready: list[tuple[int, float, Samples]] = []
        self._spare: list[tuple[float, int, Samples]] = []
        self._voiced = np.zeros(4096, dtype=bool)
        self._known = 0
        self._windows: list[ScoredWindow] = []
        self._broken = 0
        self._scored_to = 0

    @property
    def seconds(self) -> float:
        """Seconds pushed so far."""
        return self._cutter.total / SAMPLE_RATE

    def speech_between(self, start: float, end: float) -> float:
        """Seconds of speech known so far between two times, in seconds from the start."""
        return self._speech_between(round(start * SAMPLE_RATE), round(end * SAMPLE_RATE))

    def quality(self) -> Any:
        """The quality of what was pushed so far, None without a meter; for use before :meth:`finish`."""
        return self._meter.result() if self._meter is not None else None

    def push(self, block: Samples) -> list[ScoredWindow]:
        """Take a block (n,) of 16 kHz mono samples; the windows that were scored now, maybe none."""
        block = np.ascontiguousarray(block, dtype=np.float32)
        frames = self._speech.push(block)
        self._note(frames)
        if self._meter is not None:
            self._meter.push(block, frames)
        self._waiting.extend(self._cutter.push(block))
        self._sort(everything=False)
        return self._score(least=self._batch)

    def finish(self, levels: Any = None) -> Heard:
        """The score of the whole; ``levels`` are those of the audio stream, for the quality facts."""
        frames = self._speech.flush()
        self._note(frames)
        if self._meter is not None:
            self._meter.push(np.empty(0, dtype=np.float32), frames)
        self._waiting.extend(self._cutter.finish())
        self._sort(everything=True)
        enough = self.seconds >= LEAST_SECONDS
        if enough:
            self._score(least=1)
            if not self._windows and not self._broken:
                self._ready = sorted(((-at, speech, x) for speech, at, x in self._spare), key=lambda item: item[0])
                self._score(least=1)
        quality = self._meter.result(levels) if self._meter is not None else None
        return self._result(quality, enough)

    def _result(self, quality: Any, enough: bool) -> Heard:
        speech = self._speech_between(0, self._cutter.total)
        warnings: tuple[str, ...] = ()
        if self._broken:
            warnings = (f"{self._broken} windows got no finite score from the detector and were left out",)
        if not self._windows:
            reason = "the detector gave no finite score"
            if not enough:
                reason = f"only {self.seconds:.2f} s of audio; at least {LEAST_SECONDS} s are needed for a score"
            return Heard(None, None, (), speech, self.seconds, quality, reason, warnings)
        raw = pool([w.raw for w in self._windows], [w.fresh for w in self._windows], self._pooling)
        llr = float(self._calibration.apply(raw, speech))
        return Heard(raw, llr, tuple(self._windows), speech, self.seconds, quality, None, warnings)

    def _note(self, frames: Frames) -> None:
        need = self._known + len(frames)
        if need > self._voiced.size:
            self._voiced = np.concatenate([self._voiced, np.zeros(max(need, self._voiced.size), dtype=bool)])
        self._voiced[self._known : need] = frames[:, 0] >= THRESHOLD
        self._known = need

    def _speech_between(self, start: int, end: int) -> float:
        first, last = (math.ceil(at / FRAME - 0.5) for at in (start, end))
        return int(self._voiced[first : min(last, self._known)].sum()) * FRAME / SAMPLE_RATE

    def _sort(self, *, everything: bool) -> None:
        """Move windows whose speech is known to those to be scored or those kept in case none is."""
        while self._waiting:
            start, samples = self._waiting[0]
            if not everything and start + samples.size > self._known * FRAME:
                return
            self._waiting.popleft()
            speech = self._speech_between(start, start + samples.size)
            if speech >= min(SPEECH_SECONDS, SPEECH_SHARE * samples.size / SAMPLE_RATE):
                self._ready.append((start, speech, samples))
            elif not self._windows and not self._ready:
                # equal speech: the earlier window wins; starts differ, so samples are never compared
                heapq.heappush(self._spare, (speech, -start, samples))
                if len(self._spare) > SPARE:
                    heapq.heappop(self._spare)

    def _score(self, *, least: int) -> list[ScoredWindow]:
        out: list[ScoredWindow] = []
        while len(self._ready) >= max(1, least):
            part, self._ready = self._ready[: self._batch], self._ready[self._batch :]
            length = max(samples.size for _, _, samples in part)
            x = np.stack([tile(samples, self._plan.scored_length(length)) for _, _, samples in part])
            for (start, speech, samples), raw in zip(part, self._run(x).tolist(), strict=True):
                if not math.isfinite(raw):
                    self._broken += 1
                    continue
                llr = float(self._calibration.apply(raw, speech))
                end = start + samples.size
                fresh = self._speech_between(max(start, self._scored_to), end)
                self._scored_to = end
                out.append(ScoredWindow(start / SAMPLE_RATE, end / SAMPLE_RATE, raw, llr, speech, fresh))
        self._windows += out
        return out
