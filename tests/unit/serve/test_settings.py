"""Settings of the service: what is public, what is out of range, and what may not start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra [serve] is not installed")

from earwitness.detector import Detector
from earwitness.errors import ConfigError
from earwitness.serve.access import ENVIRONMENT
from earwitness.serve.app import create_app
from earwitness.serve.settings import Settings


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("::1", False),
        ("[::1]", False),
        ("localhost", False),
        ("0.0.0.0", True),
        ("::", True),
        ("192.168.1.5", True),
        ("example.org", True),
        ("", True),
    ],
)
def test_what_others_can_reach_is_public(host: str, public: bool) -> None:
    assert Settings(host=host).is_public is public


@pytest.mark.parametrize(
    "wrong",
    [
        {"workers": -1},
        {"queue": -1},
        {"rate_per_minute": -1},
        {"upload_bytes": 0},
        {"wall_seconds": 0.0},
        {"audio_seconds": float("nan")},
        {"memory_bytes": 1 << 20},
        {"grace_seconds": -0.1},
    ],
)
def test_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Settings(**wrong)


def test_a_public_address_needs_keys(tiny_detector: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    with pytest.raises(ConfigError, match="no API keys"):
        create_app(Settings(host="0.0.0.0", detector=tiny_detector))
    monkeypatch.setenv(ENVIRONMENT, "desk scan " + "0" * 64)
    assert create_app(Settings(host="0.0.0.0"), detector=Detector(tiny_detector)).state.earwitness.access.has_keys
