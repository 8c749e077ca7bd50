"""The detector: a recording in, a :class:`~earwitness.verdict.Verdict` out.

A :class:`Detector` is a folder (see :mod:`earwitness.detector_folder`) with its network in memory. One pass over the
recording decodes it, finds speech, measures quality and scores windows, in memory that does not grow with duration.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from earwitness.audio.windows import Samples, WindowPlan
from earwitness.calibrate import Thresholds, probability, threshold_for
from earwitness.detector_folder import CARD, MODEL, DetectorInfo, read_detector, write_detector
from earwitness.detector_recording import FileScore, Progress, Windows, score_recording
from earwitness.detector_session import open_session
from earwitness.detector_stream import BATCH, DetectorStream, KnownSpeech, Meter, ScoredWindow, SpeechFrames
from earwitness.error_cells import quote
from earwitness.errors import AudioError, ConfigError, DetectorError
from earwitness.pooling import spans
from earwitness.verdict import Verdict, decide

if TYPE_CHECKING:
    from earwitness.audio.vad import SpeechDetector
    from earwitness.detector_recording import Recording


@dataclass(frozen=True)
class Score:
    """The score of an array of samples: raw, calibrated, per window; ``speech`` in seconds."""

    raw: float
    llr: float
    windows: tuple[ScoredWindow, ...]
    speech: float


class Detector:
    """A trained detector that scores samples and scans recordings.

    Use :func:`load_detector` or :meth:`load`. Scoring is safe from several threads at once.

    Parameters
    ----------
    folder:
        A detector folder.
    threads:
        Cores that the network may use for one batch; None = 2, or 1 on a machine with one.
    device:
        Where the network runs: ``cpu`` or ``cuda``.

    Raises
    ------
    DetectorError
        If the folder does not hold a sound detector.

    Attributes
    ----------
    info:
        The checked contents of ``detector.json``.
    """

    def __init__(self, folder: str | os.PathLike[str], *, threads: int | None = None, device: str = "cpu") -> None:
        self.folder, self.device = Path(folder), device
        self.threads = threads if threads is not None else min(2, os.cpu_count() or 1)
        if self.threads < 1:
            raise ConfigError(f"threads is {threads}; at least 1 is needed")
        self.info: DetectorInfo = read_detector(self.folder)
        self._session = open_session(self.folder / MODEL, threads=self.threads, device=device)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, threads: int | None = None) -> Detector:
        """The detector in ``folder``."""
        return cls(folder, threads=threads)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write a copy to ``folder``."""
        model, card = (self.folder / MODEL).read_bytes(), (self.folder / CARD).read_text(encoding="utf-8")
        write_detector(Path(folder), self.info.data, model, card)

    def __reduce__(self) -> tuple[Any, ...]:
        # the facts go along: a profile may have changed them (see earwitness.detector_profile)
        return _reload, (self.folder, self.threads, self.device), {"info": self.info}

    def __repr__(self) -> str:
        return f"Detector({str(self.folder)!r}, id={self.info.id!r}, version={self.info.version!r})"

    @cached_property
    def _speech(self) -> SpeechDetector:
        from earwitness.audio.vad import SpeechDetector

        return SpeechDetector()

    def logits(self, waveforms: Samples) -> NDArray[np.float32]:
        """The network alone: (batch, samples) float32 at 16 kHz to (batch,) raw scores, higher = spoof."""
        (out,) = self._session.run(["logit"], {"waveform": waveforms})
        return np.asarray(out, dtype=np.float32).reshape(-1)

    def stream(self, *, window: float | None = None, quality: bool = True, batch: int = BATCH) -> DetectorStream:
        """A stream to push 16 kHz mono blocks into; see :class:`~earwitness.detector_stream.DetectorStream`.

        Parameters
        ----------
        window:
            Seconds of a window in place of the detector's own; the calibration was made for its own.
        quality:
            Whether to measure quality on the way.
        batch:
            Windows scored together; 1 for live use.
        """
        plan = self.info.window if window is None else self.info.window.resized(window)
        meter: Meter | None = None
        if quality:
            from earwitness.audio.quality import QualityMeter

            meter = QualityMeter()
        return self._new_stream(plan, meter, batch)

    def _new_stream(
        self, plan: WindowPlan, meter: Meter | None, batch: int = BATCH, speech: SpeechFrames | None = None
    ) -> DetectorStream:
        info, speech = self.info, speech or self._speech.stream()
        return DetectorStream(
            self.logits, plan, info.calibration, info.pooling, speech=speech, meter=meter, batch=batch
        )

    def score(self, samples: NDArray[Any], *, speech: NDArray[np.float32] | None = None) -> Score:
        """The score of ``samples``.

        Parameters
        ----------
        samples:
            (n,) float, mono, 16 kHz, in [-1, 1]; at least 0.3 s.
        speech:
            (frames, 2) from the speech detector, if it has run already.

        Raises
        ------
        AudioError
            If the array is not (n,), too short or not finite.
        """
        x = np.asarray(samples, dtype=np.float32)
        if x.ndim != 1:
            raise AudioError(f"samples have shape {x.shape}; expected (n,)", hint="average the channels first")
        if not np.isfinite(x).all():
            raise AudioError("samples hold NaN or infinite values", code="not-finite")
        stream = self._new_stream(self.info.window, None, speech=None if speech is None else KnownSpeech(speech))
        stream.push(x)
        heard = stream.finish()
        if heard.raw is None or heard.llr is None:
            raise AudioError(f"samples cannot be scored: {heard.reason}", code="too-short")
        return Score(heard.raw, heard.llr, heard.windows, heard.speech)

    def score_file(
        self,
        source: Recording,
        *,
        window: float | None = None,
        progress: Progress | None = None,
        windows: Windows | None = None,
    ) -> FileScore:
        """Hear a recording in one pass (and once more per channel where channels differ) without deciding anything.

        Raises
        ------
        AudioError
            If the recording cannot be read.
        """
        return score_recording(self, source, window=window, progress=progress, windows=windows)

    def scan(
        self,
        source: Recording,
        *,
        prior: float = 0.5,
        cost_miss: float = 1.0,
        cost_false_alarm: float = 1.0,
        threshold: float | None = None,
        window: float | None = None,
        progress: Progress | None = None,
        windows: Windows | None = None,
        path: str | None = None,
    ) -> Verdict:
        """The verdict on one recording.

        Parameters
        ----------
        source:
            A path, the bytes of a file, an open binary file, or an :class:`~earwitness.audio.Audio`.
        prior:
            Probability of a generated voice before listening, in (0, 1).
        cost_miss, cost_false_alarm:
            Costs of calling a generated voice human and of calling a person synthetic; only their ratio counts. The
            detector's limits were chosen at prior 0.5 and equal costs; both move by the change of the Bayes threshold
            (:func:`~earwitness.calibrate.threshold_for`), which leaves the band between them as wide as it was.
        threshold:
            One limit in LLR in place of both: above it synthetic, below it human. Prior and costs do not move it. The
            limit for spans moves along with that for synthetic.
        window:
            Seconds of a window in place of the detector's own.
        progress:
            Called after each block of about 10 s.
        windows:
            Called with windows as they are scored.
        path:
            The name in the verdict; that of the source unless given.

        Raises
        ------
        AudioError
            If the recording cannot be read.
        ConfigError
            For a setting out of range.
        """
        # a setting out of range is found before the recording is heard
        self.thresholds(prior, cost_miss, cost_false_alarm, threshold)
        heard = self.score_file(source, window=window, progress=progress, windows=windows)
        costs = {"cost_miss": cost_miss, "cost_false_alarm": cost_false_alarm}
        return self.judge(heard, prior=prior, threshold=threshold, path=path, **costs)

    def judge(
        self,
        heard: FileScore,
        *,
        prior: float = 0.5,
        cost_miss: float = 1.0,
        cost_false_alarm: float = 1.0,
        threshold: float | None = None,
        path: str | None = None,
    ) -> Verdict:
        """The verdict on what was heard already; settings as for :meth:`scan`, which is hearing and judging in one."""
        limits = self.thresholds(prior, cost_miss, cost_false_alarm, threshold)
        shift = limits.synthetic - self.info.thresholds.synthetic
        quality, facts = heard.quality.to_dict(), heard.source.to_dict()
        own, wide_for = self.limits_for(quality, facts["codec"])
        if threshold is None:
            limits = own.shifted(shift)
        label, reason = decide(heard.llr, limits, heard.reason, wide_for=wide_for if threshold is None else "")
        scored = tuple(w.stretch() for w in heard.windows)
        return Verdict(
            path=path if path is not None else str(facts["path"]),
            label=label,
            llr=heard.llr,
            probability=None if heard.llr is None else probability(heard.llr, prior),
            prior=prior,
            costs={"miss": cost_miss, "false_alarm": cost_false_alarm},
            thresholds=limits,
            windows=scored,
            # what the gate refuses has no stretch that may be called generated either
            spans=() if heard.reason else tuple(spans(scored, self.info.spans.shifted(shift))),
            source=facts,
            quality=quality,
            warnings=heard.warnings,
            reason=reason,
            channel=heard.channel,
            detector=self.info.name,
            version=_version(),
            error_rates=quote(self.info.error_rates, quality, facts["codec"], own_limits=limits == own),
        )

    def thresholds(
        self,
        prior: float = 0.5,
        cost_miss: float = 1.0,
        cost_false_alarm: float = 1.0,
        threshold: float | None = None,
    ) -> Thresholds:
        """The limits that :meth:`scan` uses for these settings."""
        shift = threshold_for(prior, cost_miss, cost_false_alarm)
        if threshold is None:
            return self.info.thresholds.shifted(shift)
        if not math.isfinite(threshold):
            raise ConfigError(f"threshold is {threshold}; it must be a finite log-likelihood ratio")
        return Thresholds(threshold, threshold)

    def limits_for(self, quality: Mapping[str, Any], codec: str) -> tuple[Thresholds, str]:
        """The detector's own limits for audio with these facts, and in words which of them make the limits wide.

        ``quality`` and ``codec`` as for :func:`~earwitness.error_cells.cell_of`.
        """
        from earwitness.detector_limits import for_audio

        return for_audio(self.info.limits, quality, codec)


def _version() -> str:
    import earwitness

    return earwitness.__version__


def _reload(folder: Path, threads: int, device: str) -> Detector:
    return Detector(folder, threads=threads, device=device)


def default_folder() -> Path:
    """Where the detector that ships with the package lies."""
    return Path(__file__).parent / "assets" / "default"


def load_detector(
    folder: str | os.PathLike[str] | None = None, *, threads: int | None = None, device: str = "cpu"
) -> Detector:
    """The detector in ``folder``; the one that ships with the package if None.

    Parameters
    ----------
    folder:
        A detector folder.
    threads:
        Cores that the network may use for one batch; None = 2, or 1 on a machine with one.
    device:
        Where the network runs: ``cpu`` or ``cuda``.

    Raises
    ------
    DetectorError
        If there is none, or it is not sound.

    Examples
    --------
    >>> load_detector("nowhere")
    Traceback (most recent call last):
        ...
    earwitness.errors.DetectorError: nowhere: no such detector folder (a detector is a folder with detector.json in it)
    """
    if folder is not None:
        return Detector(folder, threads=threads, device=device)
    if not (default_folder() / "detector.json").is_file():
        raise DetectorError(
            "no detector ships with this copy of earwitness", hint="name a detector folder, such as --detector FOLDER"
        )
    return Detector(default_folder(), threads=threads, device=device)


@cache
def _default() -> Detector:
    return load_detector()


@overload
def scan(source: Recording, **settings: Any) -> Verdict: ...
@overload
def scan(source: list[Any] | tuple[Any, ...], **settings: Any) -> list[Verdict]: ...


def scan(source: Any, *, detector: Detector | str | os.PathLike[str] | None = None, **settings: Any) -> Any:
    """The verdict on a recording by the detector that ships with the package, or another.

    Parameters
    ----------
    source:
        What :meth:`Detector.scan` takes, or a list of such: then the answer is a list, in which a recording that cannot
        be read has an entry with its error. A single recording that cannot be read raises.
    detector:
        A :class:`Detector` or a detector folder.
    settings:
        Those of :meth:`Detector.scan`: ``prior``, ``cost_miss``, ``cost_false_alarm``, ``threshold``, ``window``.

    Examples
    --------
    >>> import earwitness
    >>> earwitness.scan("call.wav", detector="nowhere")
    Traceback (most recent call last):
        ...
    earwitness.errors.DetectorError: nowhere: no such detector folder (a detector is a folder with detector.json in it)
    """
    if not isinstance(detector, Detector):
        detector = _default() if detector is None else load_detector(detector)
    if not isinstance(source, list | tuple):
        return detector.scan(source, **settings)
    return list(_each(source, detector, settings))


def _each(sources: Iterable[Any], detector: Detector, settings: Mapping[str, Any]) -> Iterator[Verdict]:
    for item in sources:
        try:
            yield detector.scan(item, **settings)
        except AudioError as error:
            yield Verdict.failed(str(item) if isinstance(item, str | os.PathLike) else "<bytes>", error)
