"""The service for tests: in this process, with what it needs in a folder of the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BASE = "http://127.0.0.1"


@contextmanager
def service(folder: Path, **settings: Any) -> Iterator[Any]:
    """A client of a service with ``settings``; its records and uploads are in ``folder``."""
    pytest.importorskip("fastapi", reason="the extra [serve] is not installed")
    pytest.importorskip("httpx2", reason="the extra [dev] is not installed")
    from starlette.testclient import TestClient

    from earwitness.serve.app import create_app
    from earwitness.serve.settings import Settings

    usual = {"records": f"sqlite:///{folder}/records.sqlite", "spool": folder, "workers": 1, "rate_per_minute": 0}
    app = create_app(Settings(**{**usual, **settings}))
    with TestClient(app, base_url=BASE, follow_redirects=False) as client:
        client.state = app.state.earwitness
        yield client


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The body of an answer that must be a problem of this status and code, in the shape of RFC 9457."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"] == f"urn:earwitness:problem:{code}"
    assert body["title"]
    assert body["detail"]
    assert set(body) <= {"type", "title", "status", "detail", "instance", "code", "hint", "errors"}
    return body
