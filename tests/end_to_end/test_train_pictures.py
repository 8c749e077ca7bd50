"""Clips → pictures on disk → training on the files → a detector that takes waveforms."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")
pytest.importorskip("accelerate", reason="training needs the extra [train]")

import lab_files
from typer.testing import CliRunner

import earwitness
from earwitness.cli import app
from earwitness.data.png import write_png
from earwitness.errors import ConfigError, EarwitnessError, TrainingError
from earwitness.train.checkpoint import load_tensors
from earwitness.train.loop import Run
from earwitness.train.material import Pictures, open_material
from earwitness.train.pictures import PictureFolder
from earwitness.train.publish import load_run
from earwitness.train.recipe import load_recipe

SIZE = ["--set", "height=32", "--set", "width=32"]
RECIPE = """
name = "pictures"
about = "a small network on mel images"
[frontend]
name = "mel_image"
[frontend.settings]
height = 32
width = 32
[model]
name = "se_resnet"
[model.settings]
widths = [8, 16]
blocks = [0, 1]
embedding = 16
hidden = 8
[run]
steps = 4
batch = 8
evaluate_every = 2
workers = 0
precision = "no"
[window]
seconds = 2.0
hop = 1.0
min_seconds = 1.0
"""


def call(*arguments: object) -> None:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips, their pictures and a recipe."""
    folder = tmp_path_factory.mktemp("pictures")
    lab_files.miniature(folder)
    lab_files.recipe_file(folder, RECIPE)
    call("data", "images", folder / "manifest.csv", "-o", folder / "images", *SIZE)
    return folder


@pytest.fixture(scope="module")
def trained(lab: Path) -> Path:
    """A run folder with its detector, made by the command from the folder of pictures."""
    call("train", lab / "miniature.toml", "-m", lab / "images", "-o", lab / "run", "--cache", lab / "cache")
    return lab / "run"


def test_detector_takes_the_waveform_that_the_picture_was_made_of(lab: Path, trained: Path) -> None:
    detector = earwitness.Detector.load(trained / "detector")
    assert detector.info.data["window"] == {"seconds": 2.0, "hop": 1.0, "min_seconds": 1.0}
    _, network, _ = load_run(trained)
    pictures = PictureFolder(lab / "images")
    for row in pictures.manifest[:6]:
        with torch.inference_mode():
            on_file = float(network.score(torch.from_numpy(pictures.picture(row)[None]))[0])
        samples = earwitness.decode(lab / "clips" / Path(row.extra["audio"]).name).samples
        # the file holds steps of 1/255
        assert detector.logits(samples[None])[0] == pytest.approx(on_file, abs=0.02)
    info = json.loads((trained / "detector" / "detector.json").read_text())
    assert info["train"]["conditions"]["telephone"]["bonafide"] == 8


def test_trains_on_the_files_alone(lab: Path, trained: Path, tmp_path: Path) -> None:
    """No recording is opened, and other pictures give other weights."""
    other = tmp_path / "images"
    shutil.copytree(lab / "images", other)
    text = (other / "images.csv").read_text()
    (other / "images.csv").write_text(text.replace(str(lab / "clips"), "/nowhere"))
    recipe = load_recipe(str(lab / "miniature.toml"))

    def weights(folder: Path) -> dict[str, torch.Tensor]:
        Run(recipe, open_material(other / "images.csv", recipe, tmp_path / "cache"), folder).fit()
        return load_tensors(folder / "last.safetensors")[0]

    same = weights(tmp_path / "same")
    straight, _ = load_tensors(trained / "last.safetensors")
    for name, value in straight.items():
        torch.testing.assert_close(same[name], value, rtol=0, atol=0, msg=name)
    for file in other.rglob("*.png"):
        write_png(file, np.random.default_rng(len(file.name)).random((32, 32)))
    changed = weights(tmp_path / "changed")
    assert any(not torch.equal(changed[name], value) for name, value in straight.items())
    assert not (tmp_path / "cache").exists()


def test_other_settings_and_changes_of_waveforms_are_refused(lab: Path) -> None:
    folder, recipe = PictureFolder(lab / "images"), str(lab / "miniature.toml")
    with pytest.raises(ConfigError, match="mels=128") as caught:
        Pictures(folder, load_recipe(recipe, ["frontend.settings.mels=64"]))
    assert caught.value.hint == "--set frontend.settings.mels=128"
    with pytest.raises(ConfigError, match="another front end"):
        Pictures(folder, load_recipe(recipe, ["frontend={name='log_spectrogram'}"]))
    with pytest.raises(ConfigError, match="changes waveforms"):
        Pictures(folder, load_recipe(recipe, ["augment.some.noise=1.0"]))


def test_damaged_folders_say_what_is_wrong(lab: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    shutil.copytree(lab / "images", folder)
    pictures = PictureFolder(folder)
    row = pictures.manifest[0]
    write_png(folder / row.path, np.zeros((16, 32)))
    with pytest.raises(TrainingError, match=r"\(16, 32\) pixels"):
        pictures.picture(row)
    (folder / row.path).unlink()
    with pytest.raises(EarwitnessError, match=row.path):
        pictures.picture(row)
    (folder / "settings.json").unlink()
    with pytest.raises(TrainingError, match=r"settings\.json: cannot be read"):
        PictureFolder(folder)
