"""The question whether the service is ready costs the database little, however often it is asked."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="the extra [serve] is not installed")

from earwitness.errors import RecordError
from earwitness.serve import probe


class Records:
    """Records that count how often they are asked, and may hang or refuse."""

    def __init__(self) -> None:
        self.asked, self.error, self.gate = 0, False, threading.Event()
        self.gate.set()

    def get(self, id: str) -> None:
        self.asked += 1
        assert id == "0" * 32
        self.gate.wait(10)
        if self.error:
            raise RecordError("no database")


def test_many_questions_are_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    records: Any = Records()

    async def ask() -> None:
        found = probe.Probe(records)
        assert await asyncio.gather(*(found.answers() for _ in range(50))) == [True] * 50
        assert records.asked == 1
        records.error = True
        assert await found.answers()
        monkeypatch.setattr(probe, "HOLDS", 0.0)
        found._until = 0.0
        assert not await found.answers()
        records.error = False
        assert await found.answers()
        assert records.asked == 3
        await found.close()

    asyncio.run(ask())


def test_a_database_that_hangs_takes_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PATIENCE", 0.1)
    records: Any = Records()
    records.gate.clear()

    async def ask() -> None:
        found = probe.Probe(records)
        start = time.monotonic()
        assert await asyncio.gather(*(found.answers() for _ in range(50))) == [False] * 50
        assert not await found.answers()
        assert time.monotonic() - start < 5
        assert records.asked == 1
        records.gate.set()
        assert await found.answers()
        await found.close()

    asyncio.run(ask())
