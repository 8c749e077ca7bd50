"""The resampler against a long filter of our own making, soxr in one piece, and what must not come through."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from audio_files import tone, voice, wav_bytes
from scipy.signal import firwin, resample_poly

from earwitness.audio import decode
from earwitness.audio.resample import Resampler

RATES = [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000]


def resample(samples: np.ndarray, rate: int, sizes: list[int]) -> np.ndarray:
    resampler, start, out = Resampler(rate), 0, []
    for size in sizes:
        out.append(resampler.push(samples[start : start + size].astype(np.float32)))
        start += size
    return np.concatenate([*out, resampler.push(samples[start:].astype(np.float32)), resampler.flush()])


@pytest.mark.parametrize("rate", RATES)
def test_every_rate_in_pieces_equals_the_whole(rate: int) -> None:
    given = voice(1.3, rate)
    sizes = np.random.default_rng(rate).integers(1, 5000, 9).tolist()
    whole = soxr.resample(given.astype(np.float32), rate, 16_000, quality="HQ") if rate != 16_000 else given
    found = resample(given, rate, sizes)
    assert found.dtype == np.float32
    assert abs(len(found) - len(given) * 16_000 / rate) <= 1
    assert np.array_equal(found, whole.astype(np.float32))


@pytest.mark.parametrize(("rate", "up", "down"), [(8_000, 2, 1), (24_000, 2, 3), (44_100, 160, 441), (48_000, 1, 3)])
def test_every_rate_agrees_with_a_long_polyphase_filter(rate: int, up: int, down: int) -> None:
    given = sum(tone(1.0, rate, hertz, 0.2) for hertz in (150, 1000, 3300))
    widest = max(up, down)
    taps = firwin(256 * widest + 1, 0.97 / widest, window=("kaiser", 12.0))
    expected = resample_poly(given, up, down, window=taps)
    found = resample(given, rate, [])
    middle = slice(800, 15_200)  # the ends differ: zeros there, mirrored there
    assert np.abs(found[: len(expected)][middle] - expected[middle]).max() < 1e-4


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("hertz", [8_800, 10_000])
def test_every_tone_above_the_band_is_gone(rate: int, hertz: int) -> None:
    found = decode(wav_bytes(tone(1.0, rate, hertz), rate, "f32")).samples[1600:-1600]
    assert 20 * np.log10(np.sqrt(np.mean(found**2)) / (0.5 / np.sqrt(2)) + 1e-12) < -80


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("hertz", [50, 1_000, 3_500])
def test_every_tone_within_the_band_keeps_level_and_phase(rate: int, hertz: int) -> None:
    found = decode(wav_bytes(tone(1.0, rate, hertz), rate, "f32")).samples
    expected = tone(1.0, 16_000, hertz)
    middle = slice(1600, 14_400)
    assert np.abs(found[middle] - expected[middle]).max() < 0.5e-3


def test_the_band_reaches_beyond_seven_kilohertz() -> None:
    found = decode(wav_bytes(tone(1.0, 48_000, 7_200), 48_000, "f32")).samples[1600:-1600]
    assert np.sqrt(2 * np.mean(found.astype(float) ** 2)) == pytest.approx(0.5, rel=1e-3)


def test_the_array_at_16_khz_is_a_copy() -> None:
    given = np.zeros(10, np.float32)
    found = Resampler(16_000).push(given)
    found[0] = 1
    assert given[0] == 0
