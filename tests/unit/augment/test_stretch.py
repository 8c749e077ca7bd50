"""Tempo and pitch: one is changed, the other is not; values against librosa's phase vocoder."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("soxr")

from earwitness.augment.stretch import PitchShift, TimeStretch, stretched

RATE = 16_000


def tone(hertz: float, seconds: float = 1.5) -> np.ndarray:
    """A tone in two bursts."""
    time = np.arange(int(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * hertz * time) * (np.sin(2 * np.pi * 2 * time) > 0)).astype(np.float32)


def peak(samples: np.ndarray) -> float:
    """The strongest frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 18))
    return float(np.argmax(spectrum)) * RATE / (1 << 18)


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_stretching_keeps_pitch_and_changes_length(factor: float) -> None:
    out = stretched(tone(440.0), factor)
    assert len(out) == round(1.5 * RATE / factor)
    assert peak(out) == pytest.approx(440.0, abs=5.0)
    if factor == 1.0:
        np.testing.assert_allclose(out[2000:-2000], tone(440.0)[2000:-2000], atol=1e-4)


@pytest.mark.parametrize("semitones", [-3.0, 2.0])
def test_shifting_moves_pitch_and_keeps_length(semitones: float) -> None:
    out = PitchShift((semitones, semitones))(tone(440.0), np.random.default_rng(0))
    assert len(out) == int(1.5 * RATE)
    assert peak(out) == pytest.approx(440.0 * 2 ** (semitones / 12), rel=0.01)
    # the bursts stay where they were, to within a frame at each edge; without phase locking they lose some level
    bursts, before = (np.abs(x).reshape(-1, 800).mean(axis=1) > 0.06 for x in (out, tone(440.0)))
    assert (bursts != before).sum() <= 3


def test_values_are_those_of_librosa() -> None:
    librosa = pytest.importorskip("librosa", reason="the independent reference")
    rng = np.random.default_rng(1)
    clip = (tone(300.0) + 0.05 * rng.standard_normal(24_000)).astype(np.float32)
    spectrum = librosa.stft(clip, n_fft=1024, hop_length=256, pad_mode="constant")
    theirs = librosa.istft(
        librosa.phase_vocoder(spectrum, rate=1.2, hop_length=256), hop_length=256, n_fft=1024, length=20_000
    )
    np.testing.assert_allclose(stretched(clip, 1.2)[1000:18_000], theirs[1000:18_000], atol=2e-3)


def test_stretch_draws_its_factor() -> None:
    call = TimeStretch((0.5, 0.5))
    slow = call(tone(440.0), np.random.default_rng(0))
    np.testing.assert_array_equal(slow, stretched(tone(440.0), 0.5)[: len(slow)])
