"""Fingerprints: the same recording is found again, another is not."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from audio_files import KINDS, write
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import RATE, utterance

from earwitness.audio import open_audio
from earwitness.data.fingerprint import HOP, SAME, difference, fingerprint, matches


def clip(seed: int, seconds: float = 2.0) -> np.ndarray:
    return utterance(seed, seconds).astype(np.float32)


@pytest.mark.parametrize("kind", ["mp3", "m4a", "opus", "wav-mulaw", "flac"])
def test_a_recording_is_found_after_encoding(kind: str) -> None:
    form = next(k for k in KINDS if k.name == kind)
    prints = [fingerprint(clip(seed)) for seed in range(20)]
    for seed in (3, 11):
        coded = soxr.resample(clip(seed)[4_000:] * 0.3, RATE, form.rate)
        with open_audio(write(form, np.repeat(coded[None], form.channels, 0))) as stream:
            again = np.concatenate(list(stream))
        found = matches([*prints, fingerprint(again)])
        assert [(m.first, m.second) for m in found] == [(seed, 20)]
        assert found[0].difference < SAME
        assert abs(found[0].shift * HOP - 4_000) < 1_500
        assert found[0].seconds > 1


def test_strangers_are_not_alike() -> None:
    prints = [fingerprint(clip(seed)) for seed in range(40)]
    assert matches(prints) == []
    least = min(
        difference(prints[i], prints[j], shift)[0] for i in range(0, 40, 7) for j in range(i) for shift in range(-5, 6)
    )
    assert least > SAME + 0.1


@settings(max_examples=20)
@given(st.floats(1e-3, 1.0), st.integers(0, 1_000))
def test_level_does_not_matter(gain: float, seed: int) -> None:
    samples = clip(seed % 7, 1.0)
    assert difference(fingerprint(samples), fingerprint(samples * np.float32(gain)), 0)[0] < 0.01


def test_silence_and_noise_match_nothing() -> None:
    quiet = np.zeros(RATE, np.float32)
    assert not fingerprint(quiet).any()
    assert matches([fingerprint(quiet), fingerprint(quiet)]) == []
    noise = [np.random.default_rng(s).standard_normal(2 * RATE).astype("f4") for s in (0, 1)]
    assert matches([fingerprint(n) for n in noise]) == []


@pytest.mark.parametrize("samples", [0, 1, 2_048, 4_095, 4_096, 16_000])
def test_any_length(samples: int) -> None:
    words = fingerprint(np.ones(samples, np.float32))
    assert words.dtype == np.uint32
    assert len(words) == max(0, (samples - 2_048) // 256 - 7)
    assert matches([words, words]) == []


def test_a_long_recording_in_pieces_is_the_same() -> None:
    long = np.concatenate([clip(seed) for seed in range(12)])
    whole = fingerprint(long)
    start = 1_100
    part = fingerprint(long[start * HOP : start * HOP + 8_000])
    assert (whole[start : start + len(part)] == part).mean() > 0.95
