"""Tempo without pitch, and pitch without tempo, by a phase vocoder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earwitness.augment.signals import RATE, Samples, fit

_WINDOW, _HOP = 1024, 256


def stretched(samples: Samples, factor: float) -> Samples:
    """``samples`` played ``factor`` times as fast, at the same pitch; about ``len(samples) / factor`` samples.

    Source: Flanagan and Golden 1966, in the form of ``librosa.phase_vocoder``.

    Parameters
    ----------
    samples:
        Float32 mono.
    factor:
        Above 1 is faster.

    Examples
    --------
    >>> len(stretched(np.zeros(16000, dtype=np.float32), 2.0))
    8000
    """
    window = np.hanning(_WINDOW + 1)[:-1]
    padded = np.pad(samples.astype(np.float64), _WINDOW // 2)
    padded = np.pad(padded, (0, -(len(padded) - _WINDOW) % _HOP + 2 * _HOP))
    starts = np.arange(0, len(padded) - _WINDOW + 1, _HOP)
    frames = np.fft.rfft(padded[starts[:, None] + np.arange(_WINDOW)] * window, axis=1)
    places = np.arange(0, len(frames) - 1, factor)
    before = places.astype(int)
    share = (places - before)[:, None]
    size = (1 - share) * np.abs(frames[before]) + share * np.abs(frames[before + 1])
    advance = 2 * np.pi * _HOP * np.arange(_WINDOW // 2 + 1) / _WINDOW
    turned = np.angle(frames[before + 1]) - np.angle(frames[before]) - advance
    turned -= 2 * np.pi * np.round(turned / (2 * np.pi))
    phase = np.angle(frames[0]) + np.concatenate([np.zeros((1, len(advance))), np.cumsum(turned + advance, 0)[:-1]])
    made = np.fft.irfft(size * np.exp(1j * phase), _WINDOW, axis=1) * window
    length = round(len(samples) / factor)
    out, weight = np.zeros((len(made) - 1) * _HOP + _WINDOW), np.zeros((len(made) - 1) * _HOP + _WINDOW)
    for number, frame in enumerate(made):
        out[number * _HOP : number * _HOP + _WINDOW] += frame
        weight[number * _HOP : number * _HOP + _WINDOW] += window**2
    out = (out / np.maximum(weight, 1e-3))[_WINDOW // 2 :]
    return fit(out.astype(np.float32), length) if length else np.zeros(0, dtype=np.float32)


@dataclass(frozen=True)
class TimeStretch:
    """Faster or slower speech at the same pitch; what is missing at the end is repeated from the beginning."""

    factor: tuple[float, float] = (0.8, 1.25)

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        low, high = np.log(self.factor)
        return fit(stretched(samples, float(np.exp(rng.uniform(low, high)))), len(samples))


@dataclass(frozen=True)
class PitchShift:
    """Higher or lower by a drawn number of semitones, at the same tempo."""

    semitones: tuple[float, float] = (-3.0, 3.0)

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        import soxr

        factor = 2.0 ** (rng.uniform(*self.semitones) / 12.0)
        longer = stretched(samples, 1.0 / factor)
        return fit(np.asarray(soxr.resample(longer, RATE * factor, RATE), dtype=np.float32), len(samples))
