"""What a line, a converter or a converter chain does: level, band, curve, clipping, lost packets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earwitness.augment.signals import RATE, Samples, filtered, fit


@dataclass(frozen=True)
class Gain:
    """Another level: a drawn gain in dB, and sometimes the opposite polarity."""

    db: tuple[float, float] = (-25.0, 0.0)
    flip: float = 0.5

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        sign = -1.0 if rng.random() < self.flip else 1.0
        return samples * np.float32(sign * 10.0 ** (rng.uniform(*self.db) / 20.0))


@dataclass(frozen=True)
class Clipping:
    """Samples above a drawn share of the peak are cut off."""

    share: tuple[float, float] = (0.3, 0.9)

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        top = np.float32(float(np.abs(samples).max(initial=0.0)) * rng.uniform(*self.share))
        return np.clip(samples, -top, top)


@dataclass(frozen=True)
class Band:
    """Low-pass, high-pass or both, with a drawn edge and steepness; the telephone band is among them."""

    low: tuple[float, float] = (60.0, 400.0)
    high: tuple[float, float] = (3000.0, 7600.0)
    telephone: float = 0.2

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        low, high = rng.uniform(*self.low), rng.uniform(*self.high)
        kind = int(rng.integers(3))
        if rng.random() < self.telephone:
            low, high, kind = rng.uniform(200, 350), rng.uniform(3200, 3700), 2
        frequency, gain = [0.0], [1.0 if kind == 0 else 0.0]
        if kind != 0:
            frequency += [0.6 * low, low]
            gain += [10.0 ** (-rng.uniform(20, 60) / 20.0), 1.0]
        if kind != 1:
            edge = high * rng.uniform(1.01, 1.15)
            frequency += [high, edge]
            gain += [1.0, 10.0 ** (-rng.uniform(30, 90) / 20.0)]
        return filtered(samples, np.asarray(gain), np.asarray(frequency))


@dataclass(frozen=True)
class Equalizer:
    """A smooth drawn curve over frequency: microphones, rooms and sound engineers."""

    db: float = 8.0
    knots: int = 7

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        frequency = np.concatenate([[0.0], np.geomspace(80.0, RATE / 2, self.knots)])
        gain = 10.0 ** (rng.uniform(-self.db, self.db, self.knots + 1) / 20.0)
        return filtered(samples, gain, frequency)


@dataclass(frozen=True)
class ResampleChain:
    """To another sampling rate and back, at a drawn quality of the resampler (poor ones leave images)."""

    rates: tuple[int, ...] = (8000, 11025, 12000, 14000, 22050, 24000, 32000, 44100, 48000)

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        import soxr

        rate = int(rng.choice(self.rates))
        quality = ["QQ", "LQ", "MQ", "HQ"]
        there = soxr.resample(samples, RATE, rate, quality=quality[rng.integers(4)])
        back = soxr.resample(there, rate, RATE, quality=quality[rng.integers(4)])
        return fit(np.asarray(back, dtype=np.float32), len(samples))


@dataclass(frozen=True)
class Companding:
    """8-bit mu-law or A-law (ITU-T G.711), in half of the cases after a pass through 8 kHz."""

    narrow: float = 0.5

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        import soxr

        length = len(samples)
        narrow = rng.random() < self.narrow
        x = soxr.resample(samples, RATE, 8000) if narrow else samples
        peak = float(np.abs(x).max(initial=0.0)) or 1.0
        x = x / peak
        if rng.random() < 0.5:
            code = np.sign(x) * np.log1p(255.0 * np.abs(x)) / np.log(256.0)
            code = np.round(code * 127.0) / 127.0
            x = np.sign(code) * (np.expm1(np.abs(code) * np.log(256.0)) / 255.0)
        else:
            a = 87.6
            size = np.abs(x)
            code = np.where(size < 1 / a, a * size, 1 + np.log(np.maximum(a * size, 1.0))) / (1 + np.log(a))
            code = np.round(code * 127.0) / 127.0
            back = code * (1 + np.log(a))
            x = np.sign(x) * np.where(back < 1, back / a, np.exp(np.maximum(back - 1, 0.0)) / a)
        x = np.asarray(x * peak, dtype=np.float32)
        return fit(np.asarray(soxr.resample(x, 8000, RATE), dtype=np.float32) if narrow else x, length)


@dataclass(frozen=True)
class PacketLoss:
    """Packets of 10 to 40 ms that are lost: silent, or the last one again and fading (a plain concealment)."""

    share: tuple[float, float] = (0.01, 0.08)

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        size = int(RATE * rng.choice([0.01, 0.02, 0.04]))
        lost = np.flatnonzero(rng.random(len(samples) // size) < rng.uniform(*self.share))
        conceal = rng.random() < 0.6
        out = samples.copy()
        for packet in lost:
            start = packet * size
            if conceal and packet:
                out[start : start + size] = 0.7 * out[start - size : start]
            else:
                out[start : start + size] = 0.0
        return out
