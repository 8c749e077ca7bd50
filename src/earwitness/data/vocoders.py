"""Copy synthesis with signal processing: a human clip is analysed and built again, as older generators would.

Each function takes mono 16 kHz float32 samples and a random generator, and returns as many samples. Noise and phases
come from the generator alone, so the same seed gives the same copy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from earwitness.errors import MissingExtraError

RATE = 16_000
Samples = NDArray[np.float32]

VOCODERS = {
    "griffin-lim": "earwitness.data.vocoders:griffin_lim",
    "lpc": "earwitness.data.vocoders:linear_prediction",
    "world": "earwitness.data.vocoders:world",
}

LEVEL_DB = -26.0
"""Mean power of everything that is written, dB relative to full scale."""

_FFT, _HOP = 1024, 256


def griffin_lim(samples: Samples, rng: np.random.Generator, *, iterations: int = 32, mels: int = 80) -> Samples:
    """Phase thrown away, magnitudes squeezed through a mel filter bank, phase found again by iteration.

    Parameters
    ----------
    samples:
        Mono, 16 kHz.
    rng:
        First phases.
    iterations:
        Of Griffin and Lim's projection (IEEE TASSP 32, 1984).
    mels:
        Bands that are kept, as in the spectrogram of a text-to-speech system.

    Examples
    --------
    >>> copy = griffin_lim(np.ones(8_000, np.float32), np.random.default_rng(0), iterations=2)
    >>> copy.shape, copy.dtype.name
    ((8000,), 'float32')
    """
    padded = np.pad(samples.astype(np.float64), (_FFT, _FFT + -len(samples) % _HOP))
    bank = _mel_bank(mels)
    magnitude = np.maximum(np.abs(_stft(padded)) @ bank.T @ np.linalg.pinv(bank).T, 0)
    phase = np.exp(2j * np.pi * rng.random(magnitude.shape))
    for _ in range(iterations):
        again = _stft(_inverse(magnitude * phase, len(padded)))
        phase = again / np.maximum(np.abs(again), 1e-12)
    return _inverse(magnitude * phase, len(padded))[_FFT : _FFT + len(samples)].astype(np.float32)


def linear_prediction(samples: Samples, rng: np.random.Generator, *, order: int = 18) -> Samples:
    """The classical vocoder: pulses or noise through an all-pole filter, per 20 ms (Atal and Hanauer, JASA 50, 1971).

    Parameters
    ----------
    samples:
        Mono, 16 kHz.
    rng:
        Noise of unvoiced frames.
    order:
        Coefficients of the filter.

    Examples
    --------
    >>> linear_prediction(np.zeros(5_000, np.float32), np.random.default_rng(0)).shape
    (5000,)
    """
    frame, hop = 512, 320
    window = np.hanning(frame)
    count = -(-len(samples) // hop)
    padded = np.pad(samples.astype(np.float64), (frame // 2, frame + hop))
    out = np.zeros(count * hop + 2 * frame)
    next_pulse = 0.0
    for i in range(count):
        part = padded[i * hop : i * hop + frame] * window
        energy = float(part @ part)
        if energy < 1e-8:
            next_pulse = 0.0
            continue
        lags = np.correlate(part, part, "full")[frame - 1 :]
        coefficients, gain = _levinson(lags[: order + 1], order)
        period = _pitch_period(lags)
        excitation = np.zeros(frame)
        if period:
            places = np.arange(next_pulse, frame, period)
            excitation[places.astype(int)] = np.sqrt(period)
            next_pulse = (next_pulse - hop) % period
        else:
            excitation = rng.standard_normal(frame)
        sound = _all_pole(excitation * np.sqrt(gain / float(window @ window)), coefficients)
        out[i * hop : i * hop + frame] += sound * window
    weight = np.zeros_like(out)
    for i in range(count):
        weight[i * hop : i * hop + frame] += window**2
    return (out / np.maximum(weight, 0.2))[frame // 2 : frame // 2 + len(samples)].astype(np.float32)


def world(samples: Samples, rng: np.random.Generator) -> Samples:
    """WORLD: pitch, envelope and aperiodicity, and a copy from these (Morise et al., IEICE E99-D, 2016).

    ``rng`` is not used: WORLD brings its own noise, the same every time.

    Raises
    ------
    MissingExtraError
        Without pyworld (extra ``synth``).
    """
    del rng
    import warnings

    try:
        with warnings.catch_warnings():
            # pyworld asks setuptools for its own version, which setuptools warns about.
            warnings.simplefilter("ignore")
            import pyworld
    except ImportError:
        raise MissingExtraError("WORLD needs pyworld", hint="pip install 'earwitness[synth]'") from None
    wave = np.ascontiguousarray(samples, np.float64)
    pitch, times = pyworld.harvest(wave, RATE)
    envelope = pyworld.cheaptrick(wave, pitch, times, RATE)
    noise = pyworld.d4c(wave, pitch, times, RATE)
    return _fit(pyworld.synthesize(pitch, envelope, noise, RATE), len(samples))


def fitted(copy: Samples, length: int) -> Samples:
    """The copy at the length of its original and at one level for all clips: neither may tell it apart.

    The level is -26 dB mean power relative to full scale, which leaves speech room for its peaks (a copy peaks
    elsewhere than its original); a clip that would still go over full scale is turned down to it.

    Examples
    --------
    >>> fitted(np.array([1, -1, 1], "f4"), 2).astype(float).round(3).tolist()
    [0.05, -0.05]
    """
    copy = _fit(copy, length)
    own = float(np.sqrt(np.mean(copy.astype(np.float64) ** 2)))
    copy = copy * np.float32(10 ** (LEVEL_DB / 20) / own if own > 0 else 0.0)
    peak = float(np.abs(copy).max(initial=0.0))
    return copy if peak <= 1 else copy / np.float32(peak)


def _fit(samples: Sequence[float] | NDArray[np.floating], length: int) -> Samples:
    array = np.asarray(samples, np.float32)[:length]
    return np.pad(array, (0, length - len(array)))


def _stft(samples: NDArray[np.float64]) -> NDArray[np.complex128]:
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FFT)[::_HOP]
    return np.fft.rfft(frames * np.hanning(_FFT), axis=1)


def _inverse(spectrum: NDArray[np.complex128], length: int) -> NDArray[np.float64]:
    """Least-squares inverse: overlap-add with the window, divided by the windows' squares."""
    frames = np.fft.irfft(spectrum, _FFT, axis=1) * np.hanning(_FFT)
    out, weight = np.zeros(length), np.zeros(length)
    for i, frame in enumerate(frames):
        out[i * _HOP : i * _HOP + _FFT] += frame
        weight[i * _HOP : i * _HOP + _FFT] += np.hanning(_FFT) ** 2
    return out / np.maximum(weight, 1e-3)


def _mel_bank(mels: int) -> NDArray[np.float64]:
    """Triangles of equal height on the HTK mel scale, ``(mels, 513)``."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, mels + 2) / 2595) - 1)
    bins = np.linspace(0, RATE / 2, _FFT // 2 + 1)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(np.minimum(rise, fall), 0)


def _levinson(lags: NDArray[np.float64], order: int) -> tuple[NDArray[np.float64], float]:
    """Coefficients of the predictor (first one 1) and the energy that it leaves."""
    lags = lags.copy()
    lags[0] *= 1 + 1e-5
    coefficients, error = np.zeros(order + 1), float(lags[0])
    coefficients[0] = 1
    for i in range(1, order + 1):
        reflection = -float(coefficients[:i] @ lags[i:0:-1]) / error
        coefficients[: i + 1] += reflection * coefficients[: i + 1][::-1]
        error *= 1 - reflection**2
    return coefficients, error


def _pitch_period(lags: NDArray[np.float64]) -> int:
    """Samples of one period between 60 and 400 Hz, 0 for an unvoiced frame."""
    low, high = RATE // 400, RATE // 60
    best = low + int(np.argmax(lags[low:high]))
    return best if lags[best] > 0.35 * lags[0] else 0


def _all_pole(excitation: NDArray[np.float64], coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    try:
        from scipy.signal import lfilter
    except ImportError:
        raise MissingExtraError("linear prediction needs SciPy", hint="pip install 'earwitness[train]'") from None
    filtered: NDArray[np.float64] = lfilter([1.0], coefficients, excitation)
    return filtered
