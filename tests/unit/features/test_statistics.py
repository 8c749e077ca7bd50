"""The statistics vector against numpy, scipy, librosa and Praat, column by column name."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from earwitness.features.frames import levelled
from earwitness.features.statistics import SHAPES, Statistics, StatisticsSettings, summary
from earwitness.features.voice import VoiceTracks


def clip(seed: int, samples: int = 24_000) -> np.ndarray:
    """A buzz that comes and goes over coloured noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(samples) / 16_000
    buzz = sum(np.sin(2 * np.pi * 130 * k * time) / k for k in range(1, 40)) * (time % 0.5 < 0.3)
    return (0.1 * buzz + 0.01 * rng.standard_normal(samples)).astype(np.float32)


def test_every_column_has_a_name_of_its_own() -> None:
    for settings in (StatisticsSettings(), StatisticsSettings(normalize="none", mels=20, coefficients=13)):
        columns = settings.columns
        assert len(set(columns)) == len(columns) == settings.bins
        assert Statistics(settings)(torch.randn(1, 8_000)).shape == (1, 1, len(columns), 1)
    assert "signal_std" in columns
    assert "signal_std" not in StatisticsSettings().columns


def test_summary_against_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(0).gamma(2.0, size=(3, 401)).astype(np.float32)
    ours = summary(torch.from_numpy(values), torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])).numpy()
    expected = [values.mean(1), values.std(1), values.min(1), values.max(1), stats.skew(values, axis=1)]
    expected += [stats.kurtosis(values, axis=1), *np.percentile(values, (5, 25, 50, 75, 95), axis=1)]
    np.testing.assert_allclose(ours, np.stack(expected, axis=1), rtol=2e-4)


def test_tracks_against_librosa() -> None:
    librosa = pytest.importorskip("librosa")
    front_end, samples = Statistics(StatisticsSettings()), clip(1)
    wave = levelled(torch.from_numpy(samples)[None])
    y = wave[0].numpy()
    tracks = dict(zip(front_end.settings.tracks, front_end.tracks(wave)[0].numpy(), strict=True))
    size = np.abs(librosa.stft(y, n_fft=512, hop_length=160, pad_mode="constant"))
    feature = librosa.feature
    expected = {
        "centroid": feature.spectral_centroid(S=size, sr=16_000)[0],
        "bandwidth": feature.spectral_bandwidth(S=size, sr=16_000)[0],
        "rolloff": feature.spectral_rolloff(S=size, sr=16_000, roll_percent=0.85)[0],
        "flatness": feature.spectral_flatness(S=size)[0],
    }
    for name, theirs in expected.items():
        # a roll-off may fall one bin of 31 Hz to either side
        np.testing.assert_allclose(
            tracks[name], theirs, rtol=2e-3, atol=32 if name == "rolloff" else 1e-3, err_msg=name
        )
    crossings = feature.zero_crossing_rate(y, frame_length=512, hop_length=160)[0]
    # librosa does not count a crossing between a frame's first sample and the one before
    np.testing.assert_allclose(tracks["zero_crossings"][2:-2], crossings[2:-2], atol=1.1 / 512)
    mel = feature.melspectrogram(y=y, sr=16_000, n_fft=512, hop_length=160, n_mels=40, pad_mode="constant")
    decibels = librosa.power_to_db(mel, top_db=80)
    cepstra = feature.mfcc(S=decibels, n_mfcc=20)
    np.testing.assert_allclose(np.stack([tracks[f"mel{k}"] for k in range(40)]), decibels, atol=5e-3)
    np.testing.assert_allclose(np.stack([tracks[f"mfcc{k}"] for k in range(20)]), cepstra, atol=1e-2)


def test_columns_are_where_their_names_say() -> None:
    front_end = Statistics(StatisticsSettings())
    wave = levelled(torch.from_numpy(clip(2))[None])
    values = dict(zip(front_end.columns, front_end(wave)[0, 0, :, 0].numpy(), strict=True))
    tracks = dict(zip(front_end.settings.tracks, front_end.tracks(wave)[0].numpy(), strict=True))
    signal = wave[0].numpy()
    assert values["signal_max"] == pytest.approx(signal.max())
    assert values["signal_p95"] == pytest.approx(np.percentile(signal, 95), abs=1e-4)
    for name in (*SHAPES, "mfcc3", "mel17"):
        assert values[f"{name}_mean"] == pytest.approx(tracks[name].mean(), rel=1e-4)
        assert values[f"{name}_p25"] == pytest.approx(np.percentile(tracks[name], 25), rel=1e-4)
    voice = VoiceTracks()(wave)
    assert values["voiced_share"] == pytest.approx(float(voice.voiced.mean()))
    assert 125 < values["pitch_mean"] < 135


def test_silence_is_unvoiced_and_all_zero_where_nothing_was_heard() -> None:
    front_end = Statistics(StatisticsSettings())
    values = dict(zip(front_end.columns, front_end(torch.zeros(1, 16_000))[0, 0, :, 0].tolist(), strict=True))
    for name in ("voiced_share", "pitch_mean", "pitch_min", "jitter", "shimmer", "hnr_mean", "signal_skew"):
        assert values[name] == 0


def vowel(pitch: float, jitter: float, shimmer: float, noise: float, seed: int, seconds: float = 2.0) -> np.ndarray:
    """Pulses of drawn length and strength through a glottal slope and four formants, with white noise."""
    signal = pytest.importorskip("scipy.signal")
    rng, up = np.random.default_rng(seed), 8
    pulses = np.zeros(int(seconds * 16_000) * up)
    at = 0.005
    while at < seconds - 0.01:
        pulses[int(at * 16_000 * up)] += 1 + shimmer * rng.standard_normal()
        at += (1 + jitter * rng.standard_normal()) / pitch
    sound = signal.lfilter([1], [1, -1.8905, 0.891], pulses)
    for formant, width in ((700, 80), (1200, 90), (2600, 120), (3500, 150)):
        radius, turn = np.exp(-np.pi * width / (16_000 * up)), np.cos(2 * np.pi * formant / (16_000 * up))
        pole = [1, -2 * radius * turn, radius**2]
        sound = signal.lfilter([sum(pole)], pole, sound)
    sound = signal.resample_poly(sound, 1, up)
    sound *= 0.1 / np.sqrt(np.mean(sound**2))
    return (sound + noise * 0.1 * rng.standard_normal(sound.size)).astype(np.float32)


@pytest.mark.parametrize("pitch", [100.0, 150.0, 220.0])
@pytest.mark.parametrize(("jitter", "shimmer", "noise"), [(0.005, 0.02, 0.01), (0.01, 0.05, 0.03), (0.02, 0.1, 0.1)])
def test_jitter_shimmer_and_harmonicity_against_praat(
    pitch: float, jitter: float, shimmer: float, noise: float
) -> None:
    """Within 27 % (jitter), 15 % (shimmer), 4 dB (HNR), 10 % (pitch): Praat follows cycles, we look every 20 ms."""
    parselmouth = pytest.importorskip("parselmouth")
    from parselmouth.praat import call

    samples = vowel(pitch, jitter, shimmer, noise, seed=1)
    sound = parselmouth.Sound(samples.astype(np.float64), 16_000)
    heard = sound.to_pitch_ac(time_step=0.01, pitch_floor=75, pitch_ceiling=500)
    points = call([sound, heard], "To PointProcess (cc)")
    limits = (0, 0, 0.0001, 0.02, 1.3)
    harmonicity = call(call(sound, "To Harmonicity (ac)", 0.01, 75, 0.1, 4.5), "Get mean", 0, 0)
    front_end = Statistics(StatisticsSettings())
    ours = dict(zip(front_end.columns, front_end(torch.from_numpy(samples)[None])[0, 0, :, 0].tolist(), strict=True))
    assert ours["jitter"] == pytest.approx(call(points, "Get jitter (local)", *limits), rel=0.27)
    assert ours["shimmer"] == pytest.approx(call([sound, points], "Get shimmer (local)", *limits, 1.6), rel=0.15)
    assert ours["hnr_mean"] == pytest.approx(harmonicity, abs=4)
    assert ours["pitch_mean"] == pytest.approx(call(heard, "Get mean", 0, 0, "Hertz"), rel=0.1)
    assert ours["voiced_share"] > 0.9
