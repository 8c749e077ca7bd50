"""Do the records answer? Anyone may ask, without a key and as often as they like, so not every question is a look."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from earwitness.errors import EarwitnessError

if TYPE_CHECKING:
    from earwitness.serve.records import RecordStore

#: an id that no record has
_NOBODY = "0" * 32
#: seconds for which an answer holds, and for which one is waited for
HOLDS, PATIENCE = 2.0, 5.0


class Probe:
    """One look at a time, whoever waits for it; of a database that hangs, one thread at most."""

    def __init__(self, records: RecordStore) -> None:
        self._records = records
        self._look: asyncio.Task[bool] | None = None
        self._until = 0.0

    async def answers(self) -> bool:
        """Whether the records answered at the last look, which is new or at most two seconds old."""
        if self._look is None or (self._look.done() and time.monotonic() >= self._until):
            self._look = asyncio.create_task(self._ask())
        done, _ = await asyncio.wait([self._look], timeout=PATIENCE)
        return bool(done) and self._look.result()

    async def close(self) -> None:
        """Wait for the look that is under way."""
        if self._look is not None:
            await asyncio.wait([self._look])

    async def _ask(self) -> bool:
        try:
            await asyncio.to_thread(self._records.get, _NOBODY)
            return True
        except EarwitnessError:
            return False
        finally:
            self._until = time.monotonic() + HOLDS
