"""What the documents say is so: links, commands and options exist, examples run, generated pages are current."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(kind: str) -> Iterator[Any]:
    for page in PAGES:
        for number, match in enumerate(BLOCK.finditer(page.read_text(encoding="utf-8"))):
            if match[1] == kind:
                yield pytest.param(match[2], id=f"{page.name}-{number}")


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def anchor(title: str) -> str:
    """The address that code hosts give a heading."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for address in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in address or address.startswith("mailto:"):
            continue
        name, _, place = address.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), address
        if place and target.suffix == ".md":
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert place in {anchor(title) for title in titles}, address


def command_lines() -> Iterator[Any]:
    """Every line in a plain block that calls ``earwitness`` or ``make``."""
    for param in [*blocks(""), *blocks("console")]:
        for line in param.values[0].splitlines():
            if "[OPTIONS]" in line:
                continue
            for found in re.findall(r"(?:^|&& |\$ )((?:earwitness|make) [^#|<>&]*)", line.strip()):
                yield pytest.param(found.strip(), id=f"{param.id}-{found.strip()[:40]}")


@pytest.mark.parametrize("line", list(command_lines()))
def test_commands_exist(line: str) -> None:
    words = shlex.split(line)
    if words[0] == "make":
        targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
        assert {w for w in words[1:] if "=" not in w} <= targets
        return
    import typer

    from earwitness.cli import app

    group: Any = typer.main.get_command(app)
    if words[1].startswith("-"):
        known = {o for p in group.params for o in p.opts} | {"--help"}
        assert words[1] in known
        return
    assert words[1] in group.list_commands(None), words[1]
    docs = script("cli_docs")
    found = docs.target(words[1])
    if isinstance(found, typer.Typer):
        inner = {c.name or c.callback.__name__.replace("_", "-"): c.callback for c in found.registered_commands}
        if words[2:] and not words[2].startswith("-"):
            assert words[2] in inner
            found = inner[words[2]]
        else:
            assert found.info.invoke_without_command is True, line
            found = found.registered_callback.callback
    known = {"--help"}
    for parameter, hint, info in docs.parameters(found):
        known |= set(re.findall(r"--?[\w-]+", docs.flags(parameter, hint, info)))
    assert {w.partition("=")[0] for w in words if re.fullmatch(r"--?[a-z][\w-]*(=.*)?", w)} <= known


@pytest.mark.parametrize("code", list(blocks("python")))
def test_python_examples_run(code: str) -> None:
    if "torch" in code:
        pytest.importorskip("torch", reason="the lab half is not installed")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["cli_docs", "performance", "readme"])
def test_generated_pages_are_current(name: str) -> None:
    command = [sys.executable, f"scripts/{name}.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_command_has_its_page() -> None:
    from earwitness.cli import COMMANDS

    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"## `earwitness {name}`" not in text] == []


def test_the_layout_is_the_tree() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    layout = text.split("<!-- layout:begin -->")[1].split("<!-- layout:end -->")[0]
    source = ROOT / "src" / "earwitness"
    inside = re.findall(r"^  ([\w./]+)", layout, re.MULTILINE)
    outside = re.findall(r"(?:^|  )([\w.]+/?[\w/]*)(?=  |\n|$)", layout.split("docs/")[0], re.MULTILINE)
    assert [name for name in inside if not (source / name).exists()] == []
    assert [name for name in outside if name.strip("`") and not (ROOT / name).exists()] == []
    built = {p.name for p in source.iterdir() if any(p.glob("*.py")) or any(p.glob("*.toml")) or any(p.glob("*/*"))}
    files = {p.name for p in source.glob("*.py") if not p.name.startswith(("detector_", "__main__"))}
    assert {name.rstrip("/") for name in inside} >= {n for n in built | files if n != "__pycache__"}
