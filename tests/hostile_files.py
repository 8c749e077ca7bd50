"""Files that someone might send to a service to hurt it, each with the answer that it gets.

Nothing here is taken from elsewhere; all of it is made from NumPy, PyAV and bytes.
"""

from __future__ import annotations

import gzip
import io
import math
import zipfile
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from audio_files import Kind, silent_video, tone, voice, wav_bytes, write

SECRET = "/etc/passwd"
#: what the tests let a recording play for at most
MOST_SECONDS = 120.0


class Hostile(NamedTuple):
    """A file, the status of the answer to it, and the error code (None = a verdict, and it must be inconclusive)."""

    make: Callable[[], bytes]
    status: int
    code: str | None


def _noise(size: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).bytes(size)


@cache
def bomb() -> bytes:
    """Twenty minutes of silence in a few kilobytes of FLAC."""
    return write(Kind("flac", "flac", "flac", rate=8_000), np.zeros((1, 20 * 60 * 8_000)))


@cache
def endless() -> bytes:
    """Five minutes in a stream that does not say how long it is (ADTS)."""
    return write(Kind("adts", "adts", "aac", rate=8_000), np.zeros((1, 5 * 60 * 8_000)))


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("a.wav", bytes(10 << 20))
    return file.getvalue()


def _text(text: str) -> Callable[[], bytes]:
    return lambda: text.encode()


def _after(magic: bytes, size: int = 20_000) -> Callable[[], bytes]:
    return lambda: magic + _noise(size)


def _id3() -> bytes:
    return b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + _noise(5000)


def _wav(**claims: int) -> Callable[[], bytes]:
    return lambda: wav_bytes(voice(1.0), claims=claims)


FILES: dict[str, Hostile] = {
    "empty": Hostile(lambda: b"", 422, "empty-file"),
    "one byte": Hostile(lambda: b"R", 422, "not-audio"),
    "text": Hostile(_text("This is no recording.\n" * 50), 422, "not-audio"),
    "a megabyte of zeros": Hostile(lambda: bytes(1 << 20), 422, "not-audio"),
    "random bytes": Hostile(lambda: _noise(50_000, 3), 422, "not-audio"),
    "zip bomb": Hostile(_zip, 422, "not-audio"),
    "gzip bomb": Hostile(lambda: gzip.compress(bytes(10 << 20)), 422, "not-audio"),
    "page with a script": Hostile(_text("<script>alert(1)</script>" * 20), 422, "not-audio"),
    "shell script": Hostile(_text("#!/bin/sh\nrm -rf /\n"), 422, "not-audio"),
    "playlist of a local file": Hostile(_text(f"#EXTM3U\n#EXTINF:10,\nfile://{SECRET}\n"), 422, "not-audio"),
    "playlist of an address": Hostile(_text("#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:{port}/a.ts\n"), 422, "not-audio"),
    "concat script": Hostile(_text(f"ffconcat version 1.0\nfile {SECRET}\n"), 422, "not-audio"),
    "session description": Hostile(
        _text("v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio {port} RTP/AVP 0\n"), 422, "not-audio"
    ),
    "picture address": Hostile(
        _text('<svg xmlns:xlink="x"><image xlink:href="http://127.0.0.1:{port}/"/></svg>'), 422, "not-audio"
    ),
    "RIFF, then noise": Hostile(_after(b"RIFF\xff\xff\xff\xffWAVE"), 422, "truncated"),
    "fLaC, then noise": Hostile(_after(b"fLaC"), 422, "truncated"),
    "OggS, then noise": Hostile(_after(b"OggS"), 422, "truncated"),
    "Matroska, then noise": Hostile(_after(b"\x1aE\xdf\xa3"), 422, "truncated"),
    "ftyp, then noise": Hostile(_after(b"\x00\x00\x00\x20ftypM4A "), 422, "truncated"),
    "a tag of 256 MiB": Hostile(_id3, 422, "not-audio"),
    "header only": Hostile(lambda: wav_bytes(voice(1.0))[:30], 422, "truncated"),
    "no samples": Hostile(lambda: wav_bytes(np.zeros(0)), 422, "no-samples"),
    "1 Hz": Hostile(_wav(rate=1), 422, "absurd-header"),
    "10 MHz": Hostile(_wav(rate=10_000_000), 422, "absurd-header"),
    "300 channels": Hostile(_wav(channels=300), 422, "absurd-header"),
    "video without sound": Hostile(silent_video, 422, "no-audio-stream"),
    "no number finite": Hostile(lambda: wav_bytes(np.full(32_000, math.nan), form="f32"), 422, "non-finite"),
    "too long, and says so": Hostile(bomb, 413, "too-long"),
    "too long, and does not say so": Hostile(endless, 413, "too-long"),
    "claims 4 GB": Hostile(_wav(data_size=0xFFFF_FF00), 200, None),
    "silence": Hostile(lambda: wav_bytes(np.zeros(64_000)), 200, None),
    "a single sample": Hostile(lambda: wav_bytes(np.ones(1) * 0.5), 200, None),
    "noise": Hostile(lambda: wav_bytes(0.1 * np.random.default_rng(0).standard_normal(96_000)), 200, None),
    "a tone": Hostile(lambda: wav_bytes(tone(6.0)), 200, None),
    "infinities": Hostile(
        lambda: wav_bytes(np.where(np.arange(64_000) % 7 == 0, math.inf, 0.0), form="f32"), 200, None
    ),
    "sixty channels": Hostile(lambda: wav_bytes(np.zeros((60, 16_000)), rate=8_000), 200, None),
}

#: names for recordings that would do harm if they were used as paths, shown raw, or kept whole -> how they are shown
NAMES: dict[str, str] = {
    "../../etc/passwd": "passwd",
    "/etc/passwd": "passwd",
    "..\\..\\boot.ini": "boot.ini",
    "file:///etc/passwd": "passwd",
    "http://127.0.0.1/a.wav": "a.wav",
    "<script>alert(1)": "<script>alert(1)",
    "a\u202egnp.wav": "a\ufffdgnp.wav",
    "-rf": "-rf",
    "|id": "|id",
    "x" * 3000: "x" * 255,
    "..": "..",
    "": "recording",
}
