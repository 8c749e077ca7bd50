"""What every augmentation must keep: length, finite values, the same for the same generator, blind to the label."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="augmentation belongs to the lab half")

from lab_files import write_wav

from earwitness.augment import AUGMENTS
from earwitness.errors import ConfigError
from earwitness.registry import find

RATE = 16_000
FOLDERS = {"babble", "recorded_noise", "recorded_room"}
"""Augmentations that take recordings from a folder."""


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings: noise, a voice, and something that decays."""
    place = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    write_wav(place / "noise.wav", 0.1 * rng.standard_normal(20_000))
    write_wav(place / "voice.wav", voice(2.0, 1))
    write_wav(place / "below" / "decay.wav", rng.standard_normal(4_000) * np.exp(-np.arange(4_000) / 400))
    MADE["folder"] = str(place)
    return place


MADE: dict[str, str] = {}


def made(name: str) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    if name == "simulated_room":
        pytest.importorskip("pyroomacoustics", reason="simulated rooms need it")
    kind = find(AUGMENTS, name)
    return kind(folder=MADE["folder"]) if name in FOLDERS else kind()


def voice(seconds: float, seed: int = 0) -> np.ndarray:
    """A buzz with formants and pauses: near enough to speech for level, band and edge laws."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * time + rng.uniform(0, 6)) / k for k in range(1, 40))
    envelope = np.clip(np.sin(2 * np.pi * 1.3 * time), 0, 1)
    return (0.1 * buzz * envelope + 1e-4 * rng.standard_normal(len(time))).astype(np.float32)


@pytest.mark.parametrize("name", sorted(AUGMENTS))
@pytest.mark.parametrize("seconds", [0.26, 1.0, 4.0])
def test_length_type_and_finite(name: str, seconds: float) -> None:
    samples = voice(seconds)
    for seed in range(4):
        out = made(name)(samples.copy(), np.random.default_rng(seed))
        assert out.shape == samples.shape
        assert out.dtype == np.float32
        assert np.isfinite(out).all()


@pytest.mark.parametrize("name", sorted(AUGMENTS))
def test_silence_stays_finite(name: str) -> None:
    out = made(name)(np.zeros(RATE, dtype=np.float32), np.random.default_rng(1))
    assert np.isfinite(out).all()


@pytest.mark.parametrize("name", sorted(AUGMENTS))
def test_same_generator_same_result_and_input_left_alone(name: str) -> None:
    samples = voice(1.5)
    before = samples.copy()
    call = made(name)
    first, second = (call(samples, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(samples, before)


@pytest.mark.parametrize("name", sorted(AUGMENTS))
def test_does_something_and_randomness_matters(name: str) -> None:
    samples = voice(2.0)
    call = made(name)
    outs = [call(samples, np.random.default_rng(seed)) for seed in range(6)]
    assert any(not np.array_equal(out, samples) for out in outs)
    assert any(not np.array_equal(out, outs[0]) for out in outs[1:])


@pytest.mark.parametrize("name", sorted(AUGMENTS))
def test_label_blind(name: str) -> None:
    parameters = list(inspect.signature(find(AUGMENTS, name).__call__).parameters)
    assert parameters == ["self", "samples", "rng"]


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_no_recordings_say_which_setting_is_missing(name: str, tmp_path: Path) -> None:
    for folder in ("", str(tmp_path)):
        with pytest.raises(ConfigError, match=rf"augment\.settings\.{name}\.folder"):
            find(AUGMENTS, name)(folder=folder)(voice(1.0), np.random.default_rng(0))
