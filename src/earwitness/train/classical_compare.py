"""Cross-validation of classical models over sources, kept in ``comparison.csv``."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from earwitness import metrics
from earwitness.config import build
from earwitness.data.manifest import Manifest
from earwitness.errors import TrainingError
from earwitness.models.classical import Labels, library
from earwitness.train.classical_export import TOLERANCE, check_core
from earwitness.train.classical_features import Table
from earwitness.train.classical_recipe import ClassicalRecipe, configured

Report = Callable[["Compared"], None]
NOTHING = float("nan")


@dataclass(frozen=True)
class Compared:
    """One line of ``comparison.csv``: EER and AUC are means over the folds, ``spread`` is the EER's deviation.

    ``parity`` is the largest difference between the library and its ONNX graph on clips held out; ``export`` is
    ``"yes"`` or the reason why there is none.
    """

    model: str
    eer: float
    spread: float
    auc: float
    seconds: float
    parity: float
    export: str

    @property
    def measured(self) -> bool:
        """Whether there was time for it."""
        return self.eer == self.eer


def compare(
    recipe: ClassicalRecipe,
    features: Table,
    rows: Manifest,
    folder: Path,
    *,
    began: float | None = None,
    report: Report | None = None,
) -> list[Compared]:
    """Cross-validate every model of the recipe on the training clips; ``comparison.csv`` in ``folder`` keeps the lines.

    Parameters
    ----------
    features, rows:
        The measured clips and their rows, in the same order.
    folder:
        A second call with the same folder takes what stands there and goes on.
    began:
        When the budget began, on the clock of :func:`time.process_time`; now unless given.
    report:
        Called with every line.

    Raises
    ------
    TrainingError
        If a label has clips of fewer sources than there are folds.
    """
    spoof = np.asarray([row.spoof for row in rows], dtype=np.int64)
    parts = _folds(recipe, rows, spoof)
    place, began = folder / "comparison.csv", time.process_time() if began is None else began
    done = {line.model: line for line in read_comparison(place)} if place.exists() else {}
    lines: list[Compared] = []
    for name in recipe.classical.models:
        # one model is always compared, so that there is a best one
        late = lines and recipe.classical.minutes and time.process_time() - began > 60 * recipe.classical.minutes
        if late and name not in done:
            line = Compared(name, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, "not compared: out of time")
        else:
            line = done.get(name) or _validated(name, recipe, features, spoof, parts)
        lines.append(line)
        _write(place, lines)
        if report:
            report(line)
    return lines


def best_of(lines: Sequence[Compared]) -> Compared:
    """The line of the lowest EER among models that can be exported.

    Raises
    ------
    TrainingError
        If none can.
    """
    fit = [line for line in lines if line.export == "yes"]
    if not fit:
        raise TrainingError("no model that was compared can be exported", hint="see comparison.csv for the reasons")
    return min(fit, key=lambda line: line.eer)


def read_comparison(path: Path) -> list[Compared]:
    """The lines of a ``comparison.csv`` that hold a measurement."""
    with path.open(newline="") as file:
        rows = [
            build(Compared, {k: _number(k, v) for k, v in row.items()}, where=str(path)) for row in csv.DictReader(file)
        ]
    return [row for row in rows if row.measured]


def _folds(recipe: ClassicalRecipe, rows: Manifest, spoof: Labels) -> list[tuple[Any, Any]]:
    sources = [row.source or row.id for row in rows]
    count = recipe.classical.folds
    fewest = min(len({s for s, y in zip(sources, spoof, strict=True) if y == label}) for label in (0, 1))
    if fewest < count:
        raise TrainingError(
            f"{rows.where}: {fewest} sources of a label for {count} folds", hint="fewer folds, or more data"
        )
    kind = library("sklearn.model_selection").StratifiedGroupKFold
    return list(kind(count, shuffle=True, random_state=recipe.seed).split(spoof[:, None], spoof, sources))


def _validated(name: str, recipe: ClassicalRecipe, features: Table, spoof: Labels, parts: Sequence[Any]) -> Compared:
    model, began = configured(recipe, name), time.process_time()
    eers, aucs = [], []
    for fitting, held in parts:
        with library("threadpoolctl").threadpool_limits(1):
            fitted = model.fit(features.values[fitting], spoof[fitting], seed=recipe.seed)
            scores = model.score(fitted, features.values[held])
        eers.append(metrics.eer(scores, spoof[held] == 1))
        aucs.append(metrics.auc(scores, spoof[held] == 1))
    seconds = time.process_time() - began
    line = Compared(name, float(np.mean(eers)), float(np.std(eers)), float(np.mean(aucs)), seconds, NOTHING, "yes")
    try:
        parity = check_core(model, fitted, features.values[held][:512])
    except Exception as error:  # a converter may fail with anything
        return replace(line, export=f"no: {type(error).__name__}: {str(error).splitlines()[0][:200]}")
    if not parity <= TOLERANCE:
        return replace(line, parity=parity, export=f"no: ONNX differs by {parity:.2g}, more than {TOLERANCE:.2g}")
    return replace(line, parity=parity)


def _write(place: Path, lines: Sequence[Compared]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_suffix(".part")
    with part.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Compared.__dataclass_fields__)
        for line in lines:
            writer.writerow(f"{v:.6g}" if isinstance(v, float) else v for v in asdict(line).values())
    os.replace(part, place)


def _number(key: str, text: str) -> str | float:
    return text if key in ("model", "export") else float(text)
