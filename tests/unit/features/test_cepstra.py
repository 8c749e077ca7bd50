"""Log-mel, MFCC and LFCC against librosa and scipy, and the shapes that published systems state."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from earwitness.errors import ConfigError
from earwitness.features.filters import cosine_transform, mel_filters
from earwitness.features.lfcc import EPSILON, LFCC, LFCCSettings
from earwitness.features.log_mel import LogMel, LogMelSettings
from earwitness.features.mfcc import MFCC, MFCCSettings


def clip(seed: int, samples: int = 16_000) -> np.ndarray:
    """Noise whose colour and level wander, with a buzz in it: some of everything that a spectrum can be."""
    rng = np.random.default_rng(seed)
    time = np.arange(samples) / 16_000
    noise = np.cumsum(rng.standard_normal(samples)) * 0.01 * (1 + np.sin(2 * np.pi * 2 * time))
    buzz = sum(np.sin(2 * np.pi * 130 * k * time) / k for k in range(1, 40)) * (time % 0.5 < 0.3)
    return (0.1 * noise + 0.1 * buzz + 1e-3 * rng.standard_normal(samples)).astype(np.float32)


def test_filters_against_librosa() -> None:
    librosa = pytest.importorskip("librosa")
    for n_fft, mels, low, high in ((512, 40, 0.0, 8000.0), (1024, 80, 20.0, 7600.0)):
        theirs = librosa.filters.mel(sr=16_000, n_fft=n_fft, n_mels=mels, fmin=low, fmax=high)
        np.testing.assert_allclose(mel_filters(n_fft, mels, low, high), theirs, atol=1e-6)
        theirs = librosa.filters.mel(sr=16_000, n_fft=n_fft, n_mels=mels, fmin=low, fmax=high, norm=1)
        np.testing.assert_allclose(mel_filters(n_fft, mels, low, high, norm="sum"), theirs, atol=1e-6)


def test_cosine_transform_against_scipy() -> None:
    fft = pytest.importorskip("scipy.fft")
    bands = np.random.default_rng(0).standard_normal((40, 7))
    expected = fft.dct(bands, axis=0, norm="ortho")[:13]
    np.testing.assert_allclose(cosine_transform(13, 40).numpy() @ bands, expected, atol=1e-6)


def test_log_mel_against_librosa() -> None:
    librosa = pytest.importorskip("librosa")
    samples, s = clip(1), LogMelSettings()
    levelled = samples / np.sqrt(np.mean(samples.astype(np.float64) ** 2))
    power = librosa.feature.melspectrogram(
        y=levelled, sr=16_000, n_fft=s.n_fft, win_length=s.window, hop_length=s.hop, n_mels=s.mels, norm=1,
        pad_mode="constant",
    )  # fmt: skip
    unit = np.sum(np.hanning(s.window + 1)[:-1] ** 2)
    expected = np.log(power / unit + 1e-7) / 4 + 1
    ours = LogMel(s)(torch.from_numpy(samples)[None])[0, 0].numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-3)


@pytest.mark.parametrize("settings", [MFCCSettings(), MFCCSettings(coefficients=13, n_fft=400, mels=40, deltas=2)])
def test_mfcc_against_librosa(settings: MFCCSettings) -> None:
    librosa = pytest.importorskip("librosa")
    samples, s = clip(2), settings
    levelled = samples / np.sqrt(np.mean(samples.astype(np.float64) ** 2))
    plain = librosa.feature.mfcc(
        y=levelled, sr=16_000, n_mfcc=s.coefficients, n_fft=s.n_fft, hop_length=s.hop, n_mels=s.mels,
        pad_mode="constant",
    )  # fmt: skip
    ours = MFCC(s)(torch.from_numpy(samples)[None])[0].numpy()
    assert ours.shape == (1 + s.deltas, s.coefficients, 101)
    # single precision, in units of decibels times the root of the number of bands
    np.testing.assert_allclose(ours[0], plain, atol=2e-2)
    for order in range(1, s.deltas + 1):
        np.testing.assert_allclose(ours[order], librosa.feature.delta(plain, order=order), atol=1e-2)


def test_s4_is_20_by_101_whatever_the_clip() -> None:
    front_end = MFCC(MFCCSettings(samples=16_000))
    for samples in (8_000, 16_000, 40_000):
        assert front_end(torch.randn(2, samples)).shape == (2, 1, 20, 101)
    wave = torch.randn(1, 8_000)
    torch.testing.assert_close(front_end(wave), MFCC(MFCCSettings())(torch.cat([wave, wave], dim=1)))


def test_lfcc_against_the_formula_in_double_precision() -> None:
    signal, fft = pytest.importorskip("scipy.signal"), pytest.importorskip("scipy.fft")
    samples, s = clip(3), LFCCSettings()
    x = samples.astype(np.float64) / np.sqrt(np.mean(samples.astype(np.float64) ** 2))
    x = np.append(x[0], x[1:] - 0.97 * x[:-1])
    window = np.zeros(s.n_fft)
    window[352:672] = signal.get_window("hamming", 320)
    padded = np.pad(x, s.n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, s.n_fft)[:: s.hop]
    power = (np.abs(np.fft.rfft(frames * window)) ** 2)[:, :256]
    edges, points = np.linspace(0, 1, 22), np.linspace(0, 1, 256)
    banks = np.stack([np.interp(points, edges[k : k + 3], [0, 1, 0]) for k in range(20)])
    cepstra = fft.dct(np.log10(power @ banks.T + EPSILON), norm="ortho")
    cepstra[:, 0] = np.log10(power.sum(1) / s.n_fft + EPSILON)

    def differences(rows: np.ndarray) -> np.ndarray:
        longer = np.pad(rows, ((1, 1), (0, 0)), mode="edge")
        return longer[2:] - longer[:-2]

    first = differences(cepstra)
    expected = np.concatenate([cepstra, first, differences(first)], axis=1).T
    ours = LFCC(s)(torch.from_numpy(samples)[None])[0, 0].numpy()
    assert ours.shape == (60, 101)
    np.testing.assert_allclose(ours, expected, atol=2e-3)


def test_normalisation_over_time() -> None:
    wave = torch.from_numpy(clip(4))[None]
    for kind, settings in ((MFCC, MFCCSettings), (LFCC, LFCCSettings), (LogMel, LogMelSettings)):
        centred = kind(settings(normalize="mean"))(wave)[0, 0, :20]
        assert centred.mean(dim=1).abs().max() < 1e-3
        scaled = kind(settings(normalize="standard"))(wave)[0, 0, :20]
        torch.testing.assert_close(scaled.std(dim=1, correction=0), torch.ones(20), atol=0.02, rtol=0)
        quieter = kind(settings(normalize="none"))(wave * 0.1)[0, 0]
        assert (quieter - kind(settings())(wave * 0.1)[0, 0]).abs().max() > 0.1, "none keeps the level"


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        (MFCC, {"coefficients": 0}),
        (MFCC, {"coefficients": 41, "mels": 40}),
        (MFCC, {"deltas": 3}),
        (MFCC, {"deltas": 1, "width": 4}),
        (MFCC, {"high": 9_000.0}),
        (LFCC, {"deltas": -1}),
        (LFCC, {"high": 8_001.0}),
        (LFCC, {"window": 2_000}),
        (LogMel, {"mels": 0}),
        (LogMel, {"hop": 0}),
        (LogMel, {"window": 600}),
    ],
)
def test_bad_settings(kind: type, bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        kind(kind.Settings(**bad))
