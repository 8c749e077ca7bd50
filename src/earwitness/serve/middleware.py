"""What every request and answer passes: the name it is called by, where it comes from, headers, figures."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders

from earwitness.serve.problems import Problem, response
from earwitness.serve.settings import LOOPBACK_NAMES

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from earwitness.serve.state import State

#: for all answers that set no policy of their own: nothing may be loaded, run or framed
API_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS = {
    "Content-Security-Policy": API_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}


class Shield:
    """The outermost layer.

    Without API keys, whoever can reach the address is let in, and a web page that someone has open can reach loopback:
    so a request must then call the service by a name of its own (against DNS rebinding), and must not come from a page
    of another origin.
    """

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app, self.state = app, state
        settings, names = state.settings, state.settings.hosts
        if not names and not state.access.has_keys:
            names = (*LOOPBACK_NAMES, settings.host)
        self.names = frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, WebSocket or lifespan."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        problem = self._refusal(Headers(scope=scope))
        try:
            if problem is None:
                await self.app(scope, receive, sending)
            else:
                await response(problem)(scope, receive, sending)
        finally:
            if scope["type"] == "http":
                took = time.perf_counter() - start
                labels = (_method(scope), _route(scope), str(status))
                self.state.metrics.requests.labels(*labels).observe(took)

    def _refusal(self, headers: Headers) -> Problem | None:
        host = headers.get("host", "")
        if self.names and _name(host) not in self.names:
            return Problem(421, "wrong-host", "the service is not called by that name", hint="see --host-name")
        origin = headers.get("origin")
        if origin is None or self.state.access.has_keys or origin in self.state.settings.origins:
            return None
        if urlsplit(origin).netloc.lower() == host.lower():
            return None
        return Problem(403, "cross-origin", "pages of other origins may not call this service", hint="see --origin")


def _name(host: str) -> str:
    """A Host header without its port.

    Examples
    --------
    >>> _name("LOCALHOST:8000"), _name("[::1]:8000")
    ('localhost', '[::1]')
    """
    head, _, tail = host.rpartition(":")
    return (head if head and tail.isdigit() else host).lower()


def _method(scope: Scope) -> str:
    method: str = scope["method"]
    return method if method in ("GET", "POST", "DELETE", "HEAD", "OPTIONS") else "other"


def _route(scope: Any) -> str:
    """The route as it is declared, so that there are as many labels as routes."""
    route = scope.get("route")
    return str(getattr(route, "path", "other"))
