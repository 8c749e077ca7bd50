"""Conditions: what they do to samples, the files they write, and that clip and seed alone decide."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from audio_files import voice

from earwitness.audio import decode
from earwitness.augment.conditions import ROBUSTNESS
from earwitness.augment.signals import RATE, Samples, rms
from earwitness.error_cells import codec_family


@pytest.fixture(scope="module")
def clip() -> Samples:
    quiet = np.full(RATE // 4, 1e-4)
    return np.concatenate([quiet, voice(2.0, seed=3), quiet]).astype(np.float32)


@pytest.mark.parametrize("name", ROBUSTNESS)
def test_every_condition_writes_a_file_that_is_read_back(name: str, clip: Samples) -> None:
    condition = ROBUSTNESS[name]
    content, ending = condition.file(clip, seed=1, clip="a")
    audio = decode(content)
    assert len(audio.samples) >= 0.4 * len(clip)
    assert np.isfinite(audio.samples).all()
    assert rms(audio.samples) > 0.05 * rms(clip)
    if condition.codec != "telephone" or condition.form[0] == "amr-nb":
        assert codec_family(audio.source.codec) == (condition.codec or "lossless")
    if condition.form[0] in ("flac", "wav") and condition.rate is None:
        again = condition.samples(clip, seed=1, clip="a")
        assert np.abs(np.clip(again, -1, 1) - audio.samples).max() < 1e-4
    # compared as samples: an Ogg file has a serial number of its own
    assert np.array_equal(decode(condition.file(clip, seed=1, clip="a")[0]).samples, audio.samples)
    assert ending.isalnum()


@pytest.mark.parametrize("name", ROBUSTNESS)
def test_no_condition_needs_more_than_the_base_install(
    name: str, clip: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("scipy", "scipy.signal", "torch"):
        monkeypatch.setitem(sys.modules, module, None)
    for seed in range(4):
        assert ROBUSTNESS[name].samples(clip, seed=seed, clip="a").size


@pytest.mark.parametrize("name", ["noise 20 dB", "noise 10 dB", "noise 5 dB", "music 20 dB", "music 10 dB"])
def test_noise_and_music_have_the_stated_level_and_differ_between_clips(name: str, clip: Samples) -> None:
    condition, wanted = ROBUSTNESS[name], float(name.split()[1])
    noise = condition.samples(clip, seed=1, clip="a") - clip
    assert 20 * np.log10(rms(clip) / rms(noise)) == pytest.approx(wanted, abs=0.1)
    other = condition.samples(clip, seed=1, clip="b")
    assert not np.array_equal(other, condition.samples(clip, seed=1, clip="a"))
    assert not np.array_equal(other, condition.samples(clip, seed=2, clip="b"))


def test_silence_speed_and_crops_change_the_length_as_they_say(clip: Samples) -> None:
    def length(name: str) -> int:
        return len(ROBUSTNESS[name].samples(clip, seed=1, clip="a"))

    assert length("0.5 s more silence") == len(clip) + RATE
    assert len(clip) - RATE <= length("0.5 s less silence") <= len(clip) - RATE // 3
    assert length("1 s of it") == RATE
    assert length("speed +5 %") == pytest.approx(len(clip) / 1.05, abs=2)
    assert length("speed -5 %") == pytest.approx(len(clip) / 0.95, abs=2)


def test_level_is_exact_and_rates_are_those_of_the_file(clip: Samples) -> None:
    quiet = ROBUSTNESS["level -20 dB"].samples(clip, seed=1, clip="a")
    assert rms(quiet) == pytest.approx(0.1 * rms(clip), rel=1e-6)
    for name, rate in (("through 24 kHz", 24_000), ("through 44.1 kHz", 44_100), ("through 48 kHz", 48_000)):
        audio = decode(ROBUSTNESS[name].file(clip, seed=1, clip="a")[0])
        assert audio.source.rate == rate
        assert rms(audio.samples[: len(clip)] - clip) < 0.05 * rms(clip)
