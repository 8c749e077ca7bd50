"""Conditions: one thing each that happens to a recording on its way, for measuring what it costs a detector.

A condition changes samples, or says in which file they arrive, or both. What is drawn depends on (seed, condition,
clip) alone. ``benign`` is what hardly anyone would call a change; ``harsh`` is what takes evidence away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from earwitness.augment.background import Background
from earwitness.augment.channel import Band, Companding
from earwitness.augment.codec import encoded, through_codec
from earwitness.augment.noise import ColouredNoise
from earwitness.augment.room import Room
from earwitness.augment.signals import RATE, Samples, clip_seed, coloured_noise

Change = Callable[[Samples, np.random.Generator], Samples]
AS_IS = "as it is"
_FRAME = RATE // 50

SUFFIXES = {"mp3": "mp3", "aac": "aac", "opus": "opus", "amr": "amr", "alac": "m4a", "wav": "wav", "flac": "flac"}


def as_is(samples: Samples, rng: np.random.Generator) -> Samples:  # noqa: ARG001
    """Nothing happens."""
    return samples


@dataclass(frozen=True)
class Condition:
    """One thing that happens to a clip.

    Parameters
    ----------
    name:
        In tables.
    codec:
        The codec family (see :mod:`earwitness.error_cells`) that the clip then counts as.
    change:
        What is done to the samples.
    group:
        ``plain``, ``benign`` or ``harsh``.
    form:
        Codec of the file (a key of :data:`~earwitness.augment.codec.RATES` or
        :data:`~earwitness.augment.codec.LOSSLESS`) and its bit rate in kbit/s, 0 for lossless.
    rate:
        Sampling rate of the file where it is not the codec's own.

    Examples
    --------
    >>> ROBUSTNESS["level -20 dB"].samples(np.ones(3, dtype=np.float32), seed=1, clip="a").tolist()
    [0.10000000149011612, 0.10000000149011612, 0.10000000149011612]
    """

    name: str
    codec: str
    change: Change = as_is
    group: str = "harsh"
    form: tuple[str, float] = ("wav", 0.0)
    rate: int | None = None

    def _changed(self, samples: Samples, seed: int, clip: str) -> Samples:
        words = [*clip_seed(seed, 0, clip), *self.name.encode()]
        return np.ascontiguousarray(self.change(samples, np.random.default_rng(words)), dtype=np.float32)

    def samples(self, samples: Samples, *, seed: int, clip: str) -> Samples:
        """The clip after the condition as samples at 16 kHz, the codec included."""
        changed = self._changed(samples, seed, clip)
        return through_codec(changed, *self.form) if self.form[1] else changed

    def file(self, samples: Samples, *, seed: int, clip: str) -> tuple[bytes, str]:
        """The clip after the condition as a file, and the ending of its name."""
        content = encoded(self._changed(samples, seed, clip), *self.form, rate=self.rate)
        return content, SUFFIXES[self.form[0].partition("-")[0]]


def noisy(snr_db: float) -> Change:
    """White to brown noise at a fixed signal-to-noise ratio."""
    return ColouredNoise(snr_db=(snr_db, snr_db), slope=(0.0, 1.5), hum=0.0)


def musical(snr_db: float) -> Change:
    """Drawn music, made by code, behind the speech at a fixed ratio of speech to music."""
    return Background(kinds=("music",), snr_db=(snr_db, snr_db))


def crop(seconds: float) -> Change:
    """A stretch of this length from a drawn place; shorter clips stay whole."""

    def change(samples: Samples, rng: np.random.Generator) -> Samples:
        length = int(seconds * RATE)
        start = int(rng.integers(0, max(1, len(samples) - length)))
        return samples[start : start + length]

    return change


def telephone(samples: Samples, rng: np.random.Generator) -> Samples:
    """The telephone band and 8-bit companding at 8 kHz."""
    narrow = Band(telephone=1.0)(samples, rng)
    return Companding(narrow=1.0)(narrow, rng)


def level(db: float) -> Change:
    """A fixed gain."""

    def change(samples: Samples, rng: np.random.Generator) -> Samples:  # noqa: ARG001
        return samples * np.float32(10.0 ** (db / 20.0))

    return change


def _frame_levels(samples: Samples) -> np.ndarray:
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    return np.asarray(np.sqrt(np.mean(np.square(frames, dtype=np.float64), axis=1) + 1e-14))


def more_silence(samples: Samples, rng: np.random.Generator) -> Samples:
    """Half a second of room tone before and behind, as loud as the quietest tenth of the clip."""
    if len(samples) < 2 * _FRAME:
        return samples
    floor = float(np.quantile(_frame_levels(samples), 0.1))
    before, behind = (coloured_noise(RATE // 2, 1.0, rng) * np.float32(floor) for _ in range(2))
    return np.concatenate([before, samples, behind])


def less_silence(samples: Samples, rng: np.random.Generator) -> Samples:  # noqa: ARG001
    """Up to half a second of quiet cut from either end: frames 40 dB under the loudest."""
    if len(samples) < 2 * _FRAME:
        return samples
    found = _frame_levels(samples)
    loud = np.flatnonzero(found > found.max() * 0.01)
    start = min(int(loud[0]) * _FRAME, RATE // 2)
    end = max((int(loud[-1]) + 1) * _FRAME, len(samples) - RATE // 2)
    return samples[start:end]


def speed(factor: float) -> Change:
    """Tempo and pitch together, as a tape does; the length changes with it."""

    def change(samples: Samples, rng: np.random.Generator) -> Samples:  # noqa: ARG001
        import soxr

        return np.asarray(soxr.resample(samples, RATE * factor, RATE), dtype=np.float32)

    return change


def room(rt60: float) -> Change:
    """A room of this decay time in seconds, direct sound 3 dB over the reverberation."""
    return Room(rt60=(rt60, rt60), drr_db=(3.0, 3.0))


def _coded(name: str, family: str, codec: str, kbit: float, group: str) -> Condition:
    return Condition(name, family, group=group, form=(codec, kbit))


ROBUSTNESS: dict[str, Condition] = {
    c.name: c
    for c in (
        Condition(AS_IS, "", group="plain"),
        Condition("flac", "lossless", group="benign", form=("flac", 0.0)),
        Condition("alac in m4a", "lossless", group="benign", form=("alac", 0.0)),
        Condition("level -10 dB", "lossless", level(-10.0), "benign"),
        Condition("level -20 dB", "lossless", level(-20.0), "benign"),
        Condition("through 24 kHz", "lossless", group="benign", rate=24_000),
        Condition("through 44.1 kHz", "lossless", group="benign", rate=44_100),
        Condition("through 48 kHz", "lossless", group="benign", rate=48_000),
        _coded("mp3 64 kbit/s", "mp3/aac", "mp3-44k", 64, "benign"),
        _coded("mp3 128 kbit/s", "mp3/aac", "mp3-44k", 128, "benign"),
        _coded("aac 64 kbit/s", "mp3/aac", "aac-44k", 64, "benign"),
        _coded("aac 128 kbit/s", "mp3/aac", "aac-44k", 128, "benign"),
        _coded("opus 64 kbit/s", "opus/vorbis", "opus", 64, "benign"),
        Condition("0.5 s more silence", "lossless", more_silence, "benign"),
        Condition("0.5 s less silence", "lossless", less_silence, "benign"),
        Condition("noise 20 dB", "lossless", noisy(20.0), "benign"),
        Condition("telephone", "telephone", telephone),
        Condition("noise 10 dB", "lossless", noisy(10.0)),
        Condition("noise 5 dB", "lossless", noisy(5.0)),
        Condition("music 20 dB", "lossless", musical(20.0)),
        Condition("music 10 dB", "lossless", musical(10.0)),
        Condition("room 0.4 s", "lossless", room(0.4)),
        Condition("room 0.8 s", "lossless", room(0.8)),
        Condition("speed +5 %", "lossless", speed(1.05)),
        Condition("speed -5 %", "lossless", speed(0.95)),
        _coded("mp3 32 kbit/s", "mp3/aac", "mp3", 32, "harsh"),
        _coded("aac 24 kbit/s", "mp3/aac", "aac", 24, "harsh"),
        _coded("opus 12 kbit/s", "opus/vorbis", "opus", 12, "harsh"),
        _coded("amr-nb 7.95 kbit/s", "telephone", "amr-nb", 7.95, "harsh"),
        Condition("2 s of it", "lossless", crop(2.0)),
        Condition("1 s of it", "lossless", crop(1.0)),
    )
}
"""The conditions of ``earwitness robustness``, by name; the first is the recording as it came."""
