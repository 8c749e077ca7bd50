"""The example clips are what their page says, can be made again, and the demonstration runs on them."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from earwitness.audio import decode


@pytest.fixture(scope="module")
def clips(root: Path) -> ModuleType:
    sys.path.insert(0, str(root / "examples"))
    try:
        import make_clips
    finally:
        sys.path.pop(0)
    return make_clips


def test_the_page_matches_the_clips(root: Path, clips: ModuleType) -> None:
    folder = root / "examples" / "clips"
    page = (root / "examples" / "README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"\| `clips/([\w.-]+)` \|.*?\| `([0-9a-f]{64})` \|", page))
    found = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}
    assert listed == found
    assert set(clips.recipes(Path("unused"))) == set(found)
    assert len(found) <= 5
    assert max(p.stat().st_size for p in folder.iterdir()) < clips.LIMIT


def test_one_of_each_container(root: Path) -> None:
    kinds = {decode(p).source.codec for p in (root / "examples" / "clips").iterdir()}
    assert len(kinds) == 5


def test_tones_can_be_made_again(root: Path, clips: ModuleType) -> None:
    shipped = decode(root / "examples" / "clips" / "tones.m4a").samples
    made = clips.tones()
    n = min(len(made), len(shipped), 48_000)
    assert np.corrcoef(made[:n], shipped[:n])[0, 1] > 0.99


def test_short_time_spectra_are_inverted(clips: ModuleType) -> None:
    samples = np.random.default_rng(5).normal(size=9001)
    again = clips.istft(clips.stft(samples, 512, 128), 512, 128, 9001)
    assert np.abs(again - samples).max() < 1e-9


@pytest.mark.parametrize("name", ["griffin_lim", "lpc_vocoder"])
def test_vocoders_keep_the_envelope_and_not_the_wave(clips: ModuleType, human_clip: Path, name: str) -> None:
    human = decode(human_clip).samples
    copy = getattr(clips, name)(human)
    assert copy.dtype == np.float32
    assert len(copy) == len(human)
    assert np.isfinite(copy).all()
    frames = [
        np.log(np.abs(clips.stft(x / np.abs(x).max(), 512, 128))[:, :256].reshape(-1, 16, 16).mean(axis=2) + 1e-2)
        for x in (human, copy)
    ]
    n = min(map(len, frames))
    assert np.corrcoef(frames[0][:n].ravel(), frames[1][:n].ravel())[0, 1] > 0.85
    assert abs(np.corrcoef(human, copy)[0, 1]) < 0.5


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="the program espeak-ng is not installed")
def test_all_clips_can_be_made_here(clips: ModuleType, human_clip: Path, tmp_path: Path) -> None:
    assert clips.make(tmp_path, human_clip.parents[1]) == []
    for path in tmp_path.iterdir():
        assert 0.4 < decode(path).seconds < 6


def test_the_demonstration_runs(root: Path, human_clip: Path) -> None:
    command = [sys.executable, "examples/demo.py", "--cache", str(human_clip.parents[1])]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for part in ("espeak.flac", human_clip.name, "evidence, not proof"):
        assert part in done.stdout
    assert (human_clip.parents[1] / "demo.html").stat().st_size > 10_000
