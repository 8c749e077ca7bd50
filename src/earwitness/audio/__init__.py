"""Recordings in any container and codec that FFmpeg knows become mono 16 kHz float32 samples with their source's facts.

Importing this package imports NumPy at most; FFmpeg (PyAV) and the resampler (soxr) are imported when a recording is
first opened.

Examples
--------
>>> from earwitness.audio import SAMPLE_RATE, decode
>>> SAMPLE_RATE
16000
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

SAMPLE_RATE = 16_000

_PUBLIC = {
    "Audio": "earwitness.audio.decode",
    "AudioStream": "earwitness.audio.decode",
    "ChannelLevels": "earwitness.audio.levels",
    "Source": "earwitness.audio.source",
    "channel_name": "earwitness.audio.levels",
    "decode": "earwitness.audio.decode",
    "open_audio": "earwitness.audio.decode",
}

__all__ = [*_PUBLIC, "SAMPLE_RATE"]

if TYPE_CHECKING:
    from earwitness.audio.decode import Audio as Audio
    from earwitness.audio.decode import AudioStream as AudioStream
    from earwitness.audio.decode import decode as decode
    from earwitness.audio.decode import open_audio as open_audio
    from earwitness.audio.levels import ChannelLevels as ChannelLevels
    from earwitness.audio.levels import channel_name as channel_name
    from earwitness.audio.source import Source as Source


def __getattr__(name: str) -> Any:
    try:
        module = _PUBLIC[name]
    except KeyError:
        raise AttributeError(f"module 'earwitness.audio' has no attribute {name!r}") from None
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted(__all__)
