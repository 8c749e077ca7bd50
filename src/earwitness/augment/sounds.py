"""Sounds that are not speech, made by seeded code: noise, tones, music and the like of an environment.

They are what the speech and music detector (:mod:`earwitness.train.speech`) learns to tell from speech, and what
:class:`earwitness.augment.background.Background` lays behind it. Every maker takes ``(length, rng)`` and gives float32
mono at 16 kHz with a peak of at most 1; nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from earwitness.augment.signals import RATE, Samples, coloured_noise, filtered

Maker = Callable[[int, np.random.Generator], Samples]
_Wide = NDArray[np.float64]


def make(kind: str, length: int, rng: np.random.Generator) -> Samples:
    """``length`` samples of one maker of :data:`MAKERS` ``[kind]``, drawn by ``rng``; peak 1 unless silent.

    Examples
    --------
    >>> make("tones", 16_000, np.random.default_rng(0)).shape
    (16000,)
    """
    makers = MAKERS[kind]
    sound = makers[int(rng.integers(len(makers)))](length, rng)
    peak = float(np.abs(sound).max(initial=0.0))
    return (sound / peak if peak > 1e-4 else sound).astype(np.float32)


def _clock(length: int) -> _Wide:
    return np.arange(length, dtype=np.float64) / RATE


def _wander(length: int, rng: np.random.Generator, rate: float) -> _Wide:
    """A smooth random curve in [0, 1] that changes about ``rate`` times a second."""
    knots = rng.random(max(4, int(length / RATE * rate) + 4))
    return np.interp(np.linspace(0, len(knots) - 1, length), np.arange(len(knots)), knots)


def _place(out: _Wide, sound: _Wide, start: int) -> None:
    end = min(len(out), start + len(sound))
    if end > start >= 0:
        out[start:end] += sound[: end - start]


def _scatter(length: int, rng: np.random.Generator, rate: float, grain: Callable[[], _Wide], jitter: float) -> Samples:
    """``grain()`` again and again, ``rate`` times a second; ``jitter`` 0 is a clock, 1 is rain."""
    out = np.zeros(length)
    at = rng.random() / rate
    while at < length / RATE:
        _place(out, grain() * 10 ** rng.uniform(-1 * jitter, 0), int(at * RATE))
        at += (1 - jitter) / rate + jitter * rng.exponential(1 / rate)
    return out.astype(np.float32)


def _burst(rng: np.random.Generator, low: float, high: float, decay: float) -> _Wide:
    """A noise burst through a resonance between ``low`` and ``high`` Hz that dies away in ``decay`` seconds."""
    from scipy.signal import lfilter

    count = int(RATE * decay * 4)
    centre, radius = rng.uniform(low, high), rng.uniform(0.8, 0.995)
    noise = rng.standard_normal(count) * np.exp(-np.arange(count) / (RATE * decay))
    out = lfilter([1.0], [1.0, -2 * radius * np.cos(2 * np.pi * centre / RATE), radius**2], noise)
    return np.asarray(out / (np.abs(out).max() + 1e-9), dtype=np.float64)


# Noise


def _steady_noise(length: int, rng: np.random.Generator) -> Samples:
    return coloured_noise(length, rng.uniform(-1.0, 2.5), rng)


def _shaped_noise(length: int, rng: np.random.Generator) -> Samples:
    edges = np.sort(rng.uniform(0, 8000, 10))
    return filtered(coloured_noise(length, 0.0, rng), 10 ** (rng.uniform(-40, 0, 10) / 20), edges)


def _pulsing_noise(length: int, rng: np.random.Generator) -> Samples:
    noise = _steady_noise(length, rng) if rng.random() < 0.5 else _shaped_noise(length, rng)
    if rng.random() < 0.5:
        swell = 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.2, 20) * _clock(length) + rng.uniform(0, 6))
    else:
        swell = _wander(length, rng, rng.uniform(0.5, 12))
    return (noise * swell ** rng.uniform(0.5, 3)).astype(np.float32)


def _hum(length: int, rng: np.random.Generator) -> Samples:
    base, t = float(rng.choice([50.0, 60.0, 100.0, 120.0])) * rng.uniform(0.995, 1.005), _clock(length)
    out = sum(rng.random() / k * np.sin(2 * np.pi * base * k * t + rng.uniform(0, 6)) for k in range(1, 20))
    return (out + rng.uniform(0, 0.1) * coloured_noise(length, 1.0, rng)).astype(np.float32)


def _crackle(length: int, rng: np.random.Generator) -> Samples:
    clicks = rng.standard_normal(length) * (rng.random(length) < 10 ** rng.uniform(-4.5, -2))
    return (clicks + rng.uniform(0, 0.02) * coloured_noise(length, 1.0, rng)).astype(np.float32)


def _room_tone(length: int, rng: np.random.Generator) -> Samples:
    return (coloured_noise(length, rng.uniform(0.5, 2), rng) * 10 ** rng.uniform(-4.5, -2)).astype(np.float32)


def _nothing(length: int, rng: np.random.Generator) -> Samples:
    return np.full(length, rng.choice([0.0, 0.0, rng.uniform(-0.3, 0.3)]), dtype=np.float32)


# Tones


def _wave(phase: _Wide, shape: int) -> _Wide:
    if shape == 0:
        return np.sin(phase)
    if shape == 1:
        return np.sign(np.sin(phase)) * 0.5
    return (phase / np.pi) % 2.0 - 1.0


def _steady_tones(length: int, rng: np.random.Generator) -> Samples:
    t, out = _clock(length), np.zeros(length)
    for _ in range(int(rng.integers(1, 5))):
        out += rng.random() * _wave(2 * np.pi * np.exp(rng.uniform(np.log(50), np.log(7500))) * t, int(rng.integers(3)))
    if rng.random() < 0.3:
        out *= 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.5, 25) * t)
    return out.astype(np.float32)


def _sweep(length: int, rng: np.random.Generator) -> Samples:
    low, high = sorted(np.exp(rng.uniform(np.log(40), np.log(7900), 2)))
    period = rng.uniform(0.2, 8)
    ramp = (_clock(length) / period) % 1.0
    if rng.random() < 0.5:
        ramp = np.abs(2 * ramp - 1)
    pitch = low * (high / low) ** ramp if rng.random() < 0.5 else low + (high - low) * ramp
    return _wave(np.cumsum(2 * np.pi * pitch / RATE), int(rng.integers(3))).astype(np.float32)


def _keypad(length: int, rng: np.random.Generator) -> Samples:
    rows, columns = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
    hold, gap = rng.uniform(0.04, 0.4), rng.uniform(0.03, 0.5)
    t, out, at = _clock(int(hold * RATE)), np.zeros(length), rng.uniform(0, 0.3)
    while at < length / RATE:
        pair = np.sin(2 * np.pi * rng.choice(rows) * t) + np.sin(2 * np.pi * rng.choice(columns) * t)
        _place(out, pair * rng.uniform(0.8, 1.0), int(at * RATE))
        at += hold + gap
    return out.astype(np.float32)


def _line_tone(length: int, rng: np.random.Generator) -> Samples:
    pairs = [(350, 440), (440, 480), (480, 620), (425, 425), (400, 450), (950, 1400), (1100, 2100), (2600, 2600)]
    first, second = pairs[int(rng.integers(len(pairs)))]
    t = _clock(length)
    on, off = float(rng.choice([0.25, 0.5, 1.0, 2.0])), float(rng.choice([0.0, 0.25, 0.5, 1.0, 4.0]))
    gate = (t + rng.uniform(0, 3)) % (on + off) < on
    return ((np.sin(2 * np.pi * first * t) + np.sin(2 * np.pi * second * t)) * gate).astype(np.float32)


def _beeps(length: int, rng: np.random.Generator) -> Samples:
    t, gate = _clock(length), _wander(length, rng, rng.uniform(1, 10)) > 0.5
    steps = np.exp(rng.uniform(np.log(200), np.log(5000), 64))
    pitch = steps[np.minimum((t * rng.uniform(1, 12)).astype(int) % 64, 63)]
    return (_wave(np.cumsum(2 * np.pi * pitch / RATE), int(rng.integers(3))) * gate).astype(np.float32)


# Environment


def _wind(length: int, rng: np.random.Generator) -> Samples:
    gusts = _wander(length, rng, rng.uniform(0.3, 3)) ** rng.uniform(1, 3)
    howl = coloured_noise(length, rng.uniform(1, 2.5), rng) * gusts
    if rng.random() < 0.4:
        pitch = 200 + 600 * _wander(length, rng, 1.0)
        howl = howl + 0.3 * gusts * np.sin(np.cumsum(2 * np.pi * pitch / RATE)) * _wander(length, rng, 30)
    return np.asarray(howl, dtype=np.float32)


def _rain(length: int, rng: np.random.Generator) -> Samples:
    low, high = sorted(rng.uniform(300, 7000, 2))
    grain = rng.uniform(0.0005, 0.01)
    drops = _scatter(length, rng, rng.uniform(5, 150), lambda: _burst(rng, low, high + 1, grain), 1.0)
    return (drops + rng.uniform(0, 0.2) * coloured_noise(length, rng.uniform(-0.5, 1), rng)).astype(np.float32)


def _engine(length: int, rng: np.random.Generator) -> Samples:
    base = rng.uniform(18, 120) * (1 + rng.uniform(0, 0.8) * _wander(length, rng, 0.4))
    base = base * (1 + 0.02 * (_wander(length, rng, 15) - 0.5))
    phase, out = np.cumsum(2 * np.pi * base / RATE), np.zeros(length)
    for k in range(1, 40):
        out += rng.random() * k ** -rng.uniform(0.3, 1.2) * np.sin(k * phase + rng.uniform(0, 6))
    rough = 1 + rng.uniform(0, 1) * np.sin(phase / 2)
    return (out * rough + rng.uniform(0, 2) * coloured_noise(length, 1.5, rng)).astype(np.float32)


def _steps(length: int, rng: np.random.Generator) -> Samples:
    low, decay = rng.uniform(60, 900), rng.uniform(0.01, 0.06)
    beat = _scatter(length, rng, rng.uniform(1, 4), lambda: _burst(rng, low, low * 3, decay), rng.uniform(0, 0.3))
    return (beat + 0.003 * coloured_noise(length, 1.0, rng)).astype(np.float32)


def _clatter(length: int, rng: np.random.Generator) -> Samples:
    decay = np.exp(rng.uniform(np.log(0.002), np.log(0.15)))
    return _scatter(length, rng, rng.uniform(1, 20), lambda: _burst(rng, 200, 6500, decay), 1.0)


def _chirps(length: int, rng: np.random.Generator) -> Samples:
    low, span, hold = rng.uniform(800, 5000), rng.uniform(1.05, 2.0), rng.uniform(0.03, 0.3)

    def grain() -> _Wide:
        count = int(RATE * hold * rng.uniform(0.6, 1.4))
        bend = low * span ** _wander(count, rng, rng.uniform(2, 30))
        return np.sin(np.cumsum(2 * np.pi * bend / RATE)) * np.hanning(count)

    return _scatter(length, rng, rng.uniform(0.7, 6), grain, rng.uniform(0, 1))


def _cries(length: int, rng: np.random.Generator) -> Samples:
    """Barks, caws and howls: short harmonic sounds with one fixed resonance, no syllables."""
    base, hold, centre = rng.uniform(150, 900), rng.uniform(0.06, 0.7), rng.uniform(500, 2500)

    def grain() -> _Wide:
        count = int(RATE * hold)
        bend = base * (1 + 0.3 * np.sin(np.linspace(0, np.pi, count)) + 0.02 * rng.standard_normal())
        phase = np.cumsum(2 * np.pi * bend / RATE)
        out = np.zeros(count)
        for k in range(1, int(7000 / base)):
            out += np.exp(-(((k * base - centre) / 900) ** 2)) * np.sin(k * phase)
        return (out + rng.uniform(0, 0.5) * rng.standard_normal(count)) * np.hanning(count) ** 0.5

    return _scatter(length, rng, rng.uniform(0.4, 3), grain, rng.uniform(0, 0.8))


def _siren(length: int, rng: np.random.Generator) -> Samples:
    rate, low, high = rng.uniform(0.2, 6), rng.uniform(300, 1200), rng.uniform(1.1, 2.5)
    swing = np.sin(2 * np.pi * rate * _clock(length))
    if rng.random() < 0.5:
        swing = np.sign(swing)
    phase = np.cumsum(2 * np.pi * low * high ** (0.5 + 0.5 * swing) / RATE)
    return np.asarray(sum(np.sin(k * phase) / k ** rng.uniform(0.5, 3) for k in range(1, 6)), dtype=np.float32)


def _insects(length: int, rng: np.random.Generator) -> Samples:
    t = _clock(length)
    tone = np.sin(2 * np.pi * rng.uniform(2000, 7000) * t) * (np.sin(2 * np.pi * rng.uniform(15, 80) * t) > 0)
    return (tone * (_wander(length, rng, rng.uniform(1, 6)) > rng.uniform(0, 0.6))).astype(np.float32)


def _water(length: int, rng: np.random.Generator) -> Samples:
    def grain() -> _Wide:
        count = int(RATE * rng.uniform(0.01, 0.08))
        bend = rng.uniform(300, 2500) * np.linspace(1, rng.uniform(1.1, 2), count)
        return np.sin(np.cumsum(2 * np.pi * bend / RATE)) * np.exp(-np.linspace(0, 5, count))

    flow = 0.15 * filtered(
        coloured_noise(length, 0.5, rng), np.array([0, 1, 1, 0.1]), np.array([100.0, 400, 2500, 6000])
    )
    return (_scatter(length, rng, rng.uniform(5, 60), grain, 1.0) + rng.uniform(0, 1) * flow).astype(np.float32)


# Music


def _envelope(count: int, rng: np.random.Generator, plucked: bool) -> _Wide:
    t = np.arange(count) / RATE
    if plucked:
        return np.exp(-t / rng.uniform(0.08, 0.8)) * np.minimum(t / 0.004, 1)
    edge = rng.uniform(0.01, 0.12)
    return np.minimum(1, np.minimum(t / edge, np.maximum(t[-1] - t, 0) / edge)) if count > 1 else np.ones(count)


class _Instrument:
    """One timbre, drawn once: additive, frequency modulated or a plucked string."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.kind, self.plucked = rng, int(rng.integers(3)), bool(rng.random() < 0.6)
        self.partials = rng.random(12) * np.arange(1, 13) ** -rng.uniform(0.3, 2.5)
        self.ratio, self.depth = float(rng.choice([0.5, 1, 1.41, 2, 3, 3.5])), rng.uniform(0.3, 6)
        self.vibrato = rng.uniform(0, 0.012) * (rng.random() < 0.5)

    def __call__(self, pitch: float, seconds: float) -> _Wide:
        count, rng = max(int(seconds * RATE), 64), self.rng
        if self.kind == 2:
            return self._string(pitch, count)
        t = np.arange(count) / RATE
        phase = 2 * np.pi * pitch * (t + self.vibrato * np.sin(2 * np.pi * 5.5 * t) / (2 * np.pi * 5.5))
        envelope = _envelope(count, rng, self.plucked)
        if self.kind == 1:
            return np.sin(phase + self.depth * envelope * np.sin(self.ratio * phase)) * envelope
        out = np.zeros(count)
        for k, amount in enumerate(self.partials, 1):
            if pitch * k < 7800:
                out += amount * np.sin(k * phase)
        return out * envelope

    def _string(self, pitch: float, count: int) -> _Wide:
        """Karplus and Strong, 1983: a noise burst in a loop with a two-point average."""
        delay = max(2, round(RATE / pitch))
        loop = np.zeros(count + 1)  # one sample late: the loop averages each sample with the one before it
        out, burst = loop[1:], min(delay, count)
        out[:burst] = self.rng.uniform(-1, 1, burst)
        for start in range(delay, count, delay):
            end = min(start + delay, count)
            out[start:end] = 0.498 * loop[start - delay : end - delay] + 0.498 * out[start - delay : end - delay]
        return out


_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))


def _melody(length: int, rng: np.random.Generator, beat: float, root: float, chords: bool) -> _Wide:
    out, voice = np.zeros(length), _Instrument(rng)
    scale, degree, at = _SCALES[int(rng.integers(4))], int(rng.integers(7)), 0.0
    while at < length / RATE:
        hold = beat * float(rng.choice([2, 4, 4, 8] if chords else [0.25, 0.5, 0.5, 1, 1, 2]))
        if chords or rng.random() < 0.85:
            degree = int(np.clip(degree + rng.integers(-3, 4), -5, 12))
            for step in (0, 2, 4) if chords else (0,):
                octave, place = divmod(degree + step, len(scale))
                pitch = root * 2 ** (octave + scale[place] / 12)
                if 30 < pitch < 4000:
                    _place(out, voice(pitch, hold * rng.uniform(0.8, 1.3)), int(at * RATE))
        at += hold
    return np.asarray(out / (np.abs(out).max() + 1e-9), dtype=np.float64)


def _drums(length: int, rng: np.random.Generator, beat: float) -> _Wide:
    out, patterns = np.zeros(length), rng.random((3, 8)) < rng.uniform(0.2, 0.7, (3, 1))
    t = np.arange(int(0.25 * RATE)) / RATE
    kick = np.sin(2 * np.pi * (50 * t + 8 * (1 - np.exp(-t * 30)))) * np.exp(-t / rng.uniform(0.05, 0.15))
    snare = rng.standard_normal(len(t)) * np.exp(-t / rng.uniform(0.02, 0.1)) * 0.6 + 0.3 * np.sin(1200 * t)
    hat = np.diff(rng.standard_normal(len(t) + 1)) * np.exp(-t / rng.uniform(0.01, 0.05)) * 0.3
    for step in range(int(length / RATE / (beat / 2)) + 1):
        for row, hit in enumerate((kick, snare, hat)):
            if patterns[row, step % 8]:
                _place(out, hit * rng.uniform(0.7, 1), int(step * beat / 2 * RATE))
    return out


def _song(length: int, rng: np.random.Generator) -> Samples:
    beat, root = 60 / rng.uniform(60, 180), 440 * 2 ** (rng.integers(-24, 5) / 12)
    out = np.zeros(length)
    layers = rng.random(4) < (0.6, 0.7, 0.6, 0.5)
    if not layers[:2].any():
        layers[int(rng.integers(2))] = True
    if layers[0]:
        out += rng.uniform(0.3, 1) * _melody(length, rng, beat, root, chords=True)
    if layers[1]:
        out += rng.uniform(0.3, 1) * _melody(length, rng, beat, root * 2, chords=False)
    if layers[2]:
        out += rng.uniform(0.2, 1) * _drums(length, rng, beat)
    if layers[3]:
        out += rng.uniform(0.3, 1) * _melody(length, rng, beat * 2, max(root / 4, 32.7), chords=False)
    return out.astype(np.float32)


MAKERS: dict[str, tuple[Maker, ...]] = {
    "noise": (_steady_noise, _shaped_noise, _pulsing_noise, _hum, _crackle, _room_tone, _nothing),
    "tones": (_steady_tones, _sweep, _keypad, _line_tone, _beeps),
    "environment": (_wind, _rain, _engine, _steps, _clatter, _chirps, _cries, _siren, _insects, _water),
    "music": (_song,),
}
"""Kind of sound to its makers."""
