"""One shape for every error: problem details for HTTP APIs (RFC 9457), as ``application/problem+json``.

``type`` is ``urn:earwitness:problem:<code>``; ``code`` and ``hint`` are those of :mod:`earwitness.errors`; ``errors``
lists what is wrong with each parameter, where the parameters are what is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from earwitness.errors import ConfigError, EarwitnessError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
URN = "urn:earwitness:problem:"
#: errors of the framework that need a better word than the status has
_CODES = {404: "not-found", 405: "method-not-allowed", 400: "bad-request"}


class Problem(EarwitnessError):
    """An error with the status and the headers of its answer.

    Parameters
    ----------
    status:
        HTTP status.
    code, message, hint:
        As in :class:`~earwitness.errors.EarwitnessError`.
    headers:
        To be sent along, such as ``Retry-After``.
    errors:
        One entry per parameter: ``where``, ``message``.
    instance:
        Path of the scan that it is about.

    Examples
    --------
    >>> Problem(503, "busy", "the queue is full").body()["type"]
    'urn:earwitness:problem:busy'
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        hint: str = "",
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, str]] = (),
        instance: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.status, self.headers, self.errors, self.instance = status, dict(headers or {}), errors, instance

    def body(self) -> dict[str, Any]:
        """The JSON object of the answer."""
        out: dict[str, Any] = {
            "type": URN + self.code,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.message,
            "code": self.code,
        }
        if self.hint:
            out["hint"] = self.hint
        if self.instance:
            out["instance"] = self.instance
        if self.errors:
            out["errors"] = list(self.errors)
        return out

    def content(self) -> bytes:
        """The body as it is sent: ASCII, for the message may quote any bytes of a request."""
        return json.dumps(self.body(), allow_nan=False).encode("ascii")


#: the schema of the body, for OpenAPI
SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Problem details (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri", "examples": [URN + "not-audio"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string", "description": "A stable word for programs."},
        "hint": {"type": "string", "description": "What to do about it."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["where", "message"],
                "properties": {"where": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def response(problem: Problem) -> Response:
    """The answer."""
    from starlette.responses import Response

    return Response(problem.content(), problem.status, problem.headers, MEDIA_TYPE)


def of(error: BaseException) -> Problem:
    """The problem that an exception of ours stands for."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, ConfigError):
        return Problem(422, error.code, error.message, hint=error.hint)
    if isinstance(error, EarwitnessError):
        return Problem(500, error.code, error.message, hint=error.hint)
    return Problem(500, "internal", "a fault in the service", hint="its log says more")


def install(app: FastAPI) -> None:
    """Answer every exception that leaves a route, and every error of the framework, with a problem."""
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException

    async def ours(_: Request, error: Exception) -> Response:
        return response(of(error))

    async def framework(request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 500)
        headers = {"Allow": ", ".join(_methods(request))} if status == 405 else getattr(error, "headers", None)
        code = _CODES.get(status, HTTPStatus(status).phrase.lower().replace(" ", "-"))
        message = str(getattr(error, "detail", "") or HTTPStatus(status).description)
        return response(Problem(status, code, message, headers=headers))

    async def parameters(_: Request, error: Exception) -> Response:
        return response(invalid(error.errors() if isinstance(error, RequestValidationError) else []))

    app.add_exception_handler(EarwitnessError, ours)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(RequestValidationError, parameters)
    app.add_exception_handler(Exception, ours)


def _methods(request: Request) -> list[str]:
    """The methods of all routes at this path; the framework names those of the first."""
    from starlette.routing import Match

    def fits(method: str) -> bool:
        scope = {"type": "http", "method": method, "path": request.url.path, "root_path": "", "headers": []}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return [method for method in ("DELETE", "GET", "HEAD", "POST") if fits(method)]


def invalid(found: Sequence[Mapping[str, Any]]) -> Problem:
    """The problem for parameters that pydantic refused."""
    errors = [{"where": ".".join(str(p) for p in e["loc"]), "message": str(e["msg"])} for e in found]
    named = ", ".join(e["where"] for e in errors[:3])
    return Problem(422, "invalid-parameters", f"not as they must be: {named}", errors=errors)
