"""Silence and cuts: how long it is quiet before, after and inside speech, and where it is cut, must tell nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earwitness.augment.signals import RATE, Samples, coloured_noise, fit


@dataclass(frozen=True)
class Silence:
    """Quiet edges cut off, or a stretch of quiet put in before, behind or within; the law is the same for both labels.

    Parameters
    ----------
    below_db:
        Edges quieter than this, relative to the loudest 20 ms, are cut.
    seconds:
        Range of the stretch that is put in.
    floor_db:
        Range of its level relative to the loudest 20 ms; it is coloured noise, in one case of four digital silence.
    """

    below_db: float = -40.0
    seconds: tuple[float, float] = (0.05, 0.8)
    floor_db: tuple[float, float] = (-75.0, -45.0)

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        length, frame = len(samples), RATE // 50
        if length < 4 * frame:
            return samples
        frames = samples[: length // frame * frame].reshape(-1, frame)
        level = np.sqrt(np.mean(np.square(frames), axis=1) + 1e-12)
        loudest = float(level.max())
        if rng.random() < 0.5:
            loud = np.flatnonzero(level > loudest * 10.0 ** (self.below_db / 20.0))
            return fit(samples[loud[0] * frame : (loud[-1] + 1) * frame], length)
        count = int(rng.uniform(*self.seconds) * RATE)
        quiet = np.zeros(count, dtype=np.float32)
        if rng.random() < 0.75:
            scale = loudest * 10.0 ** (rng.uniform(*self.floor_db) / 20.0)
            quiet = coloured_noise(count, rng.uniform(0, 1.5), rng) * np.float32(scale)
        cut = int(rng.choice([0, length, int(np.argmin(level)) * frame]))
        joined = np.concatenate([samples[:cut], quiet, samples[cut:]])
        start = int(rng.integers(0, count + 1))
        return fit(joined[start:], length)


@dataclass(frozen=True)
class Splice:
    """The clip cut into pieces that are joined in another order, with a short fade over each cut.

    Parameters
    ----------
    pieces:
        Range of their number.
    fade:
        Seconds over which one piece passes into the next; 0 leaves hard cuts.
    """

    pieces: tuple[int, int] = (2, 4)
    fade: float = 0.005

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        count = int(rng.integers(self.pieces[0], self.pieces[1] + 1))
        fade = int(self.fade * RATE)
        if len(samples) < 4 * count * max(fade, 1):
            return samples
        cuts = np.sort(rng.choice(np.arange(2 * fade + 1, len(samples) - 2 * fade), count - 1, replace=False))
        parts = [part for part in np.split(samples, cuts) if len(part) > 2 * fade]
        order = rng.permutation(len(parts))
        ramp = np.linspace(0, 1, fade, dtype=np.float32)
        out = parts[order[0]].copy()
        for place in order[1:]:
            after = parts[place].copy()
            if fade:
                after[:fade] = ramp * after[:fade] + (1 - ramp) * out[-fade:]
                out = out[:-fade]
            out = np.concatenate([out, after])
        return fit(out, len(samples))
