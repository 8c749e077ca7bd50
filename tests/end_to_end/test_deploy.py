"""What is deployed is what there is: options, files and stages that the Dockerfile, compose file and unit name."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from earwitness.cli import load

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE, COMPOSE, UNIT = (
    ROOT / "Dockerfile",
    ROOT / "deploy" / "compose.yaml",
    ROOT / "deploy" / "earwitness.service",
)


def options(*command: str) -> set[str]:
    """The long options of a command of ``earwitness``."""
    found: Any = load(command[0])
    for name in command[1:]:
        found = found.commands[name]
    return {option for parameter in found.params for option in parameter.opts if option.startswith("--")}


def test_every_option_of_serve_exists() -> None:
    text = {
        COMPOSE: re.findall(r"^ +- (--[a-z-]+)", COMPOSE.read_text(), re.MULTILINE),
        UNIT: re.findall(r" (--[a-z-]+)", re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)[0]),
        DOCKERFILE: re.findall(r'"(--[a-z-]+)"', re.findall(r'"serve",(.*)\]', DOCKERFILE.read_text())[0]),
    }
    known = options("serve")
    for path, used in text.items():
        assert used, path
        assert set(used) <= known, path


@pytest.mark.parametrize("path", [DOCKERFILE, COMPOSE, UNIT], ids=lambda p: p.name)
def test_every_key_command_in_the_comments_exists(path: Path) -> None:
    for line in re.findall(r"^#.*?earwitness (keys [^(&\n]*)", path.read_text(), re.MULTILINE):
        words = line.split()
        assert {w for w in words if w.startswith("--")} <= options(*words[:2]), line


def test_the_dockerfile_copies_what_there_is() -> None:
    text = DOCKERFILE.read_text()
    for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE):
        assert [name for name in line.split()[:-1] if not (ROOT / name).exists()] == []
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE) for name in line.split()[:-1]}
    assert copied <= kept
    stages = set(re.findall(r"^FROM \S+ AS (\w+)$", text, re.MULTILINE))
    wanted = set(re.findall(r"^ +target: (\w+)$", COMPOSE.read_text(), re.MULTILINE))
    assert wanted <= stages
    # nothing runs as root
    running = [stage for stage in text.split("\nFROM ") if "\nENTRYPOINT" in stage]
    assert running
    assert all("\nUSER 10001\n" in stage for stage in running)


def test_no_secret_can_be_committed() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    for name in re.findall(r"^ +file: \./(\S+)$", COMPOSE.read_text(), re.MULTILINE):
        pattern = "*.pem" if name.endswith(".pem") else name
        assert f"/deploy/{pattern}" in ignored
    assert "/deploy/.env" in ignored


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    # the program is not installed where the unit expects it
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/earwitness/bin/earwitness serve", f"{shutil.which('true')} serve"))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
