"""The page at ``/``: one document, its style and its scripts, all of them from here and nothing from elsewhere.

It speaks to the API of this service alone. Scripts are plain modules without a framework or a build; nothing is inline,
so the policy below forbids every script and style that is not one of these files.
"""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import APIRouter
    from starlette.requests import Request
    from starlette.responses import Response

#: name below ``/page/`` -> media type; what is not named here is not there
FILES = {
    "style.css": "text/css",
    "app.js": "text/javascript",
    "api.js": "text/javascript",
    "chart.js": "text/javascript",
    "detail.js": "text/javascript",
    "list.js": "text/javascript",
    "player.js": "text/javascript",
    "record.js": "text/javascript",
    "sound.js": "text/javascript",
    "words.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
#: recordings are played and drawn from memory (blob:), never from an address
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def router() -> APIRouter:
    """``/`` and the files below ``/page/``.

    Examples
    --------
    >>> [route.path for route in router().routes]
    ['/', '/page/{name}']
    """
    from fastapi import APIRouter
    from starlette.responses import Response

    from earwitness.serve.problems import Problem

    folder = files("earwitness.serve.page").joinpath("files")
    held = {name: (kind, folder.joinpath(name).read_bytes()) for name, kind in FILES.items()}
    held["words.json"] = ("application/json", _words())
    index = ("text/html", folder.joinpath("index.html").read_bytes())
    routes = APIRouter(include_in_schema=False)

    def answer(request: Request, kind: str, body: bytes) -> Response:
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=kind, headers=headers)

    async def page(request: Request) -> Response:
        return answer(request, *index)

    async def part(request: Request) -> Response:
        found = held.get(request.path_params["name"])
        if found is None:
            raise Problem(404, "not-found", "the page has no such part")
        return answer(request, *found)

    routes.add_route("/", page, methods=["GET"])
    routes.add_route("/page/{name}", part, methods=["GET"])
    return routes


def _words() -> bytes:
    """The sentences that the page shares with the report."""
    from earwitness.report import words

    heads = {label: {"word": word, "sentence": sentence} for label, (word, sentence) in words.HEADLINES.items()}
    return json.dumps({"headlines": heads, "evidence": words.EVIDENCE, "untested": words.untested({})}).encode("ascii")
