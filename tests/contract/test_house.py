"""The rules of the house, read from the source: who imports whom, how large things are, which errors are raised."""

from __future__ import annotations

import ast
import builtins
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import earwitness
from earwitness import errors
from earwitness.registry import find

SOURCE = Path(earwitness.__file__).parent
ROOT = SOURCE.parents[1]
FILES = sorted(SOURCE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}

#: left to right; a file imports from its own group or from groups to its left
GROUPS = (
    ("errors", "registry", "config", "metrics"),
    ("audio",),
    ("features",),
    ("augment",),
    ("models",),
    ("data",),
    ("calibrate",),
    ("verdict", "pooling", "detector", "error_cells"),
    ("explain", "export", "batch"),
    ("train", "evaluate"),
    ("report", "serve"),
    ("cli", "__main__"),
)
#: what the order alone would allow
FORBIDDEN = {
    "metrics": {"registry", "config"},
    "models": {"audio", "augment"},
    "train": {"evaluate"},
    "evaluate": {"train"},
    "serve": {"train"},
    "report": {"serve"},
}
LAB = {"features", "augment", "models", "train", "export"}
HEAVY = {
    "torch",
    "transformers",
    "accelerate",
    "onnxruntime",
    "onnx",
    "polars",
    "pyarrow",
    "fsspec",
    "ray",
    "matplotlib",
    "sklearn",
}
NOT_IN_THE_RUN_HALF = {"torch", "transformers", "polars", "scipy", "sklearn", "pandas", "matplotlib", "librosa"}
RUN_HALF = {
    "audio",
    "batch",
    "calibrate",
    "verdict",
    "pooling",
    "detector",
    "error_cells",
    "report",
    "errors",
    "registry",
}
RUN_HALF |= {"serve"}


def part(path: Path) -> str:
    """The name in GROUPS that a file belongs to; ``detector_*.py`` and ``export_*.py`` are rooms of those."""
    name = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    return next((house for house in ("detector", "export") if name.startswith(f"{house}_")), name)


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every imported module with its line, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "earwitness":
                yield from ((f"earwitness.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield node.module, node.lineno


def at_import(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Imports that run when the file is imported: not inside functions, not for the type checker only."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imports(node)
        else:
            waiting += ast.iter_child_nodes(node)


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_every_file_has_a_place() -> None:
    known = {name for group in GROUPS for name in group} | {"__init__"}
    assert {part(path) for path in FILES} - known - {"recipes", "assets"} == set()


def test_imports_go_to_the_left() -> None:
    place = {name: i for i, group in enumerate(GROUPS) for name in group}
    wrong = []
    for path in FILES:
        mine = part(path)
        if mine not in place:
            continue
        for module, line in imports(TREES[path]):
            head, _, rest = module.partition(".")
            theirs = rest.split(".")[0]
            theirs = "detector" if theirs.startswith("detector_") else theirs
            if head != "earwitness" or theirs not in place or theirs == mine:
                continue
            if place[theirs] > place[mine] or theirs in FORBIDDEN.get(mine, ()):
                wrong.append(f"{where(path, line)}: {mine} imports {theirs}")
    assert wrong == []


def test_metrics_know_only_numpy() -> None:
    allowed = {"__future__", "numpy", "math", "collections", "dataclasses", "typing", "itertools", "functools"}
    wrong = [
        where(path, line)
        for path in FILES
        if part(path) == "metrics"
        for module, line in imports(TREES[path])
        if module.split(".")[0] not in allowed and not module.startswith(("earwitness.errors", "earwitness.metrics"))
    ]
    assert wrong == []


def test_nothing_heavy_is_imported_early() -> None:
    wrong = []
    for path in FILES:
        early = HEAVY - {"torch"} if part(path) in LAB else HEAVY
        hits = [(m, line) for m, line in at_import(TREES[path]) if m.split(".")[0] in early]
        wrong += [f"{where(path, line)}: {module}" for module, line in hits]
    assert wrong == []


def test_the_run_half_names_no_lab_library() -> None:
    wrong = [
        f"{where(path, line)}: {module}"
        for path in FILES
        if part(path) in RUN_HALF
        for module, line in imports(TREES[path])
        if module.split(".")[0] in NOT_IN_THE_RUN_HALF
    ]
    assert wrong == []


def test_the_run_half_imports_without_the_lab() -> None:
    """Every module of the run half, in a process in which the libraries of the lab cannot be imported."""
    modules = [
        ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in FILES
        if part(path) in RUN_HALF | {"metrics", "config"}
    ]
    program = (
        "import importlib, sys\n"
        "class Wall:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {NOT_IN_THE_RUN_HALF!r}:\n"
        "            raise ImportError(f'{name} is not part of the base install')\n"
        "sys.meta_path.insert(0, Wall())\n"
        f"for name in {modules!r} + ['earwitness.cli', 'earwitness.cli.scan', 'earwitness.cli.doctor']:\n"
        "    importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_costs_nothing() -> None:
    program = "import sys, earwitness, earwitness.report, earwitness.errors; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.split())
    assert "earwitness" in loaded
    assert loaded & {"numpy", "torch", "onnxruntime", "av", "soxr", "rich", "typer"} == set()


def test_sizes() -> None:
    large = []
    for path, tree in TREES.items():
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines > 400:
            large.append(f"{where(path, 1)}: {lines} lines")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                doc = node.body[0]
                if isinstance(doc, ast.Expr) and isinstance(doc.value, ast.Constant):
                    length -= (doc.end_lineno or doc.lineno) - doc.lineno + 1
                if length > 60:
                    large.append(f"{where(path, node.lineno)}: {node.name} has {length} lines")
    assert large == []


def test_errors_come_from_the_tree() -> None:
    tree = {name for name, value in vars(errors).items() if isinstance(value, type)}
    # what protocols ask for: attribute access, iteration, containers, leaving a program, refusing FFmpeg a file
    protocol = {"AttributeError", "StopIteration", "KeyError", "IndexError", "SystemExit", "PermissionError"}
    wrong = []
    for path in FILES:
        for node in ast.walk(TREES[path]):
            if isinstance(node, ast.Assert):
                wrong.append(f"{where(path, node.lineno)}: assert")
            if not isinstance(node, ast.Raise) or node.exc is None:
                continue
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            name = raised.attr if isinstance(raised, ast.Attribute) else getattr(raised, "id", "")
            builtin = isinstance(getattr(builtins, name, None), type)
            if builtin and name not in tree | protocol:
                wrong.append(f"{where(path, node.lineno)}: {name}")
    assert wrong == []


def test_only_commands_print() -> None:
    wrong = [
        where(path, node.lineno)
        for path in FILES
        if part(path) not in ("cli", "__main__")
        for scope in TREES[path].body
        if getattr(scope, "name", "") != "main"
        for node in ast.walk(scope)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    ]
    assert wrong == []


def is_overload(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("overload" in ast.unparse(d) for d in node.decorator_list)


def test_what_is_public_is_described() -> None:
    missing = []
    for path, tree in TREES.items():
        if not ast.get_docstring(tree):
            missing.append(where(path, 1))
        scopes: list[ast.Module | ast.ClassDef] = [tree]
        while scopes:
            for node in scopes.pop().body:
                if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    continue
                # an overload is described by its implementation, a module's forward by its class
                spared = node.name.startswith("_") or node.name == "forward" or is_overload(node)
                if not spared and not ast.get_docstring(node):
                    missing.append(f"{where(path, node.lineno)}: {node.name}")
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    scopes.append(node)
    assert missing == []


def tables() -> Iterator[tuple[str, str, str]]:
    """Every entry of every visible table: (table, name, target), found by its shape."""
    shape = re.compile(r"earwitness[\w.]*:\w+")
    for path, tree in TREES.items():
        for node in tree.body:
            value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
            if not isinstance(value, ast.Dict):
                continue
            name = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
            for key, item in zip(value.keys, value.values, strict=True):
                item = item.elts[0] if isinstance(item, ast.Tuple) and item.elts else item
                texts = [c.value for c in (key, item) if isinstance(c, ast.Constant) and isinstance(c.value, str)]
                if len(texts) == 2 and shape.fullmatch(texts[1]):
                    yield f"{path.relative_to(SOURCE)} {name}", texts[0], texts[1]


def test_there_are_tables() -> None:
    names = {table.split()[-1] for table, *_ in tables()}
    assert {"DATASETS", "FRONTENDS", "MODELS", "AUGMENTS", "LOSSES", "METRICS", "COMMANDS"} <= names


@pytest.mark.parametrize(("table", "name", "target"), [pytest.param(*t, id=f"{t[0]}-{t[1]}") for t in tables()])
def test_every_name_resolves(table: str, name: str, target: str) -> None:
    if table.split()[0].split("/")[0] in LAB:
        pytest.importorskip("torch", reason="the lab half is not installed")
    assert callable(find({name: target}, name)) or "COMMANDS" in table


@pytest.mark.parametrize("name", [n for n in earwitness.__all__ if n != "__version__"])
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(earwitness, name) is not None


def test_the_changelog_has_this_version(root: Path) -> None:
    assert f"## {earwitness.__version__}" in (root / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_citation_has_this_version(root: Path) -> None:
    assert f"version: {earwitness.__version__}" in (root / "CITATION.cff").read_text(encoding="utf-8")


def test_nothing_is_left_open(root: Path) -> None:
    pattern = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX|HA" + r"CK)\b|NotImplementedEr" + r"ror")
    places = [*FILES, *sorted((root / "tests").rglob("*.py"))]
    found = [where(p, 1) for p in places if pattern.search(p.read_text(encoding="utf-8"))]
    assert found == []


def test_the_package_reaches_for_nothing_outside() -> None:
    outside = [where(p, 1) for p in FILES if "../shared" in p.read_text(encoding="utf-8")]
    assert outside == []
    for module in ("earwitness.errors", "earwitness.registry"):
        assert importlib.import_module(module)
