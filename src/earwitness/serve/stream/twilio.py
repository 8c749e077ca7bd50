"""Telephone calls in the framing of Twilio Media Streams: JSON events, mu-law at 8 kHz in base64, one voice per track.

Events: ``connected``, ``start``, ``media``, ``stop``; ``mark`` and ``dtmf`` are ignored. The key and the settings come
as custom parameters (``<Parameter name="key" value="…"/>``), because a call can carry no headers. Answers are those of
``/v1/stream`` wrapped as ``{"event": "earwitness", "streamSid": …, "track": …, "message": …}``; with the parameter
``answers`` = ``none`` nothing is sent, and the verdicts are found in the records under the name of the call.

Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from earwitness.serve.access import Caller
from earwitness.serve.problems import Problem
from earwitness.serve.stream.routes import START_SECONDS, Door, parse, receive
from earwitness.serve.stream.session import Send, Session, Start, read_start

TRACKS = ("inbound", "outbound")
_IGNORED = ("mark", "dtmf", "clear")


class Track:
    """One side of the call: a session and the task that hears it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.hearing = asyncio.ensure_future(session.run())

    async def push(self, data: bytes) -> None:
        """Pass sound on; if it cannot be heard any more, say why."""
        if self.hearing.done():
            self.hearing.result()
        await self.session.intake.push(data)

    async def end(self, ended: str) -> None:
        """Hear the rest and finish."""
        await self.session.intake.end()
        await self.hearing
        await self.session.finish(ended)

    async def close(self) -> None:
        """Free everything."""
        self.hearing.cancel()
        await asyncio.gather(self.hearing, return_exceptions=True)
        await self.session.intake.close()


class Call:
    """One call over one WebSocket."""

    def __init__(self, door: Door, websocket: WebSocket, caller: Caller | None) -> None:
        self._door, self._websocket, self._caller = door, websocket, caller
        self._tracks: dict[str, Track] = {}
        self._sid, self._answers = "", True

    async def run(self) -> None:
        """From ``connected`` to the end of the call."""
        async with AsyncExitStack() as stack:
            start, allowed = await self._open()
            ended = "gone"
            while True:
                try:
                    event = await self._event(self._door.state.settings.idle_seconds)
                except WebSocketDisconnect:
                    self._answers = False
                    break
                kind = event.get("event")
                if kind == "stop":
                    ended = "stop"
                    break
                if kind == "media":
                    await self._media(event, start, allowed, stack)
                elif kind not in _IGNORED:
                    raise Problem(422, "bad-message", "not an event of a media stream")
            for track in self._tracks.values():
                await track.end(ended)

    async def _event(self, seconds: float) -> dict[str, Any]:
        message = await receive(self._websocket, seconds)
        if not isinstance(message, str):
            raise Problem(422, "bad-message", "media streams send text messages")
        return parse(message)

    async def _open(self) -> tuple[Start, tuple[str, ...]]:
        """The start event: who calls, what will come."""
        event = await self._event(START_SECONDS)
        if event.get("event") == "connected":
            event = await self._event(START_SECONDS)
        start = event.get("start")
        if event.get("event") != "start" or not isinstance(start, dict):
            raise Problem(422, "bad-message", "a media stream begins with the events connected and start")
        given = start.get("customParameters") or {}
        parameters = dict(given) if isinstance(given, dict) else {}
        key, self._answers = str(parameters.pop("key", "")), parameters.pop("answers", "all") != "none"
        if self._caller is None:
            self._caller = self._door.caller(self._websocket, key)
        media = start.get("mediaFormat") or {}
        found = (
            (media.get("encoding"), media.get("sampleRate"), media.get("channels")) if isinstance(media, dict) else ()
        )
        if found != ("audio/x-mulaw", 8000, 1):
            raise Problem(422, "invalid-parameters", "media must be audio/x-mulaw at 8000 Hz with one channel")
        tracks = start.get("tracks")
        allowed = tuple(t for t in TRACKS if isinstance(tracks, list) and t in tracks)
        if not allowed:
            raise Problem(422, "invalid-parameters", "the start event names no track", hint="inbound or outbound")
        self._sid = str(start.get("streamSid") or event.get("streamSid") or "")[:64]
        name = parameters.pop("name", None) or f"call {str(start.get('callSid') or self._sid)[:64]}"
        return read_start({**parameters, "name": name, "format": "mulaw", "rate": 8000}), allowed

    async def _media(
        self, event: dict[str, Any], start: Start, allowed: tuple[str, ...], stack: AsyncExitStack
    ) -> None:
        media = event.get("media")
        name = media.get("track", allowed[0]) if isinstance(media, dict) else None
        if not isinstance(media, dict) or name not in allowed:
            raise Problem(422, "bad-message", "a media event without a track that was announced")
        try:
            data = base64.b64decode(str(media.get("payload", "")), validate=True)
        except (binascii.Error, ValueError):
            raise Problem(422, "bad-message", "the payload of a media event is not base64") from None
        if name not in self._tracks:
            self._tracks[name] = await self._track(name, start, stack)
        await self._tracks[name].push(data)

    async def _track(self, name: str, start: Start, stack: AsyncExitStack) -> Track:
        if self._caller is None:
            raise Problem(401, "unauthorized", "an API key is needed")
        await stack.enter_async_context(self._door.place())
        own = replace(start, name=f"{start.name}, {name}")
        session = Session(self._door.state, self._caller, own, self._sender(name), self._door.scoring)
        await session.send(session.ready())
        track = Track(session)
        stack.push_async_callback(track.close)
        return track

    def _sender(self, track: str) -> Send:
        async def send(message: dict[str, Any]) -> None:
            if self._answers:
                await self._websocket.send_json(
                    {"event": "earwitness", "streamSid": self._sid, "track": track, "message": message}
                )

        return send
