"""Classical models on hand-made features: compared by cross-validation over sources, the best one exported."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from earwitness import __version__, metrics
from earwitness.config import build
from earwitness.data.manifest import Manifest
from earwitness.errors import ConfigError, TrainingError
from earwitness.features import FRONTENDS
from earwitness.models.classical import library
from earwitness.registry import find
from earwitness.train.classical_compare import Report, best_of, compare
from earwitness.train.classical_export import check_joined, joined, numbers
from earwitness.train.classical_features import Table, frontend_graph, measure
from earwitness.train.classical_recipe import ClassicalRecipe, configured
from earwitness.train.conditions import CONDITIONS
from earwitness.train.material import split_cache
from earwitness.train.publish import finish, provisional, short_card


@dataclass(frozen=True)
class ClassicalOutcome:
    """What a classical run ended with: the chosen model, its EER in cross-validation and on dev, clips and minutes.

    ``stopped_by`` is ``"all compared"`` or ``"budget"``; ``parameters`` are the numbers in the chosen model's graph.
    """

    folder: Path
    model: str
    eer_folds: float
    eer_dev: float
    clips: int
    parameters: int
    minutes: float
    stopped_by: str


def train_classical(
    recipe: ClassicalRecipe,
    manifest: Manifest,
    folder: Path,
    *,
    cache: Path,
    detector: Path | None = None,
    commit: str = "",
    jobs: int = 1,
    conditions: Sequence[str] = tuple(CONDITIONS),
    report: Report | None = None,
    tick: Callable[[str, int, int], None] | None = None,
) -> ClassicalOutcome:
    """Compare the recipe's models on train, fit the best on all of it, and write its detector.

    Parameters
    ----------
    manifest:
        Rows with the splits ``train`` and ``dev``. Train chooses the model, by cross-validation over sources; dev
        calibrates it.
    folder:
        The run folder: ``recipe.json``, ``comparison.csv``.
    cache:
        Where decoded audio and features are kept between runs.
    detector:
        The detector folder; ``folder / "detector"`` unless given.
    commit:
        Revision of the code, for the record.
    jobs:
        Processes that decode, and that hear dev in the end.
    conditions:
        Names of :data:`~earwitness.train.conditions.CONDITIONS` that dev is heard under in the end.
    report:
        Called with every line of the comparison.
    tick:
        Called with a split, clips measured so far, and all of them.

    Raises
    ------
    TrainingError
        If the folder is another recipe's, a label has too few sources, or no model can be exported.
    ExportError
        If the joined graph differs from the library.
    """
    began = time.process_time()
    claim(folder, recipe)
    graph, columns = frontend_of(recipe)

    def table(split: str) -> tuple[Table, Manifest]:
        total = len(manifest.filter(split=split))
        told = (lambda done: tick(split, done, total)) if tick else None
        return measured(recipe, manifest, split, cache, graph, columns, jobs=jobs, report=told)

    features, rows = table("train")
    lines = compare(recipe, features, rows, folder, began=began, report=report)
    best = best_of(lines)
    model, spoof = configured(recipe, best.model), np.asarray([row.spoof for row in rows], dtype=np.int64)
    with library("threadpoolctl").threadpool_limits(1):
        fitted = model.fit(features.values, spoof, seed=recipe.seed)
    core = model.graph(fitted, len(columns))
    parameters = numbers(core)
    whole = joined(graph, core)
    parity = check_joined(model, fitted, graph, whole, seed=recipe.seed)
    held, dev = table("dev")
    eer = metrics.eer(model.score(fitted, held.values), np.asarray([row.spoof for row in dev]))
    minutes = (time.process_time() - began) / 60
    info = provisional(recipe.name, recipe.seed, recipe.window, manifest.filter(split="train"), __version__)
    info["train"] |= {
        "model": best.model,
        "frontend": recipe.frontend.name,
        "eer_folds": best.eer,
        "eer_dev_windows": eer,
        "commit": commit,
        "onnx_parity": parity,
        "parameters": parameters,
    }
    text = short_card(recipe.name, f"{recipe.about}; chosen: {best.model}")
    place = folder / "dev-trials.jsonl"
    target = detector or folder / "detector"
    finish(target, info, whole, text, place, manifest, seed=recipe.seed, jobs=jobs, conditions=conditions)
    stopped = "all compared" if all(line.measured for line in lines) else "budget"
    return ClassicalOutcome(folder, best.model, best.eer, eer, len(rows), parameters, minutes, stopped)


def measured(
    recipe: ClassicalRecipe,
    manifest: Manifest,
    split: str,
    cache: Path,
    graph: bytes,
    columns: tuple[str, ...],
    *,
    jobs: int = 1,
    report: Callable[[int], None] | None = None,
) -> tuple[Table, Manifest]:
    """The features of a split and the rows that they belong to; decoded audio and features are kept in ``cache``."""
    rows = manifest.filter(split=split)
    audio = split_cache(rows, 1 if split == "dev" else 0, cache, split, jobs)
    rows = rows.filter(lambda row: row.id in audio)
    table = measure(graph, columns, rows, audio, cache / "features", window=recipe.window, report=report)
    return table, rows


def frontend_of(recipe: ClassicalRecipe) -> tuple[bytes, tuple[str, ...]]:
    """The front end as an ONNX graph, and the names of its columns.

    Raises
    ------
    ConfigError
        If the front end has no named columns: classical models read a vector and not a picture.
    """
    kind = find(FRONTENDS, recipe.frontend.name, kind="front end")
    frontend = kind(build(kind.Settings, recipe.frontend.settings, where="frontend.settings")).eval()
    columns: tuple[str, ...] = getattr(frontend, "columns", ())
    if not columns:
        raise ConfigError(f"{recipe.name}: front end {recipe.frontend.name!r} gives no vector", hint="use statistics")
    return frontend_graph(frontend), columns


def claim(folder: Path, recipe: ClassicalRecipe) -> None:
    """Make the run folder this recipe's.

    Raises
    ------
    TrainingError
        If it belongs to another recipe.
    """
    place, text = folder / "recipe.json", json.dumps(asdict(recipe), indent=1) + "\n"
    if place.exists() and place.read_text() != text:
        raise TrainingError(f"{folder}: the run of another recipe or other settings", hint="name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
