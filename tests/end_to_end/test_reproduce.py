"""A suite on a miniature corpus: train, export, measure, one table, its page, and going on."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")
pytest.importorskip("accelerate", reason="training needs the extra [train]")

import lab_files
from typer.testing import CliRunner

from earwitness.cli import app
from earwitness.cli.reproduce import _without_only
from earwitness.data.manifest import Manifest, read_manifest, write_manifest
from earwitness.errors import UnknownNameError
from earwitness.evaluate.systems import COLUMNS, systems_page
from earwitness.train.recipe import recipe_names
from earwitness.train.suites import SUITES, suite

WIDE = (
    "system, recipe, commit, dataset, split, chosen_on, pretrained, params, clips_seen, epochs_done, stopped_by, "
    "minutes, rtf, eer, eer_low, eer_high, eer_unseen_name, eer_unseen_family, auc, accuracy, precision, recall, f1, "
    "threshold_rule"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the table and the page of one small system, trained for a second, by the command."""
    folder = tmp_path_factory.mktemp("suite")
    manifest = read_manifest(lab_files.miniature(folder, clips=80))
    splits = ["train", "train", "dev", "eval"]
    rows = [replace(row, split=splits[place // 20]) for place, row in enumerate(manifest)]
    # generators of eval: one of training, one of a family of its own
    rows = [replace(row, system="bark") if row.split == "eval" and row.system == "system1" else row for row in rows]
    write_manifest(Manifest(rows, root=folder), folder / "manifest.csv")
    command = [sys.executable, "-m", "earwitness", *arguments(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=280)
    log = folder / "runs" / "s4-mfcc-cnn" / "log.txt"
    assert done.returncode == 0, done.stderr + (log.read_text() if log.exists() else "")
    return folder


def arguments(folder: Path) -> list[str]:
    given = ["reproduce", "-m", str(folder / "manifest.csv"), "--suite", "systems", "--budget", "0.02"]
    given += ["-o", str(folder / "runs"), "--results", str(folder / "systems.csv"), "--page", str(folder / "page.md")]
    return [*given, "--cache", str(folder / "cache"), "--only", "s4-mfcc-cnn", "--dataset", "miniature"]


def test_row_has_every_column_of_the_wide_table(made: Path) -> None:
    with (made / "systems.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS) == WIDE.split(", ")
    row = rows[0]
    assert (row["system"], row["recipe"], row["dataset"]) == ("S4 MFCC CNN", "s4-mfcc-cnn", "miniature")
    assert (row["split"], row["chosen_on"], row["threshold_rule"]) == ("eval", "dev", "eer on dev")
    assert row["stopped_by"] in ("minutes", "steps")
    assert int(row["params"]) == 16 * 10 + 32 * (16 * 9 + 1) + 128 * (32 * 10 * 50 + 1) + 2 * 129
    assert float(row["epochs_done"]) == pytest.approx(int(row["clips_seen"]) / 40, abs=0.01)
    assert 0 <= float(row["eer_low"]) <= float(row["eer"]) <= float(row["eer_high"]) <= 1
    assert 0 < float(row["rtf"]) < 1
    assert row["pretrained"] == "none foreseen"
    for name in ("auc", "accuracy", "recall", "f1"):
        assert 0 <= float(row[name]) <= 1


def test_detector_is_a_detector_and_says_what_it_heard(made: Path) -> None:
    info = json.loads((made / "runs" / "s4-mfcc-cnn" / "detector" / "detector.json").read_text())
    assert info["window"] == {"seconds": 1.0, "hop": 0.5, "min_seconds": 1.0}
    assert list(info["train"]["conditions"]) == ["as it is"]
    assert info["calibration"]["fitted_on"].endswith("under as it is")
    # a system's figures come from training data that eval is no part of
    assert info["train"]["clips"] == {"bonafide": 20, "spoof": 20}


def test_page_says_what_stands_in_the_table(made: Path) -> None:
    page = (made / "page.md").read_text()
    assert "S4 MFCC CNN (`s4-mfcc-cnn`)" in page
    assert "earwitness reproduce -m" in page
    assert "counts training alone" in page


def test_finished_systems_are_kept(made: Path) -> None:
    before = (made / "systems.csv").read_bytes()
    stamp = (made / "runs" / "s4-mfcc-cnn" / "row.json").stat().st_mtime_ns
    (made / "page-notes.md").write_text("## Why\n\nBecause.\n")
    result = CliRunner().invoke(app, arguments(made))
    assert result.exit_code == 0, result.output
    assert (made / "systems.csv").read_bytes() == before
    assert (made / "runs" / "s4-mfcc-cnn" / "row.json").stat().st_mtime_ns == stamp
    assert (made / "page.md").read_text().endswith("## Why\n\nBecause.\n")


def test_suites_name_recipes_that_exist() -> None:
    for name, systems in SUITES.items():
        recipes = [system.recipe for system in systems]
        assert len(set(recipes)) == len(recipes), name
        assert set(recipes) - {"classical-comparison"} <= set(recipe_names())
    with pytest.raises(UnknownNameError, match="no suite named 'small'"):
        suite("small")
    with pytest.raises(UnknownNameError, match="no recipe 'aast'"):
        suite("full", ["aast"])


def test_a_page_without_figures_for_new_generators() -> None:
    row = dict.fromkeys(COLUMNS, "")
    row |= {"system": "x", "recipe": "y", "stopped_by": "fitted", "rtf": "0.01", "eer": "0.25", "auc": "0.8"}
    row |= {"eer_low": "0.2", "eer_high": "0.3", "accuracy": "0.75", "f1": "0.7"}
    assert "| 25.0 (20.0 to 30.0) | – | – | 0.800 | 75.0 | 70.0 |" in systems_page([row])


def test_a_child_is_told_its_system_alone() -> None:
    assert _without_only(["reproduce", "--only", "a", "--jobs", "2", "--only=b"]) == ["reproduce", "--jobs", "2"]
