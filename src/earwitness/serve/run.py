"""Run the app: uvicorn with time limits on the head of a request, a limit on connections, and errors in one shape."""

from __future__ import annotations

import asyncio
import signal
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from earwitness.errors import ConfigError
from earwitness.serve.app import create_app
from earwitness.serve.problems import MEDIA_TYPE, Problem
from earwitness.serve.settings import Settings
from earwitness.serve.state import open_records

#: seconds for the head of a request, and for a quiet connection between two
HEAD_SECONDS, KEEP_ALIVE_SECONDS = 20.0, 60
#: bytes of a head
HEAD_BYTES = 32 << 10


class Protocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, for strangers: a head must come in time, and there is an end to connections."""

    most = 1000

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, unless there are too many."""
        super().connection_made(transport)
        self._head: asyncio.TimerHandle | None = None
        if len(self.connections) > self.most:
            transport.abort()
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; a head that has begun must be complete in time."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        else:
            self._await_head()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over."""
        self._stop_waiting()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """The next request may come; its head has its own time, a quiet connection that of keep-alive."""
        self._stop_waiting()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP with a problem, like everything else."""
        problem = Problem(400, "bad-request", msg.rstrip("."))
        body = problem.content()
        headers = [("content-type", MEDIA_TYPE), ("content-length", str(len(body))), ("connection", "close")]
        head = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
        for part in (head, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(part) or b"")
        self.transport.close()

    def _await_head(self) -> None:
        if self._head is None:
            self._head = self.loop.call_later(HEAD_SECONDS, self._late)

    def _stop_waiting(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _late(self) -> None:
        self._head = None
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self.transport.abort()


def serve(
    settings: Settings,
    *,
    tls: tuple[Path, Path] | None = None,
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve until a signal ends it; what is running is finished first.

    Parameters
    ----------
    settings:
        All that the app is told.
    tls:
        Certificate and key, PEM files.
    ready:
        Called with the address when everything is loaded.

    Raises
    ------
    ConfigError, DetectorError, RecordError
        If it cannot start.
    """
    with open_records(settings) as store:
        app = create_app(settings, records=store)
        config = uvicorn.Config(app, **_options(settings, tls))
        server = _Server(config, lambda: ready(address(settings, tls is not None)))
        # uvicorn raises the signal that ended it once more when all is done: that is no failure
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, lambda *_: None)
        server.run()
        if not server.started:
            raise ConfigError(f"the service could not start on {settings.host}:{settings.port}", hint="see above")


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def address(settings: Settings, tls: bool) -> str:
    """Where a browser finds the service.

    Examples
    --------
    >>> address(Settings(host="::1"), False)
    'http://[::1]:8000'
    """
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{'https' if tls else 'http'}://{host}:{settings.port}"


def _options(settings: Settings, tls: tuple[Path, Path] | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "http": type("Protocol", (Protocol,), {"most": settings.connections}),
        "ws": "websockets-sansio",
        "ws_max_size": 1 << 20,
        "lifespan": "on",
        "log_level": "warning",
        "server_header": False,
        # an address that a caller writes into a header is not where it calls from
        "proxy_headers": False,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": max(1, round(settings.grace_seconds)),
        "h11_max_incomplete_event_size": HEAD_BYTES,
    }
    if tls is not None:
        certificate, key = tls
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{certificate}, {key}: no certificate and key for TLS: {error}") from None
        options["ssl_context_factory"] = lambda _config, _default: context
    return options
