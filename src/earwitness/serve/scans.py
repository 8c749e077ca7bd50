"""Scans from the request to the record: admitted, queued, running, done or failed, each with a feed of what happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earwitness.errors import EarwitnessError
from earwitness.serve.pool import Entry, Outcome, failed, token
from earwitness.serve.problems import Problem
from earwitness.serve.records.entry import ScanRecord, now
from earwitness.serve.uploads import Upload, keep
from earwitness.serve.worker import Task
from earwitness.verdict import LABELS, Verdict

if TYPE_CHECKING:
    from earwitness.detector_folder import DetectorInfo
    from earwitness.serve.state import State

QUEUED, RUNNING, DONE, FAILED = "queued", "running", "done", "failed"
#: statuses of errors that are found again in records, which keep code and message only
_STATUS = {"too-long": 413, "too-large": 413, "memory": 413, "too-slow": 504, "cancelled": 409, "internal": 500}


class Feed:
    """Events of one scan, to be followed by any number of listeners from the first on."""

    def __init__(self) -> None:
        self._events: list[tuple[str, Any]] = []
        self._closed = False
        self._news = asyncio.Event()

    def publish(self, name: str, data: Any, *, last: bool = False) -> None:
        """Add an event."""
        self._events.append((name, data))
        self._closed = last
        self._news.set()
        self._news = asyncio.Event()

    async def follow(self) -> AsyncIterator[tuple[str, Any]]:
        """All events so far, and those to come, to the last one."""
        seen = 0
        while True:
            while seen < len(self._events):
                seen += 1
                yield self._events[seen - 1]
            if self._closed:
                return
            await self._news.wait()


@dataclass(eq=False)
class Scan:
    """A scan on its way; what has come to its end is a :class:`~earwitness.serve.records.ScanRecord`."""

    id: str
    created: str
    caller: str
    filename: str
    sha256: str
    path: Path
    state: str = QUEUED
    heard: float = 0.0
    total: float | None = None
    record: ScanRecord | None = None
    problem: Problem | None = None
    feed: Feed = field(default_factory=Feed)
    entry: Entry | None = None

    @property
    def seconds(self) -> float:
        """How long the recording is, as far as it is known."""
        return max(self.heard, self.total or 0.0)


def problem_of(error: dict[str, Any], status: int | None = None, instance: str | None = None) -> Problem:
    """The problem for the error of a scan."""
    code = str(error.get("code", "error"))
    return Problem(
        status or _STATUS.get(code, 422),
        code,
        str(error.get("message", "")),
        hint=str(error.get("hint", "")),
        instance=instance,
    )


class Scans:
    """All scans that have not come to their end."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._running: dict[str, Scan] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._admitted = 0
        self._closing = False

    @property
    def admitted(self) -> int:
        """Scans and uploads that take a place."""
        return self._admitted

    def get(self, id: str) -> Scan | None:
        """The scan ``id`` if it has not come to its end."""
        return self._running.get(id)

    def running(self) -> list[Scan]:
        """All that have not come to their end, newest first."""
        return list(reversed(self._running.values()))

    def admit(self) -> None:
        """Take a place; it is given back by :meth:`release`, or by the end of the scan that was submitted.

        Raises
        ------
        Problem
            503 with ``Retry-After`` when all are taken or the service is about to end.
        """
        settings = self._state.settings
        if self._closing or self._admitted >= settings.capacity:
            why = "the service is about to end" if self._closing else "the queue is full"
            raise Problem(503, "busy", why, hint="try again later", headers={"Retry-After": str(self._retry())})
        self._admitted += 1

    def release(self) -> None:
        """Give a place back."""
        self._admitted -= 1

    def _retry(self) -> int:
        """Seconds after which a place may be free: what is waiting, at the pace of the last scans."""
        pace = self._state.metrics.pace / self._state.settings.worker_count
        return max(1, min(60, round(pace * self._state.pool.waiting)))

    def submit(self, caller: str, upload: Upload, settings: dict[str, float], profile: str | None) -> Scan:
        """Queue the scan of an upload; takes over its file and its place."""
        scan = Scan(upload.id, now(), caller, upload.filename, upload.sha256, upload.path)
        task = Task(token(), str(upload.path), upload.filename, settings, profile, self._state.settings.audio_seconds)
        self._running[scan.id] = scan
        scan.feed.publish("state", {"id": scan.id, "state": QUEUED})

        def started() -> None:
            scan.state = RUNNING
            scan.feed.publish("state", {"id": scan.id, "state": RUNNING})

        scan.entry = self._state.pool.submit(task, lambda message: _tell(scan, message, self._keeps), started)
        runner = asyncio.create_task(self._end(scan, scan.entry, profile))
        self._tasks.add(runner)
        runner.add_done_callback(self._tasks.discard)
        return scan

    @property
    def _keeps(self) -> bool:
        return self._state.settings.keep_audio is not None

    async def answer(self, scan: Scan) -> bool:
        """Wait for the end of a scan; False if that will take so long that its caller should come back."""
        settings = self._state.settings
        try:
            async with asyncio.timeout(settings.patience_seconds):
                async for _ in scan.feed.follow():
                    if scan.record is None and scan.seconds > settings.async_seconds:
                        return False
        except TimeoutError:
            return scan.record is not None
        return True

    async def cancel(self, scan: Scan, *, code: str = "cancelled", why: str = "the scan was cancelled") -> None:
        """End a scan that is queued or running, and wait for its record."""
        if scan.entry is not None:
            self._state.pool.cancel(scan.entry, failed(409, code, f"{scan.filename}: {why}"))
        async for _ in scan.feed.follow():
            continue

    async def close(self, grace: float) -> None:
        """Admit no more, wait for what is there, and give up what is not done in ``grace`` seconds."""
        self._closing = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for scan in self.running():
            await self.cancel(scan, code="shutdown", why="the service ended before the scan did")
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _end(self, scan: Scan, entry: Entry, profile: str | None) -> None:
        outcome = _believable(await entry.done, scan, self._state.detectors[profile].info)
        folder = self._state.settings.keep_audio
        try:
            if outcome.verdict is not None and folder is not None:
                await asyncio.to_thread(keep, scan.path, folder, scan.id)
            scan.path.unlink(missing_ok=True)
            record = self._record(scan, outcome, profile)
            scan.record = await asyncio.to_thread(self._state.records.add, record)
        except Exception as error:
            if folder is not None:
                # a recording is kept for its record, never without
                (folder / scan.id).unlink(missing_ok=True)
            # a verdict without its record is not given out, and whatever went wrong, the place is given back
            self._state.log.error("scan %s could not be recorded: %r", scan.id, error)
            scan.problem = Problem(503, "not-recorded", "the scan could not be recorded", headers={"Retry-After": "10"})
        if scan.problem is None and outcome.error is not None:
            scan.problem = problem_of(outcome.error, outcome.status, f"/v1/scans/{scan.id}")
        scan.state = DONE if scan.problem is None else FAILED
        del self._running[scan.id]
        self.release()
        self._state.metrics.ended(outcome, scan.state, scan.seconds)
        self._publish(scan)

    def _publish(self, scan: Scan) -> None:
        if scan.problem is not None or scan.record is None:
            problem = scan.problem or Problem(500, "internal", "a fault in the service")
            scan.feed.publish("problem", problem.body(), last=True)
        else:
            scan.feed.publish("verdict", scan.record.verdict, last=True)

    def _record(self, scan: Scan, outcome: Outcome, profile: str | None) -> ScanRecord:
        info = self._state.detectors[profile].info
        verdict = None if outcome.verdict is None else self._state.sign(outcome.verdict)
        return ScanRecord(
            state=DONE if verdict is not None else FAILED,
            caller=scan.caller,
            filename=scan.filename,
            sha256=scan.sha256,
            detector=info.name,
            verdict=verdict,
            error=outcome.error,
            id=scan.id,
            created=scan.created,
        )


def _believable(outcome: Outcome, scan: Scan, info: DetectorInfo) -> Outcome:
    """The outcome, unless its verdict is none, or is on another recording or by another detector than this scan's.

    What a process says will be signed, and a recording may have taken it over: so it can be wrong about its own
    recording, and about nothing else.
    """
    if outcome.verdict is None:
        return outcome
    try:
        verdict = Verdict.from_dict(outcome.verdict)
        facts = (verdict.path, verdict.source["sha256"], verdict.detector)
        expected = (scan.filename, scan.sha256, info.name)
        if facts == expected and verdict.label in LABELS:
            return replace(outcome, verdict=verdict.to_dict())
    except (EarwitnessError, AttributeError, KeyError, TypeError, ValueError):
        pass
    why = f"{scan.filename}: the process that scanned it did not say what it must"
    return failed(422, "decoder-crash", why, "it is damaged or hostile", cpu=outcome.cpu, rss=outcome.rss)


def _tell(scan: Scan, message: dict[str, Any], keeps: bool) -> None:
    """Pass on what a worker says about a scan; of what it does not say as it must, nothing."""
    if message.get("opened") is True:
        if not keeps:
            # the worker has it open: from now on it has no name
            scan.path.unlink(missing_ok=True)
    elif "progress" in message:
        heard, total = message["progress"]
        scan.heard, scan.total = float(heard), None if total is None else float(total)
        scan.feed.publish("progress", {"seconds": scan.heard, "total": scan.total})
    elif "windows" in message:
        windows = [{"start": float(a), "end": float(b), "llr": float(llr)} for a, b, llr in message["windows"]]
        channel = message.get("channel")
        scan.feed.publish("windows", {"channel": None if channel is None else int(channel), "windows": windows})
