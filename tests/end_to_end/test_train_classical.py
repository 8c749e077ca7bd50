"""Manifest → comparison of classical models → detector → scan."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")
for package in ("sklearn", "lightgbm", "skl2onnx", "onnxmltools"):
    pytest.importorskip(package, reason="classical models need the extra [classical]")

import lab_files
from typer.testing import CliRunner

import earwitness
from earwitness.data.manifest import read_manifest
from earwitness.errors import ConfigError, TrainingError, UnknownNameError
from earwitness.models.classical_trees import LightGBM
from earwitness.train.classical import claim
from earwitness.train.classical_compare import Compared, best_of, compare, read_comparison
from earwitness.train.classical_features import Table
from earwitness.train.classical_recipe import classical_names, is_classical, load_classical

RECIPE = """
name = "small-comparison"
about = "two small models, for tests"
[frontend]
name = "statistics"
[frontend.settings]
mels = 16
coefficients = 8
[classical]
models = ["logistic_regression", "lightgbm"]
folds = 2
[classical.settings.lightgbm]
trees = 10
least = 2
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classical")
    lab_files.miniature(folder)
    (folder / "small.toml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def run(lab: Path) -> Path:
    """The run folder with its detector, made by the command."""
    from earwitness.cli import app

    arguments = ["train", str(lab / "small.toml"), "-m", str(lab / "manifest.csv"), "-o", str(lab / "run")]
    result = CliRunner().invoke(app, [*arguments, "--cache", str(lab / "cache")])
    assert result.exit_code == 0, result.output
    assert "chosen: " in result.output
    return lab / "run"


def test_the_comparison_holds_every_model(run: Path) -> None:
    lines = {line.model: line for line in read_comparison(run / "comparison.csv")}
    assert set(lines) == {"logistic_regression", "lightgbm"}
    for line in lines.values():
        assert line.export == "yes"
        assert line.parity < 1e-3
        assert 0 <= line.eer <= 1


def test_the_detector_is_the_best_model_behind_its_front_end(run: Path) -> None:
    detector = earwitness.Detector.load(run / "detector")
    lines = read_comparison(run / "comparison.csv")
    facts = detector.info.data["train"]
    assert facts["model"] == min(lines, key=lambda line: line.eer).model
    assert facts["onnx_parity"] < 1e-3
    assert facts["parameters"] > 0
    assert detector.info.data["thresholds"]["chosen_on"] == "dev"
    verdict = earwitness.scan(run.parent / "clips" / "001.wav", detector=detector)
    assert verdict.llr is not None
    # what tells the two sorts of buzz apart is how steady the pitch is, which the statistics measure
    rng = np.random.default_rng(8)
    waves = {sway: np.stack([lab_files.buzz(sway, 1.3, rng) for _ in range(12)]) for sway in (True, False)}
    human, spoof = (detector.logits(waves[sway].astype(np.float32)) for sway in (True, False))
    assert spoof.mean() > human.mean()


def test_features_are_measured_once(run: Path) -> None:
    tables = sorted((run.parent / "cache" / "features").glob("*-features.npy"))
    assert len(tables) == 2, "train and dev"
    assert sorted(len(np.load(table)) for table in tables) == [16, 24]


def table_of(manifest: Path) -> tuple[Table, object]:
    """Random features, with one that is the label, of the rows of train."""
    rows = read_manifest(manifest).filter(split="train")
    values = np.random.default_rng(0).standard_normal((len(rows), 6)).astype(np.float32)
    values[:, 2] += [3.0 * row.spoof for row in rows]
    return Table(tuple(row.id for row in rows), tuple("abcdef"), values), rows


def test_no_source_stands_on_both_sides_of_a_fold(lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features, rows = table_of(lab / "manifest.csv")
    sources = {tuple(values): row.source for values, row in zip(features.values.tolist(), rows, strict=True)}
    seen: list[set[str]] = []
    fit, score = LightGBM.fit, LightGBM.score

    def told_fit(self: LightGBM, x: np.ndarray, y: np.ndarray, *, seed: int) -> object:
        seen.append({sources[tuple(row)] for row in x.tolist()})
        return fit(self, x, y, seed=seed)

    def told_score(self: LightGBM, fitted: object, x: np.ndarray) -> np.ndarray:
        if len(x) < len(rows):
            assert not seen[-1] & {sources[tuple(row)] for row in x.tolist()}
        return score(self, fitted, x)

    monkeypatch.setattr(LightGBM, "fit", told_fit)
    monkeypatch.setattr(LightGBM, "score", told_score)
    recipe = load_classical(str(lab / "small.toml"), ['classical.models=["lightgbm"]'])
    (line,) = compare(recipe, features, rows, tmp_path)
    assert len(seen) == 2
    assert line.eer < 0.3


def test_what_cannot_be_exported_is_listed_with_the_reason_and_not_chosen(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, rows = table_of(lab / "manifest.csv")
    recipe = load_classical(str(lab / "small.toml"))
    graph = LightGBM.graph

    def shifted(self: LightGBM, fitted: object, columns: int) -> object:
        model = graph(self, fitted, columns)
        model.graph.node[0].attribute.append(model.graph.node[0].attribute[0])
        return model

    monkeypatch.setattr(LightGBM, "graph", shifted)
    lines = {line.model: line for line in compare(recipe, features, rows, tmp_path / "broken")}
    assert lines["lightgbm"].export.startswith("no: ")
    assert best_of(list(lines.values())).model == "logistic_regression"
    monkeypatch.setattr(LightGBM, "graph", graph)
    score = LightGBM.score
    monkeypatch.setattr(LightGBM, "score", lambda self, fitted, x: score(self, fitted, x) + 0.01)
    lines = {line.model: line for line in compare(recipe, features, rows, tmp_path / "shifted")}
    assert "differs by 0.01" in lines["lightgbm"].export
    with pytest.raises(TrainingError, match="no model"):
        best_of([lines["lightgbm"]])


def test_a_comparison_goes_on_where_it_stopped(lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features, rows = table_of(lab / "manifest.csv")
    late = load_classical(str(lab / "small.toml"), ["classical.minutes=1e-9"])
    first = compare(late, features, rows, tmp_path)
    assert [line.export for line in first] == ["yes", "not compared: out of time"]
    with (tmp_path / "comparison.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2
    recipe = load_classical(str(lab / "small.toml"))
    whole = compare(recipe, features, rows, tmp_path)
    monkeypatch.setattr(LightGBM, "fit", None)
    again = compare(recipe, features, rows, tmp_path)
    assert [line.eer for line in again] == pytest.approx([line.eer for line in whole], rel=1e-4)


def test_recipes() -> None:
    assert classical_names() == ["classical-comparison"]
    assert len(load_classical("classical-comparison").classical.models) == 8
    assert is_classical("classical-comparison")
    assert not is_classical("default")
    with pytest.raises(UnknownNameError, match="classical-comparsion"):
        load_classical("classical-comparsion")
    with pytest.raises(UnknownNameError, match="forest"):
        load_classical("classical-comparison", ['classical.models=["forest"]'])
    with pytest.raises(ConfigError, match="unknown setting 'depth'"):
        load_classical("classical-comparison", ["classical.settings.svm.depth=3"])
    with pytest.raises(ConfigError, match="2 folds"):
        load_classical("classical-comparison", ["classical.folds=1"])


def test_a_folder_of_another_recipe_and_too_few_sources(lab: Path, run: Path, tmp_path: Path) -> None:
    assert json.loads((run / "recipe.json").read_text())["name"] == "small-comparison"
    with pytest.raises(TrainingError, match="another recipe"):
        claim(run, load_classical(str(lab / "small.toml"), ["seed=5"]))
    features, rows = table_of(lab / "manifest.csv")
    with pytest.raises(TrainingError, match="4 sources of a label for 9 folds"):
        compare(load_classical(str(lab / "small.toml"), ["classical.folds=9"]), features, rows, tmp_path)
    with pytest.raises(TrainingError, match="no model"):
        best_of([Compared("svm", 0.1, 0.0, 0.9, 1.0, float("nan"), "no: reason")])
