"""What a run leaves behind for people: rows, curves, trackers, and the facts that repeat it."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from earwitness.data.manifest import Manifest
from earwitness.errors import MissingExtraError, UnknownNameError

TRACKERS = {"tensorboard": "tensorboard", "wandb": "wandb"}
"""Name to the package that it needs."""

_PACKAGES = ("earwitness", "torch", "numpy", "accelerate", "transformers", "onnxruntime", "av", "soxr")


def append_row(path: Path, row: Mapping[str, float]) -> None:
    """Add a row to a table; columns that are new to the table are added to it, and its older rows leave them empty.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "history.csv"
    >>> append_row(file, {"step": 1.0})
    >>> append_row(file, {"step": 2.0, "loss": 0.5})
    >>> file.read_text().split()
    ['step,loss', '1,', '2,0.5']
    """
    rows: list[dict[str, str]] = []
    names: list[str] = []
    if path.exists():
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            rows, names = list(reader), list(reader.fieldnames or ())
    names += [name for name in row if name not in names]
    rows.append({name: f"{value:.6g}" for name, value in row.items()})
    part = path.with_suffix(".part")
    with part.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(part, path)


def draw_curves(table: Path, picture: Path) -> None:
    """The loss and the EERs on dev over the steps of ``history.csv``, as a PNG or SVG file.

    Parameters
    ----------
    table:
        What :func:`append_row` wrote.
    picture:
        Where to; the suffix is the format.
    """
    from matplotlib.figure import Figure

    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    steps = [float(row["step"]) for row in rows]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(steps, [float(row["loss"]) for row in rows], marker=".")
    left.set(xlabel="step", ylabel="training loss", ylim=(0, None))
    names = [n for n in rows[0] if (n == "eer" or n.startswith("eer_")) and all(row.get(n) for row in rows)]
    for name in names:
        right.plot(steps, [100 * float(row[name]) for row in rows], marker=".", label=name.replace("_", " "))
    right.set(xlabel="step", ylabel="EER on dev, %", ylim=(0, None))
    right.legend(fontsize="small")
    figure.savefig(picture, dpi=110)


def run_facts(train: Manifest, dev: Manifest, *, processes: int, threads: int, revision: str) -> dict[str, Any]:
    """What beside the recipe decides how a run ends: code, packages, machine, rows.

    Parameters
    ----------
    train, dev:
        The rows as they were used.
    processes, threads:
        Of the run.
    revision:
        Of the code; empty where it is not known.
    """
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = ""
    return {
        "command": sys.argv,
        "revision": revision,
        "python": platform.python_version(),
        "packages": packages,
        "machine": {"platform": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()},
        "processes": processes,
        "threads": threads,
        "rows": {split: _digest(rows) for split, rows in (("train", train), ("dev", dev))},
    }


def _digest(rows: Manifest) -> dict[str, Any]:
    text = json.dumps([[row.id, row.path, row.label, row.system, row.source, row.pair] for row in rows])
    return {"clips": len(rows), "sha256": hashlib.sha256(text.encode()).hexdigest()}


def revision() -> str:
    """The revision of the checkout that this copy runs from, or empty."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def need_trackers(names: Sequence[str]) -> None:
    """Raise an error if a tracker is unknown, or its package is not installed."""
    from difflib import get_close_matches
    from importlib.util import find_spec

    for name in names:
        if name not in TRACKERS:
            near = get_close_matches(name, TRACKERS) or list(TRACKERS)
            raise UnknownNameError(f"there is no tracker named {name!r}", hint="known: " + ", ".join(near))
        if find_spec(TRACKERS[name]) is None:
            raise MissingExtraError(f"--track {name} needs a package that is not installed", hint=f"pip install {name}")
