"""The backend of one machine: a process per core, each with a thread and a session of its own.

Why processes and not one session that is fed from all cores: see ``docs/batch.md``, with figures. A process that
dies (a fault in a decoder, no memory left) is replaced; the recording that it was at is tried again by another,
and when the third dies, the recording's row says so. A process that takes too long over one is ended.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from signal import Signals
from typing import Any

from earwitness.batch.items import Item, Job
from earwitness.batch.rows import Row, failed
from earwitness.batch.worker import ONE_THREAD, work
from earwitness.errors import EarwitnessError

AHEAD = 2
"""Items that a process holds: the one that it is at, and the next, so that it need not wait for the parent."""
TRIES = 3
_MOST_FALSE_STARTS = 3


def cores() -> int:
    """Cores that this process may use.

    Examples
    --------
    >>> cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def rows(items: Iterator[Item], job: Job, crew: Any = None) -> Iterator[Row]:
    """One row an item, in the order in which they are done.

    Parameters
    ----------
    items:
        Taken as they are needed, never more than :data:`AHEAD` a process.
    job:
        How to hear them.
    crew:
        A :class:`~earwitness.batch.run.Crew`: how many processes.
    """
    jobs = (crew.jobs if crew is not None else 0) or cores()
    pool = Pool(job, jobs)
    try:
        yield from pool.run(items)
    finally:
        pool.close()


class _Hand:
    """One process, what it was given and has not answered, and since when it is at the first of that."""

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, job), daemon=True)
        with _single_threaded():
            self.process.start()
        theirs.close()
        self.given: deque[tuple[Item, int]] = deque()
        self.ready = False
        self.since = time.monotonic()

    def give(self, item: Item, tries: int) -> None:
        if not self.given:
            self.since = time.monotonic()
        self.given.append((item, tries))
        try:
            self.pipe.send(item)
        except (BrokenPipeError, ConnectionResetError):
            # it has died; the loop finds out by its closed end and gives the item to another
            return

    @property
    def takes(self) -> bool:
        """Whether it may be given one more: contents would block the parent until it has read them."""
        if not self.ready or len(self.given) >= AHEAD:
            return False
        return not self.given or all(item.data is None for item, _ in self.given)

    def end(self) -> str:
        """End it and say how it ended."""
        self.pipe.close()
        self.process.join(timeout=1.0)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        code = self.process.exitcode or 0
        if code < 0:
            try:
                return Signals(-code).name
            except ValueError:
                return f"signal {-code}"
        return f"exit code {code}"


@contextmanager
def _single_threaded() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class Pool:
    """Processes that hear items; see the module.

    Parameters
    ----------
    job:
        How to hear them.
    jobs:
        How many processes, at least 1. They are started as items come.
    """

    def __init__(self, job: Job, jobs: int) -> None:
        self._job, self._jobs = job, jobs
        self._hands: list[_Hand] = []
        self._again: deque[tuple[Item, int]] = deque()
        self._false_starts = 0

    @property
    def pids(self) -> list[int]:
        """The processes' ids."""
        return [hand.process.pid for hand in self._hands if hand.process.pid is not None]

    def close(self) -> None:
        """End all processes; what they were at is lost."""
        for hand in self._hands:
            hand.process.kill()
            hand.end()
        self._hands = []

    def run(self, items: Iterator[Item]) -> Iterator[Row]:
        """One row an item, in the order in which they are done; the processes stay for the next call.

        Raises
        ------
        EarwitnessError
            If the detector cannot be loaded, or processes die before they have heard anything.
        """
        more = True
        while True:
            more = self._hand_out(items, more)
            if not more and not self._again and not any(hand.given for hand in self._hands):
                return
            yield from self._collect()

    def _hand_out(self, items: Iterator[Item], more: bool) -> bool:
        """Give every process that takes one an item; whether there may be more."""
        while more or self._again:
            hand = min((h for h in self._hands if h.takes), key=lambda h: len(h.given), default=None)
            if hand is None or hand.given:
                # an idle process goes before a second item for a busy one; a new process before both
                if len(self._hands) < self._jobs:
                    self._hands.append(_Hand(self._job))
                    continue
                if hand is None:
                    break
            if self._again:
                hand.give(*self._again.popleft())
                continue
            item = next(items, None)
            if item is None:
                more = False
            else:
                hand.give(item, 1)
        return more

    def _collect(self) -> Iterator[Row]:
        waiting = {hand.pipe: hand for hand in self._hands}
        for pipe in wait(list(waiting), timeout=self._patience()):
            hand = waiting[pipe]  # type: ignore[index]
            try:
                answer = hand.pipe.recv()
            except (EOFError, ConnectionResetError):
                yield from self._bury(hand)
                continue
            if isinstance(answer, EarwitnessError):
                raise answer
            if not hand.ready:
                hand.ready, self._false_starts = True, 0
                continue
            hand.given.popleft()
            hand.since = time.monotonic()
            yield answer
        yield from self._late()

    def _patience(self) -> float | None:
        if self._job.timeout is None:
            return None
        busy = [hand.since for hand in self._hands if hand.given]
        return max(0.0, min(busy) + self._job.timeout - time.monotonic()) if busy else None

    def _late(self) -> Iterator[Row]:
        """End the processes that are over the time for their recording."""
        limit = self._job.timeout
        for hand in [h for h in self._hands if h.given and limit and time.monotonic() - h.since >= limit]:
            item, _ = hand.given.popleft()
            hand.process.kill()
            self._replace(hand)
            words = f"{item.path}: given up after {limit:g} s"
            yield failed(item, {"code": "timeout", "message": words, "hint": "give more time with --timeout"})

    def _bury(self, hand: _Hand) -> Iterator[Row]:
        """What becomes of the items of a process that died."""
        if not hand.ready:
            self._false_starts += 1
            ended = self._replace(hand)
            if self._false_starts >= _MOST_FALSE_STARTS:
                raise EarwitnessError(
                    f"{self._false_starts} processes in a row died while they loaded the detector ({ended})",
                    hint="is there enough memory? try fewer --jobs",
                    code="crashed",
                )
            return
        first = hand.given.popleft() if hand.given else None
        ended = self._replace(hand)
        if first is None:
            return
        item, tries = first
        if tries < TRIES and not item.spooled:
            self._again.append((item, tries + 1))
            return
        words = f"{item.path}: the process that read it died ({ended}), {tries} times"
        yield failed(item, {"code": "crashed", "message": words, "hint": "please report it with the recording"})

    def _replace(self, hand: _Hand) -> str:
        self._hands.remove(hand)
        self._again.extend(hand.given)
        return hand.end()
