"""The page on the service: its curl and Python examples run; its files for Docker and systemd say what they must."""

from __future__ import annotations

import configparser
import re
import shlex
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


def options() -> set[str]:
    import typer

    from earwitness.cli import load

    command: Any = load("serve")
    assert isinstance(command, typer.core.TyperCommand)
    return {option for parameter in command.params for option in parameter.opts}


def named(words: list[str]) -> set[str]:
    return {word for word in words if word.startswith("--")}


def test_the_compose_file_fits_the_service_and_the_image() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with the extra [dev]")
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    app = compose["services"]["app"]
    assert named(app["command"]) <= options()
    docker = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert app["build"]["target"] in re.findall(r"^FROM \S+ AS (\w+)$", docker, re.MULTILINE)
    assert (ROOT / "deploy" / app["build"]["context"] / "Dockerfile").is_file()
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


def test_the_image_runs_as_nobody_special_and_copies_what_exists() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    for stage in stages:
        name = stage.split()[2]
        if "ENTRYPOINT" in stage:
            assert re.search(r"^USER earwitness$", stage, re.MULTILINE), name
            entry = re.search(r"^ENTRYPOINT (\[.*\])$", stage, re.MULTILINE)
            assert entry is not None
            words = re.findall(r'"([^"]+)"', entry[1])
            assert words[0] == "earwitness"
            assert named(words) <= options()
        for line in re.findall(r"^COPY (?!--from)(.*)$", stage, re.MULTILINE):
            assert all((ROOT / source).exists() for source in shlex.split(line)[:-1]), line
    assert stages[-1].split()[2] == "scan"


def test_the_unit_is_sound(tmp_path: Path) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / "deploy" / "earwitness.service", encoding="utf-8")
    words = shlex.split(unit["Service"]["ExecStart"])
    assert words[1] == "serve"
    assert named(words) <= options()
    for name in ("NoNewPrivileges", "DynamicUser", "PrivateTmp"):
        assert unit["Service"][name] == "yes"
    assert int(unit["Service"]["TimeoutStopSec"]) > 30
    if shutil.which("systemd-analyze"):
        program = tmp_path / "earwitness"
        program.write_text("#!/bin/sh\n", encoding="utf-8")
        program.chmod(0o755)
        text = (ROOT / "deploy" / "earwitness.service").read_text(encoding="utf-8")
        copy = tmp_path / "earwitness.service"
        copy.write_text(text.replace("/opt/earwitness/bin/earwitness serve", f"{program} serve"), encoding="utf-8")
        done = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
        assert [line for line in done.stderr.splitlines() if "earwitness.service" in line] == []
