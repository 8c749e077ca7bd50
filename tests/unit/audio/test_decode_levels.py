"""Levels of channels against plain NumPy, the decision to split, and flat tops across the borders of blocks."""

from __future__ import annotations

import numpy as np
import pytest
from audio_files import KINDS, tone, voice, wav_bytes, write

from earwitness.audio import ChannelLevels, decode
from earwitness.audio.levels import LevelMeter


def levels_of(rows: np.ndarray, form: str = "f32", rate: int = 16_000) -> ChannelLevels:
    return decode(wav_bytes(rows, rate, form)).levels


def test_levels_are_those_of_numpy_over_many_blocks() -> None:
    rows = np.stack([voice(9.0, 44_100), voice(9.0, 44_100, seed=5), 0.3 * voice(9.0, 44_100) + 0.1]).astype("f4")
    found = levels_of(rows, rate=44_100)
    assert found.rms_db == pytest.approx(20 * np.log10(rows.astype(float).std(axis=1)), abs=1e-3)
    assert found.average_rms_db == pytest.approx(20 * np.log10(rows.astype(float).mean(axis=0).std()), abs=1e-3)
    assert found.correlation == pytest.approx(np.corrcoef(rows.astype(float)).min(), abs=1e-4)
    assert found.peak == pytest.approx(np.abs(rows).max())
    assert found.dc == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("channels", [5, 8, 12])
def test_correlation_is_the_lowest_of_all_pairs(channels: int) -> None:
    rows = np.stack([voice(1.0)] * (channels - 1) + [-voice(1.0)])
    assert levels_of(rows).correlation == pytest.approx(-1.0, abs=1e-5)


ONE, OTHER, NOISE = voice(2.0), voice(2.0, seed=9), np.random.default_rng(0).standard_normal(32_000)

SPLITS = {
    "mono": (ONE[None], False, (0,)),
    "the same twice": (np.stack([ONE, ONE]), False, (0, 1)),
    "the same, one 5 dB lower": (np.stack([ONE, 0.56 * ONE]), False, (0, 1)),
    "turned over": (np.stack([ONE, -ONE]), True, (0, 1)),
    "two people": (np.stack([ONE, OTHER]), True, (0, 1)),
    "one side silent": (np.stack([ONE, 0 * ONE]), True, (0,)),
    "one side nearly silent": (np.stack([1e-4 * NOISE, ONE]), True, (1,)),
    "person and hiss 45 dB lower": (np.stack([ONE, ONE.std() * 10 ** (-45 / 20) * NOISE]), True, (0,)),
    "person and distant other, 30 dB lower": (np.stack([ONE, 0.03 * OTHER]), True, (0, 1)),
    "room for both, some difference": (np.stack([ONE, 0.9 * ONE + 0.01 * NOISE]), False, (0, 1)),
    "silence on both": (np.zeros((2, 32_000)), False, ()),
    "one of six": (np.stack([ONE] + [0 * ONE] * 5), True, (0,)),
}


@pytest.mark.parametrize("case", SPLITS)
def test_every_case_of_two_sides(case: str) -> None:
    rows, split, voices = SPLITS[case]
    found = levels_of(rows)
    assert (found.split, found.voices) == (split, voices)


def test_the_average_of_opposites_is_silent_and_a_side_is_not() -> None:
    data = wav_bytes(np.stack([ONE, -ONE]), form="f32")
    assert np.abs(decode(data).samples).max() == 0
    assert np.abs(decode(data, channel=1).samples).max() > 0.2


def test_one_silent_side_costs_six_decibels_and_its_voice_equals_the_mono_file() -> None:
    data = wav_bytes(np.stack([0 * ONE, ONE]), form="f32")
    audio = decode(data)
    assert max(audio.levels.rms_db) - audio.levels.average_rms_db == pytest.approx(6.02, abs=0.01)
    assert np.array_equal(
        decode(data, channel=audio.levels.voices[0]).samples, decode(wav_bytes(ONE, form="f32")).samples
    )


def test_the_levels_are_measured_before_the_average_and_the_resampler() -> None:
    kind = next(k for k in KINDS if k.name == "mp3-44100")
    high = np.stack([tone(2.0, 44_100, 12_000, 0.5)] * 2)
    audio = decode(write(kind, high))
    assert audio.levels.rms_db[0] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=1.0)
    assert np.abs(audio.samples[2000:-2000]).max() < 0.01


class TestFlatTops:
    def test_clipping_is_counted_sample_by_sample(self) -> None:
        clipped = np.clip(tone(1.0, hertz=200, level=2.0), -1, 1)
        expected = np.count_nonzero(np.abs(clipped) >= 0.999) / len(clipped)
        assert levels_of(clipped).clipped_share == pytest.approx(expected)
        assert levels_of(clipped, "s16").clipped_share == pytest.approx(expected)

    def test_clipped_and_turned_down_is_found_as_well(self) -> None:
        clipped = 0.4 * np.clip(tone(1.0, hertz=200, level=2.0), -1, 1)
        assert levels_of(clipped, "s16").clipped_share == pytest.approx(2 / 3, abs=0.02)

    def test_a_loud_clean_voice_has_next_to_none(self) -> None:
        assert levels_of(voice(5.0, level=0.95), "s16").clipped_share < 1e-3

    def test_runs_of_two_do_not_count_and_runs_of_three_do(self) -> None:
        samples = np.zeros(1000)
        samples[100:102] = samples[300:303] = samples[500:505] = 1.0
        assert levels_of(samples).clipped_share == pytest.approx(8 / 1000)

    @pytest.mark.parametrize("level", [1.0, 0.5])
    def test_borders_of_blocks_do_not_matter(self, level: float) -> None:
        rng = np.random.default_rng(4)
        rows = np.where(rng.random((2, 4000)) < 0.6, level, 0.1 * rng.standard_normal((2, 4000))).astype("f4")
        whole, pieces = LevelMeter(2), LevelMeter(2)
        whole.push(rows.copy())
        start = 0
        while start < 4000:
            size = int(rng.integers(1, 40))
            pieces.push(rows[:, start : start + size].copy())
            start += size
        at_top = np.abs(rows) == np.float32(level)
        padded = np.pad(at_top, ((0, 0), (2, 2)))
        runs = [padded[:, k : k + 4000] & padded[:, k + 1 : k + 4001] & padded[:, k + 2 : k + 4002] for k in range(3)]
        expected = np.count_nonzero(runs[0] | runs[1] | runs[2]) / rows.size
        assert whole.levels().clipped_share == pytest.approx(expected)
        assert pieces.levels().clipped_share == pytest.approx(expected)

    def test_a_new_peak_forgets_lower_tops(self) -> None:
        samples = 0.01 * np.ones(200_000)
        samples[50:150] = 0.3
        samples[180_000] = 0.8
        assert levels_of(samples).clipped_share == 0


def test_to_dict_is_plain() -> None:
    import json

    facts = levels_of(np.stack([ONE, 0 * ONE])).to_dict()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["voices"] == [0]
