"""The page on the service: its curl and Python examples run, and the compose file shuts the service in."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serve_process import Service, running

pytest.importorskip("uvicorn", reason="the extra [serve] is not installed")

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(sh|py)\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, tiny_detector: Path) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("serve"), tiny_detector) as found:
        yield found


@pytest.mark.parametrize(
    ("kind", "code"), [pytest.param(m[1], m[2], id=f"{m[1]}-{i}") for i, m in enumerate(BLOCK.finditer(TEXT))]
)
def test_examples_run(kind: str, code: str, serving: Service, tmp_path: Path, spoof_clip: Path) -> None:
    if kind == "sh" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    shutil.copy(spoof_clip, tmp_path / "clip.flac")
    code = code.replace("127.0.0.1:8000", f"127.0.0.1:{serving.port}")
    command = ["bash", "-euo", "pipefail", "-c", code] if kind == "sh" else [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    if kind == "py":
        assert done.stdout.startswith(("likely", "inconclusive"))


def test_every_curl_example_is_there() -> None:
    codes = [m[2] for m in BLOCK.finditer(TEXT) if m[1] == "sh"]
    assert len(codes) >= 6
    for path in ("/v1/scans", "/v1/detectors", "/openapi.json", "/ready", "/metrics", "/report"):
        assert any(path in code for code in codes), path


def test_the_compose_file_shuts_the_service_in() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with the extra [dev]")
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    app = compose["services"]["app"]
    assert app["read_only"]
    assert app["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in app["ports"])
    assert compose["networks"]["back"]["internal"]
    assert compose["services"]["records"]["networks"] == ["back"]
    assert set(app["secrets"]) == set(compose["secrets"])
    variables = {p.envvar for p in _parameters() if p.envvar}
    assert set(app["environment"]) <= variables


def _parameters() -> list[Any]:
    from earwitness.cli import load

    return list(load("serve").params)
