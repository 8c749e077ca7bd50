"""What routes depend on: the state of the app, and a caller with a scope."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from earwitness.serve.access import Caller

if TYPE_CHECKING:
    from earwitness.serve.state import State


def state_of(connection: HTTPConnection) -> State:
    """The :class:`~earwitness.serve.state.State` of the app that serves a request or a WebSocket."""
    state: State = connection.app.state.earwitness
    return state


def require(scope: str = "") -> Callable[[HTTPConnection], Caller]:
    """A dependency that gives the caller, or answers 401, 403 or 429; an empty scope asks for any key.

    Examples
    --------
    >>> require("scan").__name__
    'caller'
    """

    def caller(connection: HTTPConnection) -> Caller:
        return state_of(connection).access.caller(connection.headers, connection.client, scope)

    return caller
