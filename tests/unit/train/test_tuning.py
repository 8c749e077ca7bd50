"""The search: within its ranges, on dev, resumable, with a table."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")
optuna = pytest.importorskip("optuna", reason="training needs the extra [train]")

import lab_files
from typer.testing import CliRunner

from earwitness.errors import ConfigError, TrainingError
from earwitness.train import tuning
from earwitness.train.material import open_material
from earwitness.train.recipe import load_recipe

SEARCH = """
[search]
"optimizer.lr" = { low = 1e-4, high = 1e-2, log = true }
"model.settings.embedding" = { low = 8, high = 24, whole = true }
"loss.name" = { choices = ["bce", "ranked"] }
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuning")
    lab_files.miniature(folder)
    lab_files.recipe_file(folder, lab_files.RECIPE.replace("steps = 6", "steps = 2") + SEARCH)
    return folder


def search(lab: Path, folder: Path, trials: int, **more: object) -> list[tuning.TrialRow]:
    recipe = str(lab / "miniature.toml")
    material = open_material(lab / "manifest.csv", load_recipe(recipe), lab / "cache")
    return tuning.tune(recipe, [], material, folder, trials=trials, **more)


def test_command_writes_a_table_and_goes_on(lab: Path, tmp_path: Path) -> None:
    from earwitness.cli import app

    arguments = ["tune", str(lab / "miniature.toml"), "-m", str(lab / "manifest.csv"), "--cache", str(lab / "cache")]
    arguments += ["-o", str(tmp_path / "study"), "--budget", "0"]
    first = CliRunner().invoke(app, [*arguments, "--trials", "2"])
    assert first.exit_code == 0, first.output
    assert "--set optimizer.lr=" in first.output
    second = CliRunner().invoke(app, [*arguments, "--trials", "3"])
    assert second.output.count("trial ") == second.output.count("trial 2") + second.output.count("best of 3: trial ")
    with (tmp_path / "study" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(int(row["trial"]) for row in rows) == [0, 1, 2]
    choices = [float(row["choice"]) for row in rows]
    assert choices == sorted(choices)
    for row in rows:
        assert 1e-4 <= float(row["optimizer.lr"]) <= 1e-2
        assert 8 <= int(row["model.settings.embedding"]) <= 24
        assert row["loss.name"] in ("bce", "ranked")
        recipe = (tmp_path / "study" / f"trial-{int(row['trial']):03d}" / "recipe.json").read_text()
        assert f'"embedding": {row["model.settings.embedding"]}' in recipe
        assert float(row["choice"]) == pytest.approx(_best(tmp_path / "study" / f"trial-{int(row['trial']):03d}"))


def _best(run: Path) -> float:
    with (run / "history.csv").open() as file:
        return min(float(row["choice"]) for row in csv.DictReader(file))


def test_interrupted_trial_is_tried_again_with_its_settings(lab: Path, tmp_path: Path) -> None:
    def stop(trial: int, step: int, share: float) -> None:  # noqa: ARG001
        if trial == 1 and step == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(lab, tmp_path, 2, tick=stop)
    study = optuna.load_study(study_name="miniature", storage=f"sqlite:///{tmp_path / 'study.sqlite'}")
    interrupted = study.trials[1].params
    rows = search(lab, tmp_path, 2)
    assert [row.number for row in rows] == [0, 2]
    assert rows[1].settings == interrupted
    assert sorted(p.name for p in tmp_path.glob("trial-*")) == ["trial-000", "trial-001"]


def test_settings_that_fail_are_an_answer(lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Diverging:
        def __init__(self, *_: object, **__: object) -> None:
            raise TrainingError("step 1: the loss is nan")

    monkeypatch.setattr(tuning, "Run", Diverging)
    rows = search(lab, tmp_path, 2)
    assert [row.value for row in rows] == [None, None]
    assert "the loss is nan" in (tmp_path / "trials.csv").read_text()


def test_wrong_spaces_are_refused(lab: Path, tmp_path: Path) -> None:
    text = (lab / "miniature.toml").read_text()
    for broken, message in (
        (text.replace(SEARCH, ""), "no search space"),
        (text.replace("low = 1e-4", "low = 1.0"), "1 to 0.01"),
        (text.replace("low = 1e-4", "low = -1.0"), "logarithmic range from -1"),
    ):
        (tmp_path / "broken.toml").write_text(broken)
        with pytest.raises(ConfigError, match=message):
            tuning.tune(str(tmp_path / "broken.toml"), [], None, tmp_path, trials=1)  # type: ignore[arg-type]
    search(lab, tmp_path / "study", 1)
    (tmp_path / "other.toml").write_text(text.replace("seed = 3", "seed = 4"))
    with pytest.raises(TrainingError, match="another recipe"):
        tuning.tune(str(tmp_path / "other.toml"), [], None, tmp_path / "study", trials=1)  # type: ignore[arg-type]
