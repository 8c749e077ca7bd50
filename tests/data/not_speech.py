"""Sounds without speech for the tests: written apart from the makers that the detector was trained with.

Each function takes a seed and gives 6 s of float32 mono at 16 kHz. NumPy only, spectra and sums, so that neither the
code nor the draws are shared with ``earwitness.augment.sounds``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
LENGTH = 6 * RATE
Samples = NDArray[np.float32]
_T = np.arange(LENGTH) / RATE
_DTMF = {
    key: (row, column)
    for row, keys in zip((697, 770, 852, 941), ("123A", "456B", "789C", "*0#D"), strict=True)
    for key, column in zip(keys, (1209, 1336, 1477, 1633), strict=True)
}


def _level(sound: NDArray[np.float64], rng: np.random.Generator) -> Samples:
    peak = np.abs(sound).max()
    return (sound / max(peak, 1e-9) * 10 ** (rng.uniform(-30, -1) / 20)).astype(np.float32)


def _spectral_noise(
    rng: np.random.Generator, exponent: float, low: float = 0.0, high: float = 8000.0
) -> NDArray[np.float64]:
    frequency = np.fft.rfftfreq(LENGTH, 1 / RATE)
    size = np.where((frequency >= low) & (frequency <= high), np.maximum(frequency, 20.0) ** exponent, 0.0)
    return np.fft.irfft(size * np.exp(2j * np.pi * rng.random(len(size))), LENGTH)


def noise(seed: int) -> Samples:
    """White to brown, band-limited, swelling or hissing noise, some with mains hum."""
    rng = np.random.default_rng([71, seed])
    kind = seed % 4
    if kind == 0:
        out = _spectral_noise(rng, rng.uniform(-1.2, 0.4))
    elif kind == 1:
        low = rng.uniform(50, 4000)
        out = _spectral_noise(rng, 0.0, low, low * rng.uniform(1.3, 4))
    elif kind == 2:
        rate = rng.uniform(0.3, 9)
        out = _spectral_noise(rng, rng.uniform(-1, 0)) * (1 + rng.uniform(0.3, 1) * np.sin(2 * np.pi * rate * _T))
    else:
        out = _spectral_noise(rng, -0.5)
        out = out / np.abs(out).max() + 0.5 * sum(np.sin(2 * np.pi * 50 * k * _T + k) / k for k in range(1, 9))
    return _level(out, rng)


def tones(seed: int) -> Samples:
    """Pure tones, intervals, dial and busy tones, sweeps, and numbers dialled on a keypad."""
    rng = np.random.default_rng([72, seed])
    kind = seed % 4
    if kind == 0:
        pitches = rng.uniform(90, 6000, int(rng.integers(1, 4)))
        out = np.sum([np.sin(2 * np.pi * p * _T) for p in pitches], axis=0)
    elif kind == 1:
        out = np.zeros(LENGTH)
        at, hold, gap = 0.1, rng.uniform(0.05, 0.25), rng.uniform(0.05, 0.3)
        while at + hold < 6:
            row, column = _DTMF[str(rng.choice(list(_DTMF)))]
            part = slice(int(at * RATE), int((at + hold) * RATE))
            out[part] = np.sin(2 * np.pi * row * _T[part]) + np.sin(2 * np.pi * column * _T[part])
            at += hold + gap
    elif kind == 2:
        period = rng.uniform(0.4, 3)
        first, second = rng.uniform(300, 700, 2)
        out = (np.sin(2 * np.pi * first * _T) + np.sin(2 * np.pi * second * _T)) * (_T % period < period / 2)
    else:
        low, high = np.sort(rng.uniform(100, 7000, 2))
        pitch = low + (high - low) * (0.5 - 0.5 * np.cos(2 * np.pi * _T / rng.uniform(0.8, 6)))
        out = np.sin(2 * np.pi * np.cumsum(pitch) / RATE)
    return _level(out + 10 ** rng.uniform(-4.5, -2.5) * rng.standard_normal(LENGTH), rng)


def environment(seed: int) -> Samples:
    """Wind, rain, a motor, steps, a two-tone alarm, birds, a ticking clock, surf, knocking, a fan."""
    rng = np.random.default_rng([73, seed])
    makers: tuple[Callable[[np.random.Generator], NDArray[np.float64]], ...] = (
        _gusts,
        _drops,
        _motor,
        _walk,
        _alarm,
        _birds,
        _clock,
        _surf,
        _knocks,
        _fan,
    )
    out = makers[seed % len(makers)](rng)
    return _level(out / np.abs(out).max() + 10 ** rng.uniform(-4.5, -2.5) * rng.standard_normal(LENGTH), rng)


def _slow(rng: np.random.Generator, most: float) -> NDArray[np.float64]:
    curve = np.sum(
        [rng.random() * np.cos(2 * np.pi * most * rng.random() * _T + 6 * rng.random()) for _ in range(5)], axis=0
    )
    return (curve - curve.min()) / (curve.max() - curve.min() + 1e-9)


def _gusts(rng: np.random.Generator) -> NDArray[np.float64]:
    return _spectral_noise(rng, -1.0, 30, rng.uniform(400, 2000)) * _slow(rng, 1.5) ** 2


def _drops(rng: np.random.Generator) -> NDArray[np.float64]:
    out = 0.05 * _spectral_noise(rng, -0.3)
    out /= np.abs(out).max() * 10
    for start in rng.integers(0, LENGTH - 800, int(rng.integers(50, 600))):
        count = int(rng.integers(30, 400))
        out[start : start + count] += rng.random() * rng.standard_normal(count) * np.exp(-np.arange(count) / count * 6)
    return out


def _motor(rng: np.random.Generator) -> NDArray[np.float64]:
    turns = np.cumsum(rng.uniform(25, 90) * (1 + 0.4 * _slow(rng, 0.3))) / RATE
    pulses = np.exp(-((turns % 1.0) * rng.uniform(4, 20)))
    return pulses - pulses.mean() + 0.2 * rng.standard_normal(LENGTH) * pulses


def _hits(
    rng: np.random.Generator, every: float, ring: float, low: float, high: float, loose: float
) -> NDArray[np.float64]:
    out, at = np.zeros(LENGTH), 0.2
    while at < 5.7:
        t = np.arange(int(min(ring * 6, 0.3) * RATE)) / RATE
        body = np.sum([np.sin(2 * np.pi * rng.uniform(low, high) * t + 6 * rng.random()) for _ in range(6)], axis=0)
        start = int(at * RATE)
        out[start : start + len(t)] += (body + rng.standard_normal(len(t))) * np.exp(-t / ring)
        at += every * rng.uniform(1 - loose, 1 + loose)
    return out


def _walk(rng: np.random.Generator) -> NDArray[np.float64]:
    return _hits(rng, rng.uniform(0.4, 0.8), rng.uniform(0.01, 0.04), 60, 900, 0.15)


def _clock(rng: np.random.Generator) -> NDArray[np.float64]:
    return _hits(rng, rng.choice([0.5, 1.0]), 0.004, 2000, 6000, 0.0)


def _knocks(rng: np.random.Generator) -> NDArray[np.float64]:
    return _hits(rng, rng.uniform(0.18, 0.35), rng.uniform(0.01, 0.03), 150, 700, 0.4)


def _alarm(rng: np.random.Generator) -> NDArray[np.float64]:
    first = rng.uniform(500, 2500)
    pitch = np.where(_T % rng.uniform(0.3, 1.5) < 0.25, first, first * rng.uniform(1.1, 1.6))
    return np.sign(np.sin(2 * np.pi * np.cumsum(pitch) / RATE)) * (0.5 + 0.5 * (_T % 1.0 < 0.7))


def _birds(rng: np.random.Generator) -> NDArray[np.float64]:
    out = np.zeros(LENGTH)
    for start in rng.integers(0, LENGTH - 6000, int(rng.integers(6, 30))):
        count = int(rng.integers(800, 5000))
        rise = np.linspace(0, 1, count)
        pitch = rng.uniform(2200, 6000) * (
            1 + rng.uniform(-0.3, 0.3) * rise + 0.05 * np.sin(2 * np.pi * rng.uniform(10, 40) * rise)
        )
        out[start : start + count] += np.sin(2 * np.pi * np.cumsum(pitch) / RATE) * np.sin(np.pi * rise)
    return out


def _surf(rng: np.random.Generator) -> NDArray[np.float64]:
    return _spectral_noise(rng, -0.5) * (0.1 + _slow(rng, 0.4) ** 3)


def _fan(rng: np.random.Generator) -> NDArray[np.float64]:
    base = rng.uniform(80, 240)
    blade = np.sum([np.sin(2 * np.pi * base * k * _T) / k for k in range(1, 7)], axis=0)
    return _spectral_noise(rng, -0.7) / 0.02 * 1e-3 + rng.uniform(0.01, 0.2) * blade


def song(seed: int) -> Samples:
    """Chords with a beat: three voices of a few partials, a new chord each half second."""
    rng = np.random.default_rng([74, seed])
    out, step = np.zeros(LENGTH), int(RATE * rng.uniform(0.3, 0.7))
    root, rich = rng.uniform(90, 300), rng.uniform(0.3, 0.8)
    for start in range(0, LENGTH - step, step):
        t = np.arange(step) / RATE
        for semitone in rng.choice([(0, 4, 7), (5, 9, 12), (7, 11, 14), (9, 12, 16), (0, 3, 7)]):
            pitch = root * 2 ** (semitone / 12)
            tone = np.sum([rich**k * np.sin(2 * np.pi * pitch * (k + 1) * t) for k in range(6)], axis=0)
            out[start : start + step] += tone * np.exp(-t * rng.uniform(1, 4)) * np.minimum(t / 0.01, 1)
        out[start : start + 900] += rng.uniform(0, 1.5) * np.sin(2 * np.pi * 70 * t[:900]) * np.exp(-t[:900] * 60)
    return _level(out, rng)
