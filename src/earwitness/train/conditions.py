"""The conditions that dev is passed through to measure error rates on audio like a user's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from earwitness.augment.channel import Band, Companding
from earwitness.augment.codec import through_codec
from earwitness.augment.noise import ColouredNoise
from earwitness.augment.signals import RATE, Samples

Change = Callable[[Samples, np.random.Generator], Samples]


@dataclass(frozen=True)
class Condition:
    """What is done to a clip, and the codec family that it then counts as."""

    name: str
    codec: str
    change: Change


def _as_is(samples: Samples, rng: np.random.Generator) -> Samples:  # noqa: ARG001
    return samples


def _coded(codec: str, kbit: float) -> Change:
    def change(samples: Samples, rng: np.random.Generator) -> Samples:  # noqa: ARG001
        return through_codec(samples, codec, kbit)

    return change


def _noisy(snr_db: float) -> Change:
    return ColouredNoise(snr_db=(snr_db, snr_db), slope=(0.0, 1.5), hum=0.0)


def _crop(seconds: float) -> Change:
    def change(samples: Samples, rng: np.random.Generator) -> Samples:
        length = int(seconds * RATE)
        start = int(rng.integers(0, max(1, len(samples) - length)))
        return samples[start : start + length]

    return change


def _telephone(samples: Samples, rng: np.random.Generator) -> Samples:
    narrow = Band(telephone=1.0)(samples, rng)
    return Companding(narrow=1.0)(narrow, rng)


CONDITIONS: dict[str, Condition] = {
    c.name: c
    for c in (
        Condition("as it is", "opus/vorbis", _as_is),
        Condition("mp3 64 kbit/s", "mp3/aac", _coded("mp3-44k", 64)),
        Condition("aac 48 kbit/s", "mp3/aac", _coded("aac", 48)),
        Condition("opus 16 kbit/s", "opus/vorbis", _coded("opus", 16)),
        Condition("telephone", "telephone", _telephone),
        Condition("noise 15 dB", "opus/vorbis", _noisy(15.0)),
        Condition("noise 5 dB", "opus/vorbis", _noisy(5.0)),
        Condition("1.5 s of it", "opus/vorbis", _crop(1.5)),
    )
}
"""Name to condition. The corpus itself is Opus, so a clip that went through nothing counts as that."""
