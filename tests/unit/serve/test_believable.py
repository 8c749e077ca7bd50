"""What a recording's process says is signed; so it is believed about that recording only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra [serve] is not installed")

from earwitness.detector import Detector, load_detector
from earwitness.serve.pool import Outcome, environment
from earwitness.serve.scans import Scan, _believable


@pytest.fixture(scope="module")
def detector(tiny_detector: Path) -> Detector:
    return load_detector(tiny_detector)


@pytest.fixture(scope="module")
def verdict(detector: Detector, spoof_clip: Path) -> dict[str, Any]:
    return detector.scan(spoof_clip, path="clip.flac").to_dict()


@pytest.fixture
def scan(verdict: dict[str, Any]) -> Scan:
    return Scan("0" * 32, "", "desk", "clip.flac", verdict["source"]["sha256"], Path("clip"))


def test_the_truth_is_believed(detector: Detector, verdict: dict[str, Any], scan: Scan) -> None:
    found = _believable(Outcome(verdict=verdict, cpu=1.5), scan, detector.info)
    assert (found.verdict, found.cpu, found.error) == (verdict, 1.5, None)


@pytest.mark.parametrize(
    "lie",
    [
        {"source": {"sha256": "f" * 64, "codec": "flac", "container": "flac", "duration": 4.0}},
        {"detector": {"id": "default", "version": "1", "sha256": "f" * 64, "settings": "e" * 64}},
        {"detector": {}},
        {"path": "other.flac"},
        {"label": "certainly human"},
        {"label": None},
        {"windows": [{"from": 0}]},
        {"windows": 3},
        {"thresholds": "none"},
        {"source": None},
        {"note": "hello"},
        {"error": {"code": "x", "message": "", "hint": ""}},
    ],
    ids=str,
)
def test_a_lie_is_a_breakdown(lie: dict[str, Any], detector: Detector, verdict: dict[str, Any], scan: Scan) -> None:
    found = _believable(Outcome(verdict={**verdict, **lie}), scan, detector.info)
    assert found.verdict is None
    assert found.error is not None
    assert (found.status, found.error["code"]) == (422, "decoder-crash")


def test_processes_that_decode_see_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_API_KEYS", "desk scan 00")
    monkeypatch.setenv("EARWITNESS_RECORDS", "postgresql://u:secret@h/d")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    seen = environment()
    assert not any("secret" in value or name.startswith("EARWITNESS") for name, value in seen.items())
    assert "PATH" in seen
