"""The training of the speech detector: its front end, its examples, and a short training with export."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from earwitness.audio.vad import SpeechDetector
from earwitness.errors import TrainingError

torch = pytest.importorskip("torch")

from earwitness.augment import sounds
from earwitness.train import speech
from earwitness.train.speech_examples import HOP, Clip, Ingredients, Teacher, example, read_sounds


def clip(seed: int) -> Clip:
    """Something that swings like syllables, with a rest before it."""
    rng, t = np.random.default_rng(seed), np.arange(100 * HOP) / 16_000
    voice = sum(np.sin(2 * np.pi * rng.uniform(100, 220) * k * t) / k for k in range(1, 20))
    samples = (0.2 * voice * (np.sin(2 * np.pi * 2 * t) > -0.3) * (t > 0.5)).astype(np.float32)
    return Clip(samples, Teacher(None)(samples))


@pytest.fixture(scope="module")
def ingredients() -> Ingredients:
    return Ingredients([clip(seed) for seed in range(4)])


def test_the_front_end_is_a_fourier_transform_with_a_hann_window() -> None:
    frames = np.random.default_rng(0).normal(0, 0.1, (5, HOP)).astype(np.float32)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(HOP) / HOP)
    power = np.square(np.abs(np.fft.rfft(frames * window)) * 2 / (HOP / 2))
    front = speech.FrontEnd()
    bins = np.concatenate([np.arange(2, 83), np.arange(84, 129, 2), np.arange(132, 253, 4)])
    wanted = np.log(power[:, bins] @ front.bank.numpy() + speech.FLOOR)
    assert np.abs(front(torch.from_numpy(frames)).numpy() - wanted).max() < 1e-3
    assert np.allclose(front.bank.numpy().sum(axis=0), 1.0, atol=1e-6)


def test_a_tone_shows_in_its_own_band() -> None:
    t, front = np.arange(HOP) / 16_000, speech.FrontEnd()
    places = []
    for pitch in (250.0, 500.0, 937.5, 2000.0, 6000.0):
        tone = np.sin(2 * np.pi * pitch * t).astype(np.float32)
        places.append(int(front(torch.from_numpy(tone[None]))[0].argmax()))
    assert places == sorted(set(places))
    assert places[:3] == [6, 14, 28]


@pytest.mark.parametrize("kind", sorted(sounds.MAKERS))
def test_every_maker_is_seeded_bounded_and_of_the_wanted_length(kind: str) -> None:
    for maker in sounds.MAKERS[kind]:
        for length in (1_000, 24_000):
            first = maker(length, np.random.default_rng(3))
            assert first.shape == (length,)
            assert np.isfinite(first).all()
            assert np.array_equal(first, maker(length, np.random.default_rng(3)))
    made = sounds.make(kind, 8_000, np.random.default_rng(1))
    assert made.dtype == np.float32
    assert np.abs(made).max() <= 1.0


def test_examples_depend_on_the_generator_alone_and_are_marked(ingredients: Ingredients) -> None:
    with_speech = with_music = 0
    for seed in range(12):
        samples, marks = example(ingredients, np.random.default_rng(seed), frames=60)
        again, _ = example(ingredients, np.random.default_rng(seed), frames=60)
        assert np.array_equal(samples, again)
        assert samples.shape == (60 * HOP,)
        assert marks.shape == (60, 2)
        assert np.abs(samples).max() <= 1
        assert set(np.unique(marks)) <= {-1, 0, 1}
        with_speech += bool((marks[:, 0] == 1).any())
        with_music += bool((marks[:, 1] == 1).any())
    assert 2 <= with_speech <= 10
    assert 1 <= with_music <= 10


def test_level_labels_find_the_loud_part() -> None:
    samples = np.zeros(40 * HOP, dtype=np.float32)
    samples[10 * HOP : 30 * HOP] = np.random.default_rng(0).normal(0, 0.1, 20 * HOP)
    marks = Teacher(None)(samples)
    assert (marks[11:29] == 1).all()
    assert (marks[:10] == 0).all()
    assert (Teacher(None)(samples * 0) == 0).all()


def test_a_folder_without_recordings_is_named(tmp_path: Path) -> None:
    assert read_sounds(None) == []
    with pytest.raises(TrainingError, match="no recordings"):
        read_sounds(tmp_path)


def test_a_short_training_learns_exports_and_runs(ingredients: Ingredients, tmp_path: Path) -> None:
    settings = speech.SpeechSettings(channels=8, frames=60, steps=60, batch=8)
    train = speech.make_examples(ingredients, 24, 0, frames=60)
    dev = speech.make_examples(ingredients, 12, 1, frames=60)
    network, history = speech.fit(train, dev, settings, seed=0)
    untrained, _ = speech.fit(train, dev, speech.SpeechSettings(channels=8, frames=60, steps=1, batch=8), seed=0)
    assert min(h["dev"] for h in history) < speech._held_out(untrained, dev)
    again, _ = speech.fit(train, dev, settings, seed=0)
    assert torch.equal(again.head.weight, network.head.weight)
    speech.choose_offsets(network, dev, 0.01)
    speech.export(network, tmp_path, {"train": {"seed": 0}})
    described = json.loads((tmp_path / "speech.json").read_text())
    assert (described["past"], described["ahead"]) == (speech.PAST, speech.AHEAD)
    detector, samples = SpeechDetector(tmp_path), example(ingredients, np.random.default_rng(5), frames=60)[0]
    features = network.front(torch.from_numpy(samples.reshape(-1, HOP)))[None]
    with torch.no_grad():
        wanted = torch.sigmoid(network.heads(speech._padded(features)))[0].t().numpy()
    assert np.abs(detector(samples) - wanted).max() < 1e-3
