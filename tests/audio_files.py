"""Recordings for tests, made with NumPy and PyAV's encoders: every container and codec, and every kind of damage.

Nothing here is random except by a seed that the caller gives.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]


def tone(seconds: float = 1.0, rate: int = 16_000, hertz: float = 440.0, level: float = 0.5) -> Samples:
    """A sine, shape ``(n,)``, full scale = 1."""
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def voice(seconds: float = 1.0, rate: int = 16_000, seed: int = 0, level: float = 0.3) -> Samples:
    """Something like a voice: harmonics of a gliding pitch under a syllable envelope, with a little noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitch = 120 + 40 * rng.random() + 20 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    overtones = range(1, max(2, min(20, int(rate / 2 / 200))))
    sound = sum(np.sin(k * phase + rng.random()) / k for k in overtones)
    envelope = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * time)
    out = np.asarray(sound) * envelope + 0.01 * rng.standard_normal(len(time))
    return np.asarray(level * out / np.abs(out).max())


_WAV_CODES = {"u8": (1, 8), "s16": (1, 16), "s24": (1, 24), "s32": (1, 32), "f32": (3, 32), "f64": (3, 64)}


def wav_bytes(
    samples: NDArray[np.floating], rate: int = 16_000, form: str = "s16", *, claims: dict[str, int] | None = None
) -> bytes:
    """A WAVE file written byte by byte, so that no encoder stands between the test and the truth.

    ``samples`` has shape ``(n,)`` or ``(channels, n)``; ``claims`` replaces ``rate``, ``channels`` or ``data_size`` in
    the header by something else.
    """
    rows = np.atleast_2d(samples)
    code, bits = _WAV_CODES[form]
    data = encode(rows.T.reshape(-1), form)
    told = {"rate": rate, "channels": len(rows), "data_size": len(data)} | (claims or {})
    align = told["channels"] * bits // 8
    fmt = struct.pack(
        "<HHIIHH",
        code,
        told["channels"] & 0xFFFF,
        told["rate"],
        told["rate"] * align & 0xFFFFFFFF,
        align & 0xFFFF,
        bits,
    )
    head = b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", told["data_size"])
    return b"RIFF" + struct.pack("<I", len(head) + len(data)) + head + data


def encode(flat: NDArray[np.floating], form: str) -> bytes:
    """Samples as little-endian bytes of one sample format; integers by rounding, clipped at full scale."""
    if form == "u8":
        return np.clip(np.round(flat * 128 + 128), 0, 255).astype("u1").tobytes()
    if form in ("f32", "f64"):
        return flat.astype("<f4" if form == "f32" else "<f8").tobytes()
    bits = int(form[1:])
    whole = np.clip(np.round(flat * 2.0 ** (bits - 1)), -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1).astype("<i4")
    if form == "s24":
        return whole.view("u1").reshape(-1, 4)[:, :3].tobytes()
    return whole.astype("<i2").tobytes() if form == "s16" else whole.tobytes()


@dataclass(frozen=True)
class Kind:
    """One container and codec: what FFmpeg is asked to write, and what a reader should find in it."""

    name: str
    muxer: str
    codec: str
    rate: int = 16_000
    channels: int = 2
    lossless: bool = False
    container: str = ""
    reads_as: str = ""
    slack: float = 0.12
    """How much longer or shorter than the original it may decode (s): padding that the container cannot state."""
    likeness: float = 0.97
    """Least correlation with the original at the best alignment."""


KINDS = (
    Kind("wav-8", "wav", "pcm_u8", lossless=True, likeness=0.999),
    Kind("wav-16", "wav", "pcm_s16le", lossless=True),
    Kind("wav-24", "wav", "pcm_s24le", lossless=True),
    Kind("wav-32", "wav", "pcm_s32le", lossless=True),
    Kind("wav-float", "wav", "pcm_f32le", lossless=True),
    Kind("wav-double", "wav", "pcm_f64le", lossless=True),
    Kind("wav-alaw", "wav", "pcm_alaw"),
    Kind("wav-mulaw", "wav", "pcm_mulaw"),
    Kind("wav-ima", "wav", "adpcm_ima_wav"),
    Kind("wav-g726", "wav", "g726", rate=8_000, channels=1, reads_as="adpcm_g726", likeness=0.95),
    Kind("w64", "w64", "pcm_s16le", lossless=True),
    Kind("caf", "caf", "pcm_s16be", lossless=True),
    Kind("aiff", "aiff", "pcm_s16be", lossless=True),
    Kind("au", "au", "pcm_s16be", lossless=True),
    Kind("voc", "voc", "pcm_u8", lossless=True, likeness=0.999),
    Kind("flac", "flac", "flac", lossless=True),
    Kind("ogg-flac", "ogg", "flac", lossless=True),
    Kind("alac", "ipod", "alac", lossless=True, container="m4a"),
    Kind("wavpack", "wv", "wavpack", lossless=True),
    Kind("tta", "tta", "tta", lossless=True),
    Kind("mp2", "mp2", "mp2", container="mp3", likeness=0.95),
    Kind("mp3", "mp3", "libmp3lame", reads_as="mp3"),
    Kind("mp3-44100", "mp3", "libmp3lame", rate=44_100, reads_as="mp3"),
    Kind("m4a", "ipod", "aac", container="m4a", likeness=0.95),
    Kind("adts", "adts", "aac", container="aac", likeness=0.95),
    Kind("ac3", "ac3", "ac3", rate=48_000, likeness=0.95),
    Kind("opus", "ogg", "libopus", rate=48_000, reads_as="opus", likeness=0.95),
    Kind("vorbis", "ogg", "vorbis", rate=44_100, likeness=0.9),
    Kind("webm", "webm", "libopus", rate=48_000, reads_as="opus", likeness=0.95),
    Kind("mkv", "matroska", "aac", likeness=0.95),
    Kind("mp4", "mp4", "aac", likeness=0.95),
    Kind("mov", "mov", "pcm_s16le", lossless=True),
    Kind("3gp", "3gp", "libopencore_amrnb", rate=8_000, channels=1, reads_as="amr_nb", likeness=0.45),
    Kind("amr", "amr", "libopencore_amrnb", rate=8_000, channels=1, reads_as="amr_nb", likeness=0.45),
    Kind("wma", "asf", "wmav2", rate=44_100, slack=0.2, likeness=0.9),
    Kind("avi", "avi", "libmp3lame", rate=44_100, reads_as="mp3"),
    Kind("mpegts", "mpegts", "mp2", rate=48_000, reads_as="mp3", likeness=0.9),
    Kind("flv", "flv", "libmp3lame", rate=44_100, reads_as="mp3"),
)


def write(
    kind: Kind, samples: NDArray[np.floating], *, pictures: bool = False, tags: dict[str, str] | None = None
) -> bytes:
    """Encode ``samples``, shape ``(channels, n)`` at ``kind.rate``, into the bytes of a file of this kind."""
    file = io.BytesIO()
    with av.open(file, "w", format=kind.muxer, options={"strict": "experimental"}) as container:
        container.metadata.update(tags or {})
        _encode_sound(container, kind, samples, _add_pictures(container) if pictures else None)
    return file.getvalue()


def _encode_sound(container: object, kind: Kind, samples: NDArray[np.floating], pictures: object) -> None:
    layout = {1: "mono", 2: "stereo"}[len(samples)]
    stream = container.add_stream(  # type: ignore[attr-defined]
        kind.codec, rate=kind.rate, layout=layout, options={"strict": "experimental"}
    )
    context = stream.codec_context
    if kind.codec in ("flac", "alac", "wavpack", "tta"):
        # The first format in the encoder's list would be another depth.
        context.format = "s16p" if kind.codec in ("alac", "wavpack") else "s16"
    if kind.codec == "libopencore_amrnb":
        context.bit_rate = 12_200
    elif kind.codec in ("libmp3lame", "aac", "libopus", "wmav2", "ac3", "mp2"):
        context.bit_rate = 128_000
    if pictures is not None:
        for number in range(25):
            image = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number * 10, np.uint8), format="rgb24")
            container.mux(pictures.encode(image))  # type: ignore[attr-defined]
        container.mux(pictures.encode(None))  # type: ignore[attr-defined]
    resampler = av.AudioResampler(
        format=context.format, layout=layout, rate=kind.rate, frame_size=context.frame_size or 0
    )
    source = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.astype("f8")), format="dblp", layout=layout)
    source.sample_rate, source.pts = kind.rate, 0
    for frame in [*resampler.resample(source), *resampler.resample(None)]:
        container.mux(stream.encode(frame))  # type: ignore[attr-defined]
    container.mux(stream.encode(None))  # type: ignore[attr-defined]


def _add_pictures(container: object) -> object:
    stream = container.add_stream("mpeg4", rate=25)  # type: ignore[attr-defined]
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    return stream


def silent_video() -> bytes:
    """A film of one second without a sound track (mp4)."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = _add_pictures(container)
        for _ in range(25):
            image = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(image))  # type: ignore[attr-defined]
        container.mux(stream.encode(None))  # type: ignore[attr-defined]
    return file.getvalue()


def can_write(kind: Kind) -> bool:
    """Whether this build of FFmpeg has the encoder."""
    try:
        av.Codec(kind.codec, "w")
    except (ValueError, av.FFmpegError):
        return False
    return True
