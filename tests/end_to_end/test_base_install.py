"""What a release does: build the wheel, install it alone in a clean environment, scan a clip. No PyTorch anywhere.

make base-install
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.network]

WHEEL_LIMIT = 25_000_000


def run(*command: str | Path, cwd: Path, ok: bool = True) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "EARWITNESS"))}
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=clean, capture_output=True, text=True, timeout=280)
    if ok:
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", out, root, cwd=out)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the commands of an environment that holds the wheel and what it asks for, and nothing else."""
    folder = tmp_path_factory.mktemp("clean") / "env"
    venv.create(folder, with_pip=True)
    commands = folder / ("Scripts" if os.name == "nt" else "bin")
    run(commands / "python", "-m", "pip", "install", "--quiet", wheel, cwd=folder)
    return commands


def test_the_wheel_holds_the_package_and_little_else(wheel: Path) -> None:
    assert wheel.stat().st_size <= WHEEL_LIMIT
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    for part in (
        "earwitness/assets/default/detector.json",
        "earwitness/assets/default/model.onnx",
        "earwitness/assets/default/MODEL_CARD.md",
        "earwitness/report/style.css",
        "earwitness/verdict.schema.json",
        "earwitness/recipes/default.toml",
        "earwitness/py.typed",
    ):
        assert part in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"earwitness"}
    assert not [name for name in names if name.endswith((".wav", ".flac", ".mp3", ".opus", ".m4a", ".pyc"))]


def test_no_lab_library_is_installed(installed: Path, tmp_path: Path) -> None:
    listed = json.loads(run(installed / "python", "-m", "pip", "list", "--format", "json", cwd=tmp_path).stdout)
    names = {package["name"].lower() for package in listed}
    assert "earwitness" in names
    assert names & {"torch", "transformers", "scikit-learn", "scipy", "polars", "matplotlib", "librosa"} == set()


def test_it_scans(installed: Path, tmp_path: Path, spoof_clip: Path) -> None:
    done = run(installed / "earwitness", "scan", spoof_clip, "--json", "--html", "report.html", cwd=tmp_path)
    verdict = json.loads(done.stdout)
    assert verdict["label"] in ("likely human", "inconclusive", "likely synthetic")
    assert isinstance(verdict["llr"], float)
    assert "evidence, not proof" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_it_says_how_it_is(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "earwitness", "--version", cwd=tmp_path).stdout.startswith("earwitness ")
    run(installed / "earwitness", "doctor", cwd=tmp_path)


def test_every_command_shows_its_help(installed: Path, tmp_path: Path) -> None:
    program = "import typer; from earwitness.cli import app; print(*typer.main.get_command(app).list_commands(None))"
    names = run(installed / "python", "-c", program, cwd=tmp_path).stdout.split()
    assert "scan" in names
    for name in names:
        assert "--help" in run(installed / "earwitness", name, "--help", cwd=tmp_path).stdout


def test_the_lab_is_named_by_the_error(installed: Path, tmp_path: Path) -> None:
    done = run(installed / "earwitness", "train", "default", "-o", "out", cwd=tmp_path, ok=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_python_gives_the_same(installed: Path, tmp_path: Path, spoof_clip: Path) -> None:
    program = f"import earwitness; print(earwitness.scan({str(spoof_clip)!r}).to_json())"
    one = json.loads(run(installed / "python", "-c", program, cwd=tmp_path).stdout)
    other = json.loads(run(installed / "earwitness", "scan", spoof_clip, "--json", cwd=tmp_path).stdout)
    assert one == other
