"""The WebSocket routes: who may open a stream, how many, what a message may be, and how a stream ends.

A client has two ways to show its key: the header ``Authorization``, checked before the WebSocket is opened, or the
field ``key`` of its first message, for browsers and telephone systems, which cannot send headers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from earwitness.serve.access import Caller, presented
from earwitness.serve.problems import Problem, of, response
from earwitness.serve.stream.session import Session, read_start

if TYPE_CHECKING:
    from earwitness.serve.state import State

#: seconds for the first message
START_SECONDS = 10.0
#: bytes of a first or a control message, and of a message with sound
CONTROL_BYTES, SOUND_BYTES = 16 << 10, 256 << 10
#: WebSocket close codes by status; anything else is 1011, a fault of ours
_CLOSE = {400: 1007, 401: 1008, 403: 1008, 408: 1008, 413: 1009, 422: 1007, 429: 1013, 503: 1013, 504: 1013}


class Door:
    """Lets clients in: origin, key, number of streams."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.open = 0
        self.scoring = asyncio.Semaphore(state.settings.worker_count)

    def check_origin(self, websocket: WebSocket) -> None:
        """Refuse pages of other origins: a browser lets any page open a WebSocket to any address.

        Raises
        ------
        Problem
            403.
        """
        origin, host = websocket.headers.get("origin"), websocket.headers.get("host", "")
        if origin is None or origin in self.state.settings.origins or urlsplit(origin).netloc == host:
            return
        raise Problem(403, "forbidden", "pages of this origin may not open a stream")

    def caller(self, websocket: WebSocket, key: str | None = None) -> Caller:
        """The caller by its headers, or by the key in its first message."""
        headers: Mapping[str, str] = websocket.headers if key is None else {"authorization": f"Bearer {key}"}
        return self.state.access.caller(headers, websocket.client, "scan")

    def early(self, websocket: WebSocket) -> Caller | None:
        """The caller if the headers tell; None if the first message has to."""
        if self.state.access.has_keys and not presented(websocket.headers):
            return None
        return self.caller(websocket)

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[None, None]:
        """One of the streams that may run at the same time.

        Raises
        ------
        Problem
            503 if there is none.
        """
        most = self.state.settings.streams
        if self.open >= most:
            raise Problem(503, "busy", f"{most} streams are running already", headers={"Retry-After": "30"})
        self.open += 1
        self.state.metrics.streams.set(self.open)
        try:
            yield
        finally:
            self.open -= 1
            self.state.metrics.streams.set(self.open)


def router(state: State) -> APIRouter:
    """``/v1/stream`` and ``/v1/stream/twilio``."""
    from earwitness.serve.stream.twilio import Call

    routes, door = APIRouter(), Door(state)

    @routes.websocket("/v1/stream")
    async def stream(websocket: WebSocket) -> None:
        await admit(door, websocket, lambda caller: Plain(door, websocket, caller).run())

    @routes.websocket("/v1/stream/twilio")
    async def twilio(websocket: WebSocket) -> None:
        await admit(door, websocket, lambda caller: Call(door, websocket, caller).run())

    return routes


async def admit(door: Door, websocket: WebSocket, run: Any) -> None:
    """Check, accept, run; a problem becomes an HTTP answer before the WebSocket is open, a message and a close after.

    ``run`` is called with the caller, None where the first message has to name it.
    """
    try:
        door.check_origin(websocket)
        caller = door.early(websocket)
    except Problem as refused:
        await refuse(websocket, refused)
        return
    await websocket.accept()
    try:
        await run(caller)
        code, reason = 1000, ""
    except WebSocketDisconnect:
        return
    except Exception as error:
        if not isinstance(error, Problem):
            door.state.log.exception("a stream ended by a fault")
        problem = of(error)
        code, reason = _CLOSE.get(problem.status, 1011), problem.code
        await _tell(websocket, problem)
    try:
        await websocket.close(code, reason)
    except (RuntimeError, WebSocketDisconnect):
        return


async def refuse(websocket: WebSocket, problem: Problem) -> None:
    """Answer the request for a WebSocket with a problem; servers that cannot do so answer 403."""
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(response(problem))
    else:
        await websocket.close(1008, problem.code)


async def _tell(websocket: WebSocket, problem: Problem) -> None:
    try:
        async with asyncio.timeout(5.0):
            await websocket.send_json({"type": "error", "problem": problem.body()})
    except (TimeoutError, RuntimeError, WebSocketDisconnect):
        return


async def receive(websocket: WebSocket, seconds: float) -> str | bytes:
    """The next message.

    Raises
    ------
    Problem
        408 if none comes in ``seconds``, 413 for one that is too large.
    WebSocketDisconnect
        If the client has gone.
    """
    try:
        async with asyncio.timeout(seconds):
            message = await websocket.receive()
    except TimeoutError:
        raise Problem(408, "idle", f"nothing was sent for {seconds:g} s") from None
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    text: str | None = message.get("text")
    if text is not None:
        if len(text) > SOUND_BYTES:
            raise Problem(413, "too-large", f"a message of more than {SOUND_BYTES} bytes")
        return text
    data: bytes = message.get("bytes") or b""
    if len(data) > SOUND_BYTES:
        raise Problem(413, "too-large", f"a message of more than {SOUND_BYTES} bytes", hint="send shorter pieces")
    return data


def parse(text: str) -> dict[str, Any]:
    """A JSON object.

    Raises
    ------
    Problem
        422 for anything else.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Problem(422, "bad-message", "a text message must be a JSON object")
    return found


class Plain:
    """The framing of ``/v1/stream``: a start message, sound in binary messages, ``{"type": "stop"}``."""

    def __init__(self, door: Door, websocket: WebSocket, caller: Caller | None) -> None:
        self._door, self._websocket, self._caller = door, websocket, caller

    async def run(self) -> None:
        """From the first message to the last."""
        start = await self._start()
        if self._caller is None:
            self._caller = self._door.caller(self._websocket, str(start.get("key", "")))
        opened = read_start(start)
        async with self._door.place():
            session = Session(self._door.state, self._caller, opened, self._websocket.send_json, self._door.scoring)
            await session.send(session.ready())
            await carry(session, self._feed(session))

    async def _start(self) -> dict[str, Any]:
        first = await receive(self._websocket, START_SECONDS)
        found = parse(first) if isinstance(first, str) and len(first) <= CONTROL_BYTES else {}
        if found.get("type") != "start":
            raise Problem(422, "bad-message", "the first message must be a start message", hint='{"type": "start"}')
        return found

    async def _feed(self, session: Session) -> str:
        """Pass sound on until the stream ends; how it ended."""
        while True:
            try:
                message = await receive(self._websocket, self._door.state.settings.idle_seconds)
            except Problem as problem:
                if problem.code == "idle":
                    return "idle"
                raise
            except WebSocketDisconnect:
                session.leave()
                return "gone"
            if isinstance(message, bytes):
                await session.intake.push(message)
            elif parse(message).get("type") == "stop":
                return "stop"
            else:
                raise Problem(422, "bad-message", "not a message that is known here", hint='{"type": "stop"}')


async def carry(session: Session, feed: Any) -> None:
    """Run a session beside the coroutine that feeds it, which returns how the stream ended, and finish it."""

    async def fed() -> str:
        ended: str = await feed
        await session.intake.end()
        return ended

    feeding = asyncio.ensure_future(fed())
    hearing = asyncio.ensure_future(session.run())
    try:
        done, _ = await asyncio.wait({feeding, hearing}, return_when=asyncio.FIRST_COMPLETED)
        if feeding in done:
            feeding.result()
        else:
            # the sound ended of itself, or could not be heard
            hearing.result()
            feeding.cancel()
        await hearing
        await session.finish(feeding.result() if feeding in done else "complete")
    finally:
        for task in (feeding, hearing):
            task.cancel()
        await asyncio.gather(feeding, hearing, return_exceptions=True)
        await session.intake.close()
