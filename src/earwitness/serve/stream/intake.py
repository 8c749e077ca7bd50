"""Bytes of a stream in, blocks of 16 kHz samples out; both sides may wait for each other, neither piles up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np

from earwitness.audio import ChannelLevels, Source
from earwitness.audio.live import PcmAudio
from earwitness.audio.windows import Samples
from earwitness.serve.pool import environment
from earwitness.serve.problems import Problem
from earwitness.serve.stream import decoder

#: blocks that wait to be scored before the sender is made to wait
WAITING = 4
#: seconds after which a decoder that takes or gives nothing is given up
STALL_SECONDS = 20.0
#: longest frame that a decoder may send
MOST_BYTES = 4 << 20
_CODES = {"memory": 413}


@dataclass(frozen=True)
class Facts:
    """What a verdict says about the sound: its source, levels and warnings."""

    source: Source
    levels: ChannelLevels
    warnings: list[str]


class Intake(Protocol):
    """What the two kinds have in common."""

    async def push(self, data: bytes, /) -> None:
        """Take bytes; waits while too much is unheard."""
        ...

    async def end(self) -> None:
        """No more will come."""
        ...

    def blocks(self) -> AsyncGenerator[Samples, None]:
        """The samples, up to the end."""
        ...

    async def close(self) -> None:
        """Free everything, wherever it stands."""
        ...

    def facts(self) -> Facts:
        """The facts, once all blocks were taken."""
        ...


class PcmIntake:
    """PCM, which NumPy reads here: no byte of it reaches a native decoder."""

    def __init__(self, form: str, rate: int, name: str) -> None:
        self._audio = PcmAudio(form, rate, name)
        self._queue: asyncio.Queue[Samples | None] = asyncio.Queue(WAITING)

    async def push(self, data: bytes, /) -> None:
        """See :class:`Intake`."""
        await self._queue.put(self._audio.push(data))

    async def end(self) -> None:
        """See :class:`Intake`."""
        await self._queue.put(self._audio.finish())
        await self._queue.put(None)

    async def blocks(self) -> AsyncGenerator[Samples, None]:
        """See :class:`Intake`."""
        while (block := await self._queue.get()) is not None:
            yield block

    async def close(self) -> None:
        """Nothing to free."""

    def facts(self) -> Facts:
        """See :class:`Intake`."""
        return Facts(self._audio.source, self._audio.levels, self._audio.warnings)


class ContainerIntake:
    """WebM through a process of its own; see :mod:`earwitness.serve.stream.decoder`.

    Parameters
    ----------
    name:
        What to call the sound.
    memory_bytes, cpu_seconds:
        Limits of the process.
    """

    def __init__(self, name: str, memory_bytes: int, cpu_seconds: int) -> None:
        self._name, self._limits = name, (memory_bytes, cpu_seconds)
        self._process: asyncio.subprocess.Process | None = None
        self._started = asyncio.Lock()
        self._ended = asyncio.Event()
        self._facts: Facts | None = None

    async def _open(self) -> asyncio.subprocess.Process:
        async with self._started:
            if self._process is None:
                words = [sys.executable, "-P", "-m", "earwitness.serve.stream.decoder"]
                self._process = await asyncio.create_subprocess_exec(
                    *words,
                    *map(str, self._limits),
                    self._name,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    env=environment(),
                    cwd="/",
                    start_new_session=True,
                )
        return self._process

    async def push(self, data: bytes, /) -> None:
        """See :class:`Intake`."""
        process = await self._open()
        if process.stdin is None or process.stdin.is_closing():
            return
        process.stdin.write(data)
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await process.stdin.drain()
        except TimeoutError:
            raise self._stalled() from None
        except ConnectionError:
            # it has ended; what it said stands on its output
            return

    async def end(self) -> None:
        """See :class:`Intake`."""
        process = await self._open()
        if process.stdin is not None:
            process.stdin.close()
        self._ended.set()

    async def blocks(self) -> AsyncGenerator[Samples, None]:
        """See :class:`Intake`.

        Raises
        ------
        Problem
            422 for what cannot be decoded, 413 beyond the limits, 504 for a decoder that hangs.
        """
        process = await self._open()
        if process.stdout is None:
            raise Problem(500, "internal", "the decoder has no output")
        while True:
            try:
                kind, length = decoder.HEAD.unpack(await self._exactly(process.stdout, decoder.HEAD.size))
                if length > MOST_BYTES:
                    raise Problem(422, "decoder-ended", f"{self._name}: the decoder broke down")
                body = await self._exactly(process.stdout, length)
            except asyncio.IncompleteReadError:
                raise Problem(422, "decoder-ended", f"{self._name}: the decoder broke down or met its limits") from None
            if kind == decoder.SAMPLES:
                yield np.frombuffer(body, "<f4")
            elif kind == decoder.FACTS:
                self._facts = _read_facts(json.loads(body))
                return
            else:
                error = json.loads(body)
                code = str(error["code"])
                raise Problem(_CODES.get(code, 422), code, str(error["message"]), hint=str(error.get("hint", "")))

    async def _exactly(self, reader: asyncio.StreamReader, count: int) -> bytes:
        """``count`` bytes; while more may come there is no hurry, afterwards there is."""
        reading = asyncio.ensure_future(reader.readexactly(count))
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait({reading, ended}, return_when=asyncio.FIRST_COMPLETED)
            async with asyncio.timeout(STALL_SECONDS):
                return await reading
        except TimeoutError:
            raise self._stalled() from None
        finally:
            ended.cancel()
            reading.cancel()

    def _stalled(self) -> Problem:
        return Problem(504, "too-slow", f"{self._name}: the decoder did not go on for {STALL_SECONDS:g} s")

    async def close(self) -> None:
        """Kill the process if it still runs."""
        if self._process is None:
            return
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()
        # the transport is closed here, not by the garbage collector after the loop has gone
        self._process._transport.close()  # type: ignore[attr-defined]

    def facts(self) -> Facts:
        """See :class:`Intake`."""
        if self._facts is None:
            raise Problem(422, "decoder-ended", f"{self._name}: the decoder gave no facts")
        return self._facts


def _read_facts(found: Mapping[str, Any]) -> Facts:
    levels = dict(found["levels"])
    levels["rms_db"] = tuple(levels["rms_db"])
    known = {f.name for f in fields(Source)}
    source = Source(**{k: v for k, v in found["source"].items() if k in known})
    return Facts(source, ChannelLevels(**levels), [str(w) for w in found["warnings"]])
