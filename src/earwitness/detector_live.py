"""Judge a voice while it is still speaking: running scores, and a decision as soon as it is safe.

A :class:`LiveScan` is pushed 16 kHz blocks. Each scored window changes the *running score*: the pooled score of the
windows of the last :attr:`LiveRule.memory` seconds, calibrated by the speech in them. A :class:`Decider` looks at it
again and again, so the detector's limits alone would not do: each look is another chance to be wrong. It decides when
enough speech was heard, the quality gate has nothing against it, and the running score lay beyond a limit by a margin
for several windows in a row; it takes a decision back when the score returns to the limit for as many windows. How
often that is wrong and how long it takes is measured by ``bench/stream.py``.

At the end :meth:`LiveScan.finish` gives the verdict on the whole, the same as a scan of the recording.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from earwitness.audio.windows import Samples
from earwitness.calibrate import Thresholds, probability
from earwitness.detector_recording import FileScore
from earwitness.detector_stream import ScoredWindow
from earwitness.errors import ConfigError
from earwitness.pooling import pool
from earwitness.verdict import HUMAN, INCONCLUSIVE, SYNTHETIC, Verdict

if TYPE_CHECKING:
    from earwitness.detector import Detector

#: samples that are heard at a time
STEP = 1600


@dataclass(frozen=True)
class LiveRule:
    """When a live decision is made.

    Parameters
    ----------
    speech:
        Seconds of speech that must have been heard.
    margin:
        Nats by which the running score must lie beyond a limit.
    hold:
        Windows in a row for which it must.
    memory:
        Seconds of sound that the running score looks back.

    Raises
    ------
    ConfigError
        For a value out of range.
    """

    speech: float = 4.0
    margin: float = 0.25
    hold: int = 2
    memory: float = 60.0

    def __post_init__(self) -> None:
        if self.speech < 0 or self.margin < 0 or self.hold < 1 or self.memory <= 0:
            raise ConfigError(
                f"speech {self.speech}, margin {self.margin}, hold {self.hold}, memory {self.memory}: out of range",
                hint="speech and margin at least 0, hold at least 1, memory above 0",
            )


@dataclass(frozen=True)
class Running:
    """The state after one more window.

    ``llr`` and ``probability`` are those of the running score, ``speech`` and ``seconds`` what was heard so far,
    ``thresholds`` the limits for audio like what was heard, ``reason`` what the quality gate has against a decision.
    """

    window: ScoredWindow
    llr: float
    probability: float
    speech: float
    seconds: float
    thresholds: Thresholds
    reason: str | None

    def to_dict(self) -> dict[str, Any]:
        """As it stands in a message of the stream."""
        return {**asdict(self), "window": self.window.stretch().to_dict() | {"speech": round(self.window.speech, 3)}}


@dataclass(frozen=True)
class Decision:
    """A change of mind: ``label`` as in a verdict, after ``speech`` seconds of speech and ``seconds`` of sound."""

    label: str
    llr: float
    speech: float
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """As it stands in a message of the stream."""
        return asdict(self)


class Decider:
    """The rule applied to running scores, one after the other; see the module.

    Examples
    --------
    >>> decider, limits = Decider(LiveRule(speech=4, margin=0, hold=2)), Thresholds(-1.0, 1.0)
    >>> [decider.step(llr, speech, limits) for llr, speech in ((2, 3), (2, 4), (2, 6), (0.5, 8), (0.5, 10))]
    [None, None, 'likely synthetic', None, 'inconclusive']
    """

    def __init__(self, rule: LiveRule) -> None:
        self._rule = rule
        self.label = INCONCLUSIVE
        self._wanted, self._count = INCONCLUSIVE, 0

    def step(self, llr: float, speech: float, limits: Thresholds, reason: str | None = None) -> str | None:
        """The new label if the mind changes now, else None; ``limits`` may change with what is heard."""
        wanted = self._says(llr, limits) if speech >= self._rule.speech and reason is None else INCONCLUSIVE
        self._count = self._count + 1 if wanted == self._wanted else 1
        self._wanted = wanted
        if wanted == self.label or self._count < self._rule.hold:
            return None
        self.label = wanted
        return wanted

    def _says(self, llr: float, limits: Thresholds) -> str:
        # what is decided already stands as long as the score does not come back to the limit itself
        up = limits.synthetic + (0.0 if self.label == SYNTHETIC else self._rule.margin)
        down = limits.human - (0.0 if self.label == HUMAN else self._rule.margin)
        return SYNTHETIC if llr > up else HUMAN if llr < down else INCONCLUSIVE


class LiveScan:
    """One voice, heard while it speaks.

    Parameters
    ----------
    detector:
        Its session may be shared by many.
    rule:
        When to decide.
    codec:
        FFmpeg's name of how the sound was coded, for the limits that hold for such audio; empty = not known.
    settings:
        ``prior``, ``cost_miss``, ``cost_false_alarm`` and ``threshold``, as for
        :meth:`~earwitness.detector.Detector.scan`.

    Raises
    ------
    ConfigError
        For a setting out of range.

    Attributes
    ----------
    limits:
        The limits in LLR that these settings give for audio at its best; what is heard may move them apart.

    Examples
    --------
    >>> import numpy as np
    >>> from earwitness.detector import load_detector
    >>> live = LiveScan(load_detector())
    >>> live.push(np.zeros(80_000, dtype=np.float32)), live.label
    ([], 'inconclusive')
    """

    def __init__(self, detector: Detector, rule: LiveRule | None = None, *, codec: str = "", **settings: Any) -> None:
        self.limits: Thresholds = detector.thresholds(**settings)
        self._detector, self._settings, self._codec = detector, settings, codec
        self._rule = rule or LiveRule()
        self._stream = detector.stream(batch=1)
        self._recent: deque[ScoredWindow] = deque()
        self._decider = Decider(self._rule)
        self._rest: Samples = np.zeros(0, dtype=np.float32)

    @property
    def seconds(self) -> float:
        """Seconds heard so far, in steps of a tenth."""
        return self._stream.seconds

    @property
    def speech(self) -> float:
        """Seconds of speech found so far; what was said in the last half second is not known yet."""
        return self._stream.speech_between(0.0, self._stream.seconds)

    @property
    def label(self) -> str:
        """What is decided at present."""
        return self._decider.label

    def push(self, block: Samples) -> list[Running | Decision]:
        """Take 16 kHz mono samples (n,), float32; what is new, in order of time.

        How the samples are cut into blocks changes nothing: they are heard in steps of a tenth of a second.
        """
        held = np.concatenate([self._rest, np.asarray(block, dtype=np.float32)])
        whole = held.size - held.size % STEP
        self._rest = held[whole:].copy()
        out: list[Running | Decision] = []
        for at in range(0, whole, STEP):
            for window in self._stream.push(held[at : at + STEP]):
                out += self._step(window)
        return out

    def _step(self, window: ScoredWindow) -> list[Running | Decision]:
        running = self._run(window)
        label = self._decider.step(running.llr, running.speech, running.thresholds, running.reason)
        if label is None:
            return [running]
        return [running, Decision(label, running.llr, running.speech, running.seconds)]

    def _run(self, window: ScoredWindow) -> Running:
        from earwitness.audio.gate import gate

        self._recent.append(window)
        while self._recent[0].start < window.end - self._rule.memory and len(self._recent) > 1:
            self._recent.popleft()
        raw = pool([w.raw for w in self._recent], [w.fresh for w in self._recent], self._detector.info.pooling)
        recent = self._stream.speech_between(self._recent[0].start, window.end)
        llr = float(self._detector.info.calibration.apply(raw, recent))
        quality = self._stream.quality()
        share = probability(llr, float(self._settings.get("prior", 0.5)))
        return Running(window, llr, share, self.speech, self.seconds, self._limits_for(quality), gate(quality)[0])

    def _limits_for(self, quality: Any) -> Thresholds:
        """The limits that a scan of what was heard so far would use."""
        if self._settings.get("threshold") is not None:
            return self.limits
        own, _ = self._detector.limits_for(quality.to_dict(), self._codec)
        return own.shifted(self.limits.synthetic - self._detector.info.thresholds.synthetic)

    def finish(self, facts: Any, *, path: str | None = None) -> Verdict:
        """The verdict on all that was pushed.

        Parameters
        ----------
        facts:
            Has ``source``, ``levels`` and ``warnings``, as :class:`~earwitness.audio.live.PcmAudio` has.
        path:
            The name in the verdict; that of the source unless given.
        """
        from earwitness.audio.gate import gate

        self._stream.push(self._rest)
        heard = self._stream.finish(facts.levels)
        reason, doubts = gate(heard.quality)
        score = FileScore(
            raw=heard.raw,
            llr=heard.llr,
            windows=heard.windows,
            speech=heard.speech,
            quality=heard.quality,
            source=facts.source,
            warnings=tuple(dict.fromkeys((*facts.warnings, *heard.warnings, *doubts))),
            reason=heard.reason or reason,
        )
        return self._detector.judge(score, path=path, **self._settings)


def settings_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a scan among ``given``, those that are None left out.

    Examples
    --------
    >>> settings_of({"prior": 0.1, "threshold": None, "rate": 8000})
    {'prior': 0.1}
    """
    names = ("prior", "cost_miss", "cost_false_alarm", "threshold")
    return {name: given[name] for name in names if given.get(name) is not None}
