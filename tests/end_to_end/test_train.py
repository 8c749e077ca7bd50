"""Manifest → train → export → scan, and training that is killed and goes on."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")
pytest.importorskip("accelerate", reason="training needs the extra [train]")

import lab_files
from typer.testing import CliRunner

import earwitness
from earwitness.data.manifest import read_manifest
from earwitness.detector_folder import write_detector
from earwitness.errors import ConfigError, MissingExtraError, TrainingError, UnknownNameError
from earwitness.train import history
from earwitness.train.batches import Batches
from earwitness.train.checkpoint import load_tensors
from earwitness.train.loop import Run
from earwitness.train.material import open_material
from earwitness.train.publish import load_run, publish
from earwitness.train.recipe import Recipe, load_recipe, recipe_names

KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from earwitness.train.loop import Run
from earwitness.train.material import open_material
from earwitness.train.recipe import load_recipe
threads, recipe, manifest, folder, cache, *overrides = sys.argv[1:]
torch.set_num_threads(int(threads))
def report(row):
    if row["step"] == 4:
        os.kill(os.getpid(), signal.SIGKILL)
recipe = load_recipe(recipe, overrides)
Run(recipe, open_material(Path(manifest), recipe, Path(cache)), Path(folder), report=report).fit()
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    lab_files.miniature(folder)
    lab_files.recipe_file(folder)
    return folder


def make(recipe: Recipe, lab: Path, folder: Path, manifest: str = "manifest.csv") -> Run:
    return Run(recipe, open_material(lab / manifest, recipe, lab / "cache"), folder)


@pytest.fixture(scope="module")
def trained(lab: Path) -> Path:
    """A run folder with its detector, made by the command."""
    from earwitness.cli import app

    arguments = ["train", str(lab / "miniature.toml"), "-m", str(lab / "manifest.csv"), "-o", str(lab / "run")]
    result = CliRunner().invoke(app, [*arguments, "--cache", str(lab / "cache")])
    assert result.exit_code == 0, result.output
    return lab / "run"


def test_run_folder_holds_what_repeats_it(trained: Path) -> None:
    with (trained / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(r["step"]) for r in rows] == [2, 4, 6]
    assert all(0 <= float(r["eer"]) <= 1 for r in rows)
    recipe, network, dev = load_run(trained)
    assert recipe == load_recipe(str(trained.parent / "miniature.toml"))
    assert dev["choice"] == pytest.approx(min(float(r["choice"]) for r in rows), rel=1e-4)
    assert sum(p.numel() for p in network.parameters()) < 20_000
    facts = json.loads((trained / "facts.json").read_text())
    assert facts["packages"]["torch"] == torch.__version__
    assert facts["rows"]["train"]["clips"] == 24
    assert (trained / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_detector_says_what_the_network_says(trained: Path) -> None:
    detector = earwitness.Detector.load(trained / "detector")
    _, network, _ = load_run(trained)
    wave = lab_files.buzz(True, 4.0, np.random.default_rng(5)).astype(np.float32)
    with torch.inference_mode():
        ours = float(network.score(torch.from_numpy(wave[None]))[0])
    assert detector.logits(wave[None])[0] == pytest.approx(ours, abs=1e-4)


def test_detector_json_carries_what_the_issue_names(trained: Path) -> None:
    info = json.loads((trained / "detector" / "detector.json").read_text())
    assert info["train_systems"] == ["system0", "system1"]
    assert info["thresholds"]["chosen_on"] == "dev"
    assert info["thresholds"]["human"] <= info["thresholds"]["synthetic"]
    assert info["train"]["clips"] == {"bonafide": 12, "spoof": 12}
    assert info["train"]["conditions"]["as it is"]["bonafide"] == 8
    everything = [row for row in info["error_rates"] if row["cell"] == {}]
    assert [(row["bonafide"], row["spoof"]) for row in everything] == [(8, 8)]


def test_fused_runs_score_their_mean(trained: Path, tmp_path: Path) -> None:
    rows = read_manifest(trained.parent / "manifest.csv")
    detector = publish([trained, trained], rows, tmp_path / "fused")
    alone = earwitness.Detector.load(trained / "detector")
    wave = lab_files.buzz(False, 3.0, np.random.default_rng(6)).astype(np.float32)[None]
    assert detector.logits(wave)[0] == pytest.approx(alone.logits(wave)[0], abs=1e-4)
    assert [m["recipe"] for m in detector.info.data["train"]["members"]] == ["miniature", "miniature"]


def test_a_detector_folder_can_be_fitted_anew(trained: Path, tmp_path: Path) -> None:
    """The graph and the facts of its training stay; what dev decides is what exporting the run decided."""
    from earwitness.cli import app

    old = trained / "detector"
    stale = tmp_path / "stale"
    info = json.loads((old / "detector.json").read_text())
    write_detector(
        stale, info | {"thresholds": {"human": -9.0, "synthetic": 9.0}}, (old / "model.onnx").read_bytes(), "# Mine"
    )
    words = ["export", stale, "-m", trained.parent / "manifest.csv", "-o", tmp_path / "anew"]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    new = json.loads((tmp_path / "anew" / "detector.json").read_text())
    for key in ("thresholds", "calibration", "error_rates", "train", "window", "id"):
        assert new[key] == info[key], key
    assert new["files"]["model.onnx"] == info["files"]["model.onnx"]
    assert (tmp_path / "anew" / "MODEL_CARD.md").read_text() == "# Mine"


def test_rounded_weights_are_said_and_a_finished_graph_is_not_rounded(trained: Path, tmp_path: Path) -> None:
    from earwitness.cli import app

    words = ["export", trained, "-m", trained.parent / "manifest.csv", "-o", tmp_path / "half", "--half", "--name", "x"]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    detector, whole = (earwitness.Detector.load(folder) for folder in (tmp_path / "half", trained / "detector"))
    assert 0 < detector.info.data["train"]["half_parity"] <= 0.02
    assert whole.info.data["train"]["half_parity"] is None
    assert (detector.info.id, detector.info.data["train"]["recipe"]) == ("earwitness-x", "x")
    wave = lab_files.buzz(False, 3.0, np.random.default_rng(6)).astype(np.float32)[None]
    assert detector.logits(wave)[0] == pytest.approx(whole.logits(wave)[0], abs=0.05)
    assert detector.logits(wave)[0] != whole.logits(wave)[0]
    result = CliRunner().invoke(app, [str(word) for word in ["export", tmp_path / "half", *words[2:]]])
    assert result.exit_code == 2
    assert "run folders" in result.output


def test_scan_with_the_new_detector(trained: Path) -> None:
    clip = trained.parent / "clips" / "001.wav"
    verdict = earwitness.scan(clip, detector=earwitness.Detector.load(trained / "detector"))
    assert verdict.llr is not None
    assert verdict.label in ("likely human", "inconclusive", "likely synthetic")


EVERYTHING = [
    "adversary.share=0.5",
    "also=[{name='supcon', share=0.2}]",
    "optimizer.sam=0.05",
    "optimizer.schedule='plateau'",
    "optimizer.wait=1",
    "optimizer.swa=0.5",
    "mixup=0.3",
    "sampling.law='shuffle'",
]


def test_killed_run_goes_on_and_ends_in_the_same_weights(lab: Path) -> None:
    recipe = load_recipe(str(lab / "miniature.toml"), EVERYTHING)
    make(recipe, lab, lab / "straight").fit()
    folder = lab / "killed"
    # sums of two threads differ from those of one in the last bit
    arguments = [str(torch.get_num_threads()), str(lab / "miniature.toml"), str(lab / "manifest.csv"), str(folder)]
    arguments += [str(lab / "cache"), *EVERYTHING]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False, timeout=240)
    assert done.returncode == -signal.SIGKILL
    assert load_tensors(folder / "last.safetensors")[1]["step"] == 2
    make(recipe, lab, folder).fit()
    straight, _ = load_tensors(lab / "straight" / "last.safetensors")
    resumed, facts = load_tensors(folder / "last.safetensors")
    assert facts["step"] == 6
    assert straight.keys() == resumed.keys()
    assert any(name.startswith("beside.") for name in straight)
    for name, value in straight.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0, msg=name)


def test_two_processes_share_the_batches_and_leave_one_checkpoint(lab: Path, tmp_path: Path) -> None:
    recipe = load_recipe(str(lab / "miniature.toml"))
    whole = make(recipe, lab, tmp_path / "one").batches
    material = open_material(lab / "manifest.csv", recipe, lab / "cache")
    halves = [
        Batches(
            whole.sampler,
            material.clips(recipe),
            sources=whole.sources,
            answers=whole.answers,
            size=8,
            seconds=[1.0],
            steps=6,
            seed=3,
            rank=rank,
            world=2,
        )
        for rank in (0, 1)
    ]
    together = torch.cat([half[4].waveform for half in halves])
    torch.testing.assert_close(together, whole[4].waveform, rtol=0, atol=0)
    assert torch.cat([half[4].group for half in halves]).tolist() == whole[4].group.tolist()
    with pytest.raises(ConfigError, match="for 3 processes"):
        Batches(whole.sampler, whole.clips, sources=[], answers=[], size=8, seconds=[1.0], steps=1, seed=1, world=3)

    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes=2"]
    command += ["--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0", "-m"]
    command += ["earwitness", "train", str(lab / "miniature.toml"), "-m", str(lab / "manifest.csv"), "--no-export"]
    command += ["-o", str(tmp_path / "two"), "--cache", str(tmp_path / "cache"), "--set", "adversary.share=0.5"]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=False, timeout=280, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("best on dev at step") == 1
    names = sorted(p.name for p in (tmp_path / "two").iterdir())
    assert names == ["best.safetensors", "curves.png", "facts.json", "history.csv", "last.safetensors", "recipe.json"]
    with (tmp_path / "two" / "history.csv").open() as file:
        assert [float(row["step"]) for row in csv.DictReader(file)] == [2, 4, 6]
    facts = json.loads((tmp_path / "two" / "facts.json").read_text())
    assert facts["processes"] == 2
    # what two processes left is gone on with by one
    again = load_recipe(str(lab / "miniature.toml"), ["adversary.share=0.5"])
    assert make(again, lab, tmp_path / "two").fit().steps == 6


@pytest.mark.parametrize("clock", ["wall", "processor"])
def test_budget_of_time_ends_training_and_the_schedule(lab: Path, tmp_path: Path, clock: str) -> None:
    overrides = ["run.minutes=0.02", "run.steps=100000", "run.look_minutes=0.005", "optimizer.warmup=0.0"]
    overrides += [f"run.clock='{clock}'"]
    run = make(load_recipe(str(lab / "miniature.toml"), overrides), lab, tmp_path / "run")
    outcome = run.fit()
    assert outcome.stopped_by == "minutes"
    assert 0.02 <= outcome.minutes < 0.2
    assert 0 < outcome.steps < 100000
    assert outcome.clips == 8 * outcome.steps
    assert outcome.epochs == outcome.clips / 24
    with (tmp_path / "run" / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 2
    assert float(rows[-1]["lr"]) < 0.5 * float(rows[0]["lr"])
    assert make(run.recipe, lab, tmp_path / "again").progress == 0.0


def test_plateau_drops_the_rate_and_epochs_count_clips(lab: Path, tmp_path: Path) -> None:
    overrides = ["optimizer.schedule='plateau'", "optimizer.wait=1", "optimizer.lr=0.0", "optimizer.ema=0.0"]
    overrides += ["run.epochs=4.0", "run.evaluate_every=0", "optimizer.factor=0.1"]
    run = make(load_recipe(str(lab / "miniature.toml"), overrides), lab, tmp_path / "run")
    assert (run.recipe.run.steps, run.recipe.run.evaluate_every) == (12, 3)
    outcome = run.fit()
    assert outcome.epochs == 4.0
    with (tmp_path / "run" / "history.csv").open() as file:
        choices = [float(row["choice"]) for row in csv.DictReader(file)]
    dropped = sum(min(choices[:place]) <= choice for place, choice in enumerate(choices) if place)
    assert dropped
    assert run.learner.drops == pytest.approx(0.1**dropped)


def test_rows_go_to_tensorboard(lab: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    recipe = load_recipe(str(lab / "miniature.toml"))
    Run(
        recipe, open_material(lab / "manifest.csv", recipe, lab / "cache"), tmp_path / "run", track=["tensorboard"]
    ).fit()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    files = list((tmp_path / "run").rglob("events.out.tfevents*"))
    events = EventAccumulator(str(files[0].parent))
    events.Reload()
    assert [event.step for event in events.Scalars("eer")] == [2, 4, 6]


def test_missing_tracker_says_what_to_install(lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(history.TRACKERS, "wandb", "no_such_package")
    recipe = load_recipe(str(lab / "miniature.toml"))
    with pytest.raises(MissingExtraError, match="--track wandb"):
        Run(recipe, open_material(lab / "manifest.csv", recipe, lab / "cache"), tmp_path / "run", track=["wandb"])
    with pytest.raises(UnknownNameError, match="no tracker named 'tensorbord'"):
        history.need_trackers(["tensorbord"])


def test_folder_of_another_recipe_is_refused(lab: Path, trained: Path) -> None:
    recipe = load_recipe(str(lab / "miniature.toml"), ["seed=4"])
    with pytest.raises(TrainingError, match="another recipe"):
        make(recipe, lab, trained)


def test_eval_rows_are_not_touched(lab: Path, tmp_path: Path) -> None:
    text = (lab / "manifest.csv").read_text()
    header, first = text.splitlines()[:2]
    ghost = first.replace("clip000", "ghost").replace("clips/000.wav", "nowhere.wav").replace("train", "eval")
    manifest = lab / "with_eval.csv"
    manifest.write_text("\n".join([header, ghost, *text.splitlines()[1:]]) + "\n")
    recipe = load_recipe(str(lab / "miniature.toml"), ["run.steps=1", "run.evaluate_every=1"])
    outcome = make(recipe, lab, tmp_path / "run", "with_eval.csv").fit()
    assert outcome.steps == 1


def test_start_from_another_run(lab: Path, trained: Path, tmp_path: Path) -> None:
    overrides = [f'start_from="{trained}"', "optimizer.lr=0.0", "optimizer.ema=0.0", "run.steps=1"]
    recipe = load_recipe(str(lab / "miniature.toml"), overrides)
    run = make(recipe, lab, tmp_path / "run")
    _, network, _ = load_run(trained)
    for name, value in network.named_parameters():
        torch.testing.assert_close(run.network.get_parameter(name), value, rtol=0, atol=0)
    other = load_recipe(str(lab / "miniature.toml"), [f'start_from="{trained}"', "model.settings.embedding=8"])
    with pytest.raises(TrainingError, match="another network"):
        make(other, lab, tmp_path / "other")


def test_patience_stops(lab: Path, tmp_path: Path) -> None:
    overrides = ["run.patience=1", "run.steps=40", "run.evaluate_every=1", "optimizer.lr=0.0", "optimizer.ema=0.0"]
    recipe = load_recipe(str(lab / "miniature.toml"), overrides)
    outcome = make(recipe, lab, tmp_path / "run").fit()
    assert outcome.stopped_by == "patience"
    assert outcome.steps < 40


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_loads(name: str) -> None:
    assert load_recipe(name).name == name


def test_wrong_recipes_say_what_is_wrong() -> None:
    with pytest.raises(UnknownNameError, match="defaut"):
        load_recipe("defaut")
    with pytest.raises(ConfigError, match="unknown setting 'steeps'"):
        load_recipe("default", ["run.steeps=3"])
    with pytest.raises(ConfigError, match="groups of 4"):
        load_recipe("default", ["run.batch=6"])
