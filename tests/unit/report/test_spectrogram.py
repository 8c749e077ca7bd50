"""The spectrogram against a plain computation, whatever the blocks."""

from __future__ import annotations

from io import BytesIO

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earwitness.report.spectrogram import LEVELS, RANGE_DB, SIZE, png, spectrogram


def noise(n: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n).astype(np.float32)


def test_against_a_plain_loop() -> None:
    samples = noise(5000)
    got = spectrogram([samples], 5000 / 16_000)
    hop = 64
    frames = (5000 - SIZE) // hop + 1
    assert got.shape == (128, frames)
    window = np.hanning(SIZE + 1)[:-1]
    power = np.array([np.abs(np.fft.rfft(samples[i * hop :][:SIZE] * window))[1:] ** 2 for i in range(frames)])
    decibels = 10 * np.log10(power.reshape(frames, 128, 2).mean(axis=2))
    expected = np.clip((decibels - decibels.max() + RANGE_DB) / RANGE_DB, 0, 1) * (LEVELS - 1)
    assert np.abs(got - expected.T[::-1]).max() <= 0.51


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 9000), min_size=1, max_size=8))
def test_blocks_do_not_matter(sizes: list[int]) -> None:
    samples = noise(sum(sizes))
    parts = np.split(samples, np.cumsum(sizes)[:-1])
    seconds = samples.size / 16_000
    assert np.array_equal(spectrogram(parts, seconds), spectrogram([samples], seconds))


@pytest.mark.parametrize("n", [0, 1, SIZE - 1, SIZE, SIZE + 1, 16_000])
def test_any_length(n: int) -> None:
    levels = spectrogram([np.zeros(n, dtype=np.float32)] if n else [], n / 16_000)
    assert levels.shape[0] == 128
    assert not levels.any()


def test_a_wrong_length_stays_inside() -> None:
    assert spectrogram([noise(48_000)], 1.0).shape == spectrogram([noise(16_000)], 1.0).shape


def test_long_recordings_have_the_full_width() -> None:
    blocks = (noise(160_000, i) for i in range(12))
    assert spectrogram(blocks, 120.0).shape == (128, 800)


def test_png_is_read_back() -> None:
    levels = np.arange(LEVELS, dtype=np.uint8).reshape(4, 8)
    with av.open(BytesIO(png(levels, (1, 2, 3)))) as container:
        rgba = next(container.decode(video=0)).to_ndarray(format="rgba")
    assert rgba.shape == (4, 8, 4)
    assert (rgba[..., :3] == (1, 2, 3)).all()
    alpha = rgba[..., 3].astype(int).ravel()
    assert alpha[0] == 0
    assert alpha[-1] == 255
    assert (np.diff(alpha) > 0).all()
