"""The pool: worker processes (see :mod:`earwitness.serve.worker`), a queue before them, and an end to every task.

Whatever a recording does to its process, its task ends with an :class:`Outcome`: of the wall time at the latest. The
worker is then replaced where it has to be.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from earwitness.errors import DetectorError
from earwitness.serve.settings import Settings
from earwitness.serve.worker import Setup, Task

#: the longest line that is taken from a worker, and the most bytes for one task
LINE_BYTES, TASK_BYTES = 16 << 20, 64 << 20
#: a worker that cannot load within this time does not work
_LOAD_SECONDS = 120.0
#: what a worker sees of the service's environment: neither keys nor the address of a database
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "LD_LIBRARY_PATH", "TMPDIR", "SYSTEMROOT", "HOME")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

#: receives ``opened``, ``progress``, ``windows``
Listener = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Outcome:
    """How a task ended: a verdict, a page, or an error with the HTTP status that it deserves.

    ``cpu`` in seconds and ``rss`` in bytes are those of the process, as far as it is known.
    """

    verdict: dict[str, Any] | None = None
    page: str | None = None
    error: dict[str, str] | None = None
    status: int = 200
    cpu: float = 0.0
    rss: int = 0


def failed(status: int, code: str, message: str, hint: str = "", **more: Any) -> Outcome:
    """An outcome that is an error."""
    return Outcome(error={"code": code, "message": message, "hint": hint}, status=status, **more)


#: errors of the decoder that are not 422
_STATUS = {"too-long": 413, "too-large": 413, "memory": 413, "internal": 500, "detector": 500}


class Worker:
    """One worker process, seen from the service."""

    def __init__(self, setup: Setup, folder: Path, wall_seconds: float) -> None:
        self._setup, self._folder, self._wall = setup, folder, wall_seconds
        self._process: asyncio.subprocess.Process | None = None
        self._reaping: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the process and wait until it can take a task.

        Raises
        ------
        DetectorError
            If it cannot load the detector.
        """
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "earwitness.serve.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment(),
            cwd=self._folder,
            limit=LINE_BYTES,
            # a signal for the service's terminal is not for its workers, and all children end together
            start_new_session=True,
        )
        message: dict[str, Any] = {}
        try:
            await self._write(asdict(self._setup))
            async with asyncio.timeout(_LOAD_SECONDS):
                message = await anext(self._messages(), {})
        except (OSError, TimeoutError, ValueError):
            message = {}
        except BaseException:
            await self.kill()
            raise
        if "ready" not in message:
            await self.kill()
            error = message.get("failed") or {}
            raise DetectorError(
                error.get("message", "a worker process could not start"), hint=error.get("hint", "see the log")
            )

    async def run(self, task: Task, listener: Listener) -> Outcome:
        """Do one task. Afterwards the worker may have ended; see :attr:`alive`."""
        outcome: Outcome | None = None
        key = token()
        try:
            async with asyncio.timeout(self._wall):
                await self._write(asdict(task), key)
                async for message in self._messages():
                    if message.get("key") == key:
                        return _ended(outcome, message, task.name)
                    # a line without the token is none of this task's
                    if outcome is None and message.pop("token", None) == task.token:
                        outcome = _outcome(message)
                        if outcome is None:
                            listener(message)
        except TimeoutError:
            await self.kill()
            return failed(504, "too-slow", f"{task.name}: not done within {self._wall:g} s", "send a shorter recording")
        except (OSError, ValueError, TypeError, KeyError, RecursionError, DetectorError):
            # a broken pipe, or a line that is no message: the process does not do what it was made for
            await self.kill()
            return _crashed(task.name)
        except BaseException:
            await self.kill()
            raise
        await self.kill()
        return _crashed(task.name)

    async def kill(self) -> None:
        """End the process and its child at once."""
        process, self._process = self._process, None
        if process is not None:
            self._reaping = asyncio.create_task(_reap(process))
        # whoever is cancelled while waiting for this does not keep it from being done
        if self._reaping is not None:
            await asyncio.shield(self._reaping)

    async def _messages(self) -> AsyncIterator[dict[str, Any]]:
        """What the process says, until it ends or has said too much."""
        taken = 0
        while self._process is not None and self._process.stdout is not None:
            line = await self._process.stdout.readline()
            taken += len(line)
            if not line.endswith(b"\n") or taken > TASK_BYTES:
                return
            message = json.loads(line)
            if isinstance(message, dict):
                yield message

    async def _write(self, message: dict[str, Any], *lines: str) -> None:
        if self._process is None or self._process.stdin is None:
            raise DetectorError("the worker process has ended")
        text = "\n".join([json.dumps(message), *lines, ""])
        self._process.stdin.write(text.encode("ascii"))
        await self._process.stdin.drain()


async def _reap(process: asyncio.subprocess.Process) -> None:
    # it may be gone already
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdin is not None:
        process.stdin.close()
    # what it still had to say is read, so that its pipe closes
    while process.stdout is not None and await process.stdout.read(1 << 16):
        continue
    await process.wait()


def _outcome(message: dict[str, Any]) -> Outcome | None:
    if isinstance(message.get("verdict"), dict):
        return Outcome(verdict=message["verdict"])
    if isinstance(message.get("page"), str):
        return Outcome(page=message["page"])
    if isinstance(message.get("error"), dict):
        error = {key: str(message["error"].get(key, "")) for key in ("code", "message", "hint")}
        return Outcome(error=error, status=_STATUS.get(error["code"], 422))
    return None


def _ended(outcome: Outcome | None, message: dict[str, Any], name: str) -> Outcome:
    """The outcome of a child that has ended, which may have said nothing before."""
    # kilobytes on Linux, bytes on macOS
    rss = int(message["rss"]) * (1 if sys.platform == "darwin" else 1024)
    used: dict[str, Any] = {"cpu": float(message["cpu"]), "rss": rss}
    if outcome is not None:
        return Outcome(**{**outcome.__dict__, **used})
    if message["end"] == -signal.SIGXCPU:
        return failed(504, "too-slow", f"{name}: took more processor time than is allowed", **used)
    if message["end"] == -signal.SIGKILL:
        return failed(413, "memory", f"{name}: its process was ended by the system, as for want of memory", **used)
    return _crashed(name, **used)


def _crashed(name: str, **used: Any) -> Outcome:
    return failed(422, "decoder-crash", f"{name}: the decoder broke down on it", "it is damaged or hostile", **used)


@dataclass(eq=False)
class Entry:
    """A task in the pool."""

    task: Task
    listener: Listener
    started: Callable[[], None]
    done: asyncio.Future[Outcome]
    runner: asyncio.Task[Outcome] | None = field(default=None, repr=False)


class Pool:
    """Workers and the queue before them. Use within one event loop: :meth:`open`, :meth:`submit`, :meth:`close`."""

    def __init__(self, settings: Settings, detector: str, profiles: dict[str, str], folder: Path) -> None:
        self._setup = Setup(detector, profiles, settings.memory_bytes, settings.cpu_seconds)
        self._workers = [Worker(self._setup, folder, settings.wall_seconds) for _ in range(settings.worker_count)]
        self._queue: asyncio.Queue[Entry] = asyncio.Queue()
        self._loops: list[asyncio.Task[None]] = []
        self.replaced = 0

    @property
    def alive(self) -> int:
        """Workers that can take a task, or are at one."""
        return sum(worker.alive for worker in self._workers)

    @property
    def waiting(self) -> int:
        """Tasks that no worker has taken yet."""
        return self._queue.qsize()

    async def open(self) -> None:
        """Start all workers.

        Raises
        ------
        DetectorError
            If one cannot load the detector.
        """
        try:
            await asyncio.gather(*(worker.start() for worker in self._workers))
        except BaseException:
            await asyncio.gather(*(worker.kill() for worker in self._workers))
            raise
        self._loops = [asyncio.create_task(self._work(worker)) for worker in self._workers]

    def submit(self, task: Task, listener: Listener, started: Callable[[], None]) -> Entry:
        """Put a task into the queue; ``started`` is called when a worker takes it. Await ``done`` of the entry."""
        entry = Entry(task, listener, started, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(entry)
        return entry

    def cancel(self, entry: Entry, outcome: Outcome) -> None:
        """Give up a task, wherever it is, with ``outcome``; one that is done stays as it is."""
        if entry.runner is not None:
            entry.runner.cancel()
        if not entry.done.done():
            entry.done.set_result(outcome)

    async def close(self) -> None:
        """Give up what is left, and end all workers."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await asyncio.gather(*(worker.kill() for worker in self._workers))

    async def _work(self, worker: Worker) -> None:
        while True:
            if not worker.alive:
                await self._replace(worker)
            entry = await self._queue.get()
            if entry.done.done():
                continue
            entry.started()
            entry.runner = asyncio.create_task(worker.run(entry.task, entry.listener))
            try:
                await asyncio.wait([entry.runner])
            except asyncio.CancelledError:
                entry.runner.cancel()
                await asyncio.wait([entry.runner])
                raise
            if not entry.done.done():
                fault = entry.runner.exception()
                entry.done.set_result(
                    entry.runner.result() if fault is None else failed(500, "internal", "a fault in the service")
                )

    async def _replace(self, worker: Worker) -> None:
        pause = 0.1
        while True:
            self.replaced += 1
            try:
                await worker.start()
                return
            except (DetectorError, OSError):
                # /ready tells that none is left; the queue fills up and callers get 503
                await asyncio.sleep(pause)
                pause = min(2 * pause, 10.0)


def environment() -> dict[str, str]:
    """What a process that reads recordings sees of the service's environment: no key, no address of a database.

    Examples
    --------
    >>> environment()["OMP_NUM_THREADS"], "EARWITNESS_RECORDS" in environment()
    ('1', False)
    """
    return {k: os.environ[k] for k in _ENVIRONMENT if k in os.environ} | dict.fromkeys(_THREADS, "1")


def token() -> str:
    """What a worker's messages on one task must carry; nothing that ran before can know it."""
    return secrets.token_hex(16)
