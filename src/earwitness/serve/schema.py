"""The schemas of the API, and its OpenAPI document (3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from earwitness.serve import problems
from earwitness.verdict import schema as verdict_schema

if TYPE_CHECKING:
    from fastapi import FastAPI

HEX32, HEX64 = "^[0-9a-f]{32}$", "^[0-9a-f]{64}$"
_REF = "#/components/schemas/"


class Options(BaseModel):
    """How a recording is judged, and what it is called; in the query or as fields of the form (which go first)."""

    model_config = ConfigDict(extra="forbid")

    prior: float = Field(
        0.5, gt=0, lt=1, allow_inf_nan=False, description="Probability of a generated voice before listening."
    )
    cost_miss: float = Field(
        1.0, gt=0, le=1e6, allow_inf_nan=False, description="Cost of calling a generated voice human."
    )
    cost_false_alarm: float = Field(
        1.0, gt=0, le=1e6, allow_inf_nan=False, description="Cost of calling a person synthetic."
    )
    profile: str | None = Field(
        None, max_length=64, pattern=r"^[\w.-]+$", description="Name of a profile of the service; see /v1/detectors."
    )
    filename: str | None = Field(None, max_length=255, description="Name to be shown; never opened.")


class Page(BaseModel):
    """Which scans to list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=200, description="At most so many.")
    before: str | None = Field(None, pattern=HEX32, description="Only those recorded before this one.")
    sha256: str | None = Field(None, pattern=HEX64, description="Only those of this recording.")


SCAN: dict[str, Any] = {
    "type": "object",
    "description": "A scan, wherever it stands. verdict is there when done, error when failed.",
    "required": ["id", "state", "created", "caller", "filename", "sha256", "verdict", "error", "progress", "report"],
    "properties": {
        "id": {"type": "string", "pattern": HEX32},
        "state": {"enum": ["queued", "running", "done", "failed"]},
        "created": {"type": "string", "format": "date-time"},
        "caller": {"type": "string"},
        "filename": {"type": "string"},
        "sha256": {"type": "string"},
        "detector": {"type": ["object", "null"]},
        "verdict": {"oneOf": [{"$ref": _REF + "Verdict"}, {"type": "null"}]},
        "error": {"oneOf": [{"$ref": _REF + "Error"}, {"type": "null"}]},
        "progress": {
            "type": ["object", "null"],
            "properties": {"seconds": {"type": "number"}, "total": {"type": ["number", "null"]}},
        },
        "report": {"type": ["string", "null"]},
        "previous": {"type": "string", "description": "Hash of the record before this one."},
        "hash": {"type": "string", "description": "Hash of this record."},
    },
}
ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["code", "message", "hint"],
    "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "hint": {"type": "string"}},
}
LIST: dict[str, Any] = {
    "type": "object",
    "required": ["items", "next"],
    "properties": {
        "items": {"type": "array", "items": {"$ref": _REF + "Scan"}},
        "next": {"type": ["string", "null"], "description": "Path of the next page."},
    },
}
DETECTORS: dict[str, Any] = {
    "type": "object",
    "required": ["items"],
    "properties": {
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "version", "sha256", "settings", "profile", "window", "thresholds"],
                "properties": {
                    "id": {"type": "string"},
                    "version": {"type": "string"},
                    "sha256": {"type": "string", "pattern": HEX64, "description": "Of the model file."},
                    "settings": {
                        "type": "string",
                        "pattern": HEX64,
                        "description": "Sha256 of windows, pooling, calibration, limits and error rates.",
                    },
                    "profile": {"type": ["string", "null"], "description": "Name to ask for it by; null = the usual."},
                    "window": {"type": "object"},
                    "thresholds": {"type": "object"},
                },
            },
        }
    },
}
STATUS: dict[str, Any] = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"const": "ok"}, "workers": {"type": "integer"}, "version": {"type": "string"}},
}

_FIELDS: dict[str, Any] = {
    name: {key: value for key, value in part.items() if key != "title"}
    for name, part in Options.model_json_schema()["properties"].items()
}
_BINARY = {"type": "string", "format": "binary"}
BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "required": ["file"], "properties": {"file": _BINARY, **_FIELDS}}
        },
        "application/octet-stream": {"schema": _BINARY},
        "audio/*": {"schema": _BINARY},
        "video/*": {"schema": _BINARY},
    },
}

_SAYS = {
    400: "The request cannot be read.",
    401: "No key, or an unknown one.",
    403: "The key lacks the scope.",
    404: "There is none.",
    405: "Not with this method.",
    408: "The body came too slowly.",
    409: "Not in this state.",
    410: "It was deleted.",
    413: "The body, the recording or the memory that it needs is too large.",
    415: "A type of body that is not taken.",
    421: "The service is not called by that name.",
    422: "A parameter is wrong, or the recording cannot be read.",
    429: "Too many requests.",
    500: "A fault in the service.",
    503: "The queue is full, or the service is not ready.",
    504: "The scan took too long.",
}


def refused(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """``responses=`` of a route for errors; those that every route can give are always in it."""
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": _REF + "Problem"}}}
    return {s: {"description": _SAYS[s], "content": content} for s in sorted({400, 403, 421, 422, 500, *statuses})}


def answers(status: int, name: str, description: str, headers: tuple[str, ...] = ()) -> dict[int | str, dict[str, Any]]:
    """``responses=`` of a route for an answer in JSON with a schema of this module."""
    out: dict[str, Any] = {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": _REF + name}}},
    }
    if headers:
        out["headers"] = {header: {"schema": {"type": "string"}} for header in headers}
    return {status: out}


def openapi(app: FastAPI) -> dict[str, Any]:
    """The document; made once."""
    from fastapi.openapi.utils import get_openapi

    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            openapi_version="3.1.0",
        )
        parts = document.setdefault("components", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            parts.get("schemas", {}).pop(unused, None)
        parts.setdefault("schemas", {}).update(
            Problem=problems.SCHEMA,
            Scan=SCAN,
            Error=ERROR,
            ScanList=LIST,
            Detectors=DETECTORS,
            Status=STATUS,
            **_verdict(),
        )
        parts["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        document["security"] = [{"bearer": []}, {"key": []}, {}]
        app.openapi_schema = document
    return app.openapi_schema


def _verdict() -> dict[str, Any]:
    """The schema of a verdict and its parts, as components."""
    whole = verdict_schema()
    parts = {_component(name): _moved(part) for name, part in whole["$defs"].items()}
    # a failure is a problem here, and a verdict may carry a signature
    parts.pop("VerdictFailure")
    verdict = parts.pop("VerdictVerdict")
    properties = {**verdict["properties"], "key_id": {"type": "string"}, "signature": {"type": "string"}}
    return {**parts, "Verdict": {**verdict, "properties": properties, "description": whole["description"]}}


def _component(name: str) -> str:
    return "Verdict" + name[:1].upper() + name[1:]


def _moved(part: Any) -> Any:
    if isinstance(part, dict):
        return {k: _REF + _component(v.rpartition("/")[2]) if k == "$ref" else _moved(v) for k, v in part.items()}
    return [_moved(item) for item in part] if isinstance(part, list) else part
