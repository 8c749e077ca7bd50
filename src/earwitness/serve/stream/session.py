"""One voice from its first byte to the verdict: what it was opened with, how it is heard, what is said about it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocketDisconnect

from earwitness.audio.live import FORMATS
from earwitness.detector_live import Decision, LiveScan, settings_of
from earwitness.errors import EarwitnessError
from earwitness.serve.access import Caller
from earwitness.serve.problems import Problem, of
from earwitness.serve.records.entry import ScanRecord, now, shown
from earwitness.serve.stream.intake import ContainerIntake, Intake, PcmIntake
from earwitness.verdict import HUMAN, SYNTHETIC

if TYPE_CHECKING:
    from earwitness.audio.windows import Samples
    from earwitness.serve.state import State

WEBM = "webm"
RATES = (8_000, 48_000)
#: samples at 16 kHz that are scored at a time, so that a long message does not hold up the others
SLICE = 32_000
#: seconds of sound after which a client hears how far the service is
PROGRESS_SECONDS = 1.0
#: seconds that a client may take to read an answer
SEND_SECONDS = 20.0

Send = Callable[[dict[str, Any]], Awaitable[None]]
_WORDS = {
    SYNTHETIC: "the voice so far is more like a generated one; evidence, not proof",
    HUMAN: "the voice so far is more like a person's; evidence, not proof",
}
_TAKEN_BACK = "the decision is taken back: the score has returned to between the limits"


@dataclass(frozen=True)
class Start:
    """What a stream is opened with: format, Hz, a name to be shown, profile, settings of the scan."""

    form: str = "pcm16"
    rate: int = 16_000
    name: str = "stream"
    profile: str | None = None
    settings: dict[str, float] = field(default_factory=dict)

    @property
    def codec(self) -> str:
        """FFmpeg's name of how the sound is coded."""
        return "opus" if self.form == WEBM else FORMATS[self.form].codec


def read_start(message: Mapping[str, Any]) -> Start:
    """The start message of ``/v1/stream``, or the custom parameters of a call.

    Raises
    ------
    Problem
        422, naming the field.

    Examples
    --------
    >>> read_start({"format": "mulaw", "rate": 8000, "prior": "0.1"})
    Start(form='mulaw', rate=8000, name='stream', profile=None, settings={'prior': 0.1})
    """
    known = {"type", "key", "format", "rate", "name", "profile", "prior", "cost_miss", "cost_false_alarm", "threshold"}
    wrong = [{"where": str(name)[:64], "message": "not known"} for name in message if name not in known]
    form, name, profile = (message.get(k) for k in ("format", "name", "profile"))
    form = "pcm16" if form is None else form
    if form not in (*FORMATS, WEBM):
        wrong.append({"where": "format", "message": f"one of {', '.join((*FORMATS, WEBM))}"})
    rate = _number(message.get("rate", 16_000))
    if rate is None or rate != int(rate) or not RATES[0] <= rate <= RATES[1]:
        wrong.append({"where": "rate", "message": f"a whole number of Hz from {RATES[0]} to {RATES[1]}"})
        rate = 0.0
    for label, value in (("name", name), ("profile", profile)):
        if value is not None and not (isinstance(value, str) and len(value) <= 255):
            wrong.append({"where": label, "message": "text of at most 255 characters"})
    settings = {}
    for label, value in settings_of(message).items():
        number = _number(value)
        if number is None:
            wrong.append({"where": label, "message": "a number"})
        else:
            settings[label] = number
    if wrong:
        named = ", ".join(w["where"] for w in wrong[:3])
        raise Problem(422, "invalid-parameters", f"not as they must be: {named}", errors=wrong[:16])
    return Start(str(form), int(rate), shown(str(name or "")) or "stream", profile, settings)


def _number(value: Any) -> float | None:
    """A finite number, also as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < 1e300 else None


class Session:
    """One voice through the service.

    Parameters
    ----------
    state:
        That of the app.
    caller:
        Who sends the sound.
    start:
        What the stream was opened with.
    send:
        Takes a message for the client.
    scoring:
        How many streams may compute at the same time.

    Raises
    ------
    Problem
        422 for settings out of range or an unknown profile.
    """

    def __init__(self, state: State, caller: Caller, start: Start, send: Send, scoring: asyncio.Semaphore) -> None:
        if start.profile not in state.detectors:
            raise Problem(422, "unknown-profile", "there is no such profile", hint="GET /v1/detectors lists them")
        self.id, self.created = uuid.uuid4().hex, now()
        self._state, self._caller, self._start, self._scoring = state, caller, start, scoring
        self._detector = state.detectors[start.profile]
        try:
            self._live = LiveScan(self._detector, None, codec=start.codec, **start.settings)
        except EarwitnessError as error:
            raise of(error) from None
        limits = state.settings
        self.intake: Intake = (
            ContainerIntake(start.name, limits.memory_bytes, limits.cpu_seconds)
            if start.form == WEBM
            else PcmIntake(start.form, start.rate, start.name)
        )
        self._send_raw, self._told, self._gone = send, 0.0, False

    def ready(self) -> dict[str, Any]:
        """The first message to the client."""
        info, limits = self._detector.info, self._live.limits
        return {
            "type": "ready",
            "id": self.id,
            "detector": info.name,
            "window": {"seconds": info.window.seconds, "hop": info.window.hop},
            "thresholds": {"human": limits.human, "synthetic": limits.synthetic},
            "format": self._start.form,
            "rate": self._start.rate,
        }

    def leave(self) -> None:
        """The client has gone: nothing more is sent, what was heard is still recorded."""
        self._gone = True

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message; a client that does not read it in time is given up."""
        if self._gone:
            return
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._send_raw(message)
        except TimeoutError:
            raise Problem(408, "request-timeout", "the client does not read its answers") from None
        except (WebSocketDisconnect, RuntimeError):
            # it has left; what it sent is heard to the end and recorded
            self.leave()

    async def run(self) -> None:
        """Hear the intake to its end, telling the client what is new.

        Raises
        ------
        Problem
            413 for more sound than is allowed, and what the intake raises.
        """
        async for block in self.intake.blocks():
            for at in range(0, len(block), SLICE):
                await self._hear(block[at : at + SLICE])
            if self._live.seconds > self._state.settings.audio_seconds:
                most = self._state.settings.audio_seconds
                raise Problem(413, "too-long", f"longer than the {most:g} s that this service takes")

    async def _hear(self, block: Samples) -> None:
        async with self._scoring:
            found = await asyncio.to_thread(self._live.push, block)
        for event in found:
            if isinstance(event, Decision):
                text = _WORDS.get(event.label, _TAKEN_BACK)
                await self.send({"type": "decision", **event.to_dict(), "text": text})
            else:
                await self.send({"type": "running", **event.to_dict(), "label": self._live.label})
        if found:
            self._told = self._live.seconds
        elif self._live.seconds >= self._told + PROGRESS_SECONDS:
            self._told = self._live.seconds
            await self.send({"type": "heard", "seconds": self._told, "speech": self._live.speech})

    async def finish(self, ended: str) -> None:
        """The verdict on all that was heard: recorded, then sent; ``ended`` says why the stream is over.

        Raises
        ------
        Problem
            422 if nothing was sent, 503 if the verdict could not be recorded.
        """
        facts = self.intake.facts()
        if not facts.source.duration:
            raise Problem(422, "no-samples", f"{self._start.name}: no sound was sent")
        async with self._scoring:
            verdict = await asyncio.to_thread(self._live.finish, facts, path=self._start.name)
        signed = self._state.sign(verdict.to_dict())
        await self._record(facts.source.sha256, signed)
        await self.send({"type": "final", "id": self.id, "ended": ended, "verdict": signed})

    async def _record(self, sha256: str, verdict: dict[str, Any]) -> None:
        record = ScanRecord(
            state="done",
            caller=self._caller.name,
            filename=self._start.name,
            sha256=sha256,
            detector=dict(verdict["detector"]),
            verdict=verdict,
            error=None,
            id=self.id,
            created=self.created,
        )
        try:
            await asyncio.to_thread(self._state.records.add, record)
        except (EarwitnessError, OSError) as error:
            self._state.log.error("stream %s could not be recorded: %s", self.id, error)
            raise Problem(503, "not-recorded", "the verdict could not be recorded") from None
