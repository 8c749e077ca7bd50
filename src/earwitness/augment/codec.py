"""Real lossy codecs at drawn bit rates, through FFmpeg's own encoders and decoders."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from earwitness.augment.signals import RATE, Samples, fit

RATES: dict[str, tuple[str, int, tuple[float, ...]]] = {
    "mp3": ("mp3", 16_000, (24, 32, 40, 48, 64, 96, 128)),
    "mp3-44k": ("mp3", 44_100, (48, 64, 96, 128, 192)),
    "aac": ("adts", 16_000, (16, 24, 32, 48, 64)),
    "aac-44k": ("adts", 44_100, (32, 48, 64, 96, 128)),
    "opus": ("ogg", 48_000, (10, 12, 16, 24, 32, 48, 64)),
    "vorbis": ("ogg", 44_100, (48, 64, 96)),
    "mp2": ("mp2", 16_000, (32, 48, 64)),
    "wma": ("asf", 44_100, (32, 48, 64, 96)),
    "g722": ("wav", 16_000, (64,)),
    "amr-nb": ("amr", 8_000, (4.75, 5.9, 7.95, 10.2, 12.2)),
}
"""Codec to container, sampling rate and bit rates in kbit/s."""

LOSSLESS = {"wav": "wav", "flac": "flac", "alac": "ipod"}
"""Codec to container of what loses nothing but 16-bit rounding."""

_ENCODERS = {
    "wav": "pcm_s16le",
    "flac": "flac",
    "alac": "alac",
    "mp3": "libmp3lame",
    "aac": "aac",
    "opus": "libopus",
    "vorbis": "vorbis",
    "mp2": "mp2",
    "wma": "wmav2",
    "g722": "g722",
    "amr-nb": "libopencore_amrnb",
}


def through_codec(samples: Samples, codec: str, kbit: float) -> Samples:
    """``samples`` encoded and decoded, of the same length; most decoders take the encoder's delay away, some leave it.

    Parameters
    ----------
    samples:
        Float32 mono at 16 kHz in [-1, 1].
    codec:
        A key of :data:`RATES`.
    kbit:
        Bit rate in kbit/s.
    """
    import soxr

    decoded, decoded_rate = _decode(io.BytesIO(encoded(samples, codec, kbit)))
    if decoded_rate != RATE:
        decoded = soxr.resample(decoded, decoded_rate, RATE)
    return fit(np.asarray(decoded, dtype=np.float32), len(samples))


def encoded(samples: Samples, codec: str, kbit: float = 0.0, *, rate: int | None = None) -> bytes:
    """The file that ``samples`` become in a codec.

    Parameters
    ----------
    samples:
        Float32 mono at 16 kHz in [-1, 1].
    codec:
        A key of :data:`RATES` or of :data:`LOSSLESS`.
    kbit:
        Bit rate in kbit/s; 0 for a lossless codec.
    rate:
        Sampling rate of the file in place of the codec's own.

    Examples
    --------
    >>> encoded(np.zeros(1600, dtype=np.float32), "flac")[:4]
    b'fLaC'
    """
    import soxr

    container, own, _ = RATES[codec] if codec in RATES else (LOSSLESS[codec], RATE, ())
    target = rate or own
    name = codec if codec in _ENCODERS else codec.partition("-")[0]
    source = np.asarray(soxr.resample(samples, RATE, target) if target != RATE else samples, dtype=np.float32)
    return _encode(np.clip(source, -1.0, 1.0) if codec in LOSSLESS else source, target, name, container, kbit)


def _encode(source: Samples, rate: int, name: str, container: str, kbit: float) -> bytes:
    import av

    memory = io.BytesIO()
    with av.open(memory, "w", format=container) as out:
        # FFmpeg's own Vorbis encoder is marked experimental and knows stereo only
        layout = "stereo" if name == "vorbis" else "mono"
        stream: Any = out.add_stream(_ENCODERS[name], rate=rate, layout=layout, options={"strict": "experimental"})
        if kbit:
            stream.bit_rate = round(kbit * 1000)
        planes = np.ascontiguousarray(np.repeat(source[None], 2 if name == "vorbis" else 1, axis=0))
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    return memory.getvalue()


def _decode(memory: io.BytesIO) -> tuple[Samples, int]:
    import av

    with av.open(memory, "r") as back:
        rate = back.streams.audio[0].rate
        to_float = av.AudioResampler("fltp", "mono", rate)
        frames = [g for f in back.decode(audio=0) for g in to_float.resample(f)]
    return np.concatenate([f.to_ndarray()[0] for f in [*frames, *to_float.resample(None)]]), rate


@dataclass(frozen=True)
class Codec:
    """One pass, sometimes two, through a drawn codec at a drawn bit rate."""

    codecs: tuple[str, ...] = tuple(RATES)
    twice: float = 0.15

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        for _ in range(2 if rng.random() < self.twice else 1):
            codec = str(rng.choice(self.codecs))
            samples = through_codec(samples, codec, float(rng.choice(RATES[codec][2])))
        return samples
