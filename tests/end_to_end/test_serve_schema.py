"""The OpenAPI document describes what the service does: made-up requests, checked by Schemathesis against a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serve_process import Service, running

pytest.importorskip("uvicorn", reason="the extra [serve] is not installed")
httpx = pytest.importorskip("httpx2", reason="the extra [dev] is not installed")
schemathesis = pytest.importorskip("schemathesis", reason="the extra [dev] is not installed")

#: more examples per operation than anyone waits for in a default run
EXAMPLES, MANY = 8, 200


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, tiny_detector: Path) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("serve"), tiny_detector) as found:
        yield found


def attack(serving: Service, examples: int) -> dict[str, int]:
    """Send requests made from the document to every operation; how many each got."""
    from hypothesis import HealthCheck, given, settings
    from schemathesis.checks import CHECKS

    count: dict[str, int] = {}
    document = schemathesis.openapi.from_url(serving.url + "/openapi.json")
    # random bytes are what the document allows, and no recording
    spared = [CHECKS.get_one("positive_data_acceptance")]
    for found in document.get_all_operations():
        operation = found.ok()
        right, wrong = (operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode)

        @given(case=right | wrong)
        @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        def send(case: Any) -> None:
            label = case.operation.label
            count[label] = count.get(label, 0) + 1
            case.call_and_validate(excluded_checks=spared)

        send()
    return count


def test_the_document_is_openapi_3_1_and_complete(serving: Service) -> None:
    document = httpx.get(serving.url + "/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            errors = {s: r for s, r in operation["responses"].items() if int(s) >= 400}
            assert errors, (method, path)
            for answer in errors.values():
                assert list(answer["content"]) == ["application/problem+json"], (method, path)
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert {
        "/v1/scans",
        "/v1/scans/{id}",
        "/v1/scans/{id}/report",
        "/v1/detectors",
        "/health",
        "/ready",
        "/metrics",
    } <= set(document["paths"])


def test_made_up_requests_find_no_server_error(serving: Service) -> None:
    count = attack(serving, EXAMPLES)
    assert min(count.values()) >= 1
    assert "POST /v1/scans" in count
    assert httpx.get(serving.url + "/ready").status_code == 200


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_made_up_requests_find_no_server_error(serving: Service) -> None:
    count = attack(serving, MANY)
    assert sum(count.values()) > 500
    assert httpx.get(serving.url + "/ready").status_code == 200
