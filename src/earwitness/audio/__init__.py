"""Recordings in any container and codec that FFmpeg knows become mono 16 kHz float32 samples with their source's facts.

Importing this package imports NumPy and no other library; FFmpeg (PyAV) and the resampler (soxr) are imported when a
recording is first opened.

Examples
--------
>>> from earwitness.audio import SAMPLE_RATE, decode
>>> SAMPLE_RATE
16000
"""

SAMPLE_RATE = 16_000
"""The one rate inside, in Hz; it stands above the imports because they need it."""

# Not lazy: the function decode has to take the place of the module decode, whichever is asked for first.
from earwitness.audio.decode import Audio, AudioStream, decode, open_audio  # noqa: E402
from earwitness.audio.levels import ChannelLevels, channel_name  # noqa: E402
from earwitness.audio.source import Source  # noqa: E402

__all__ = [
    "SAMPLE_RATE",
    "Audio",
    "AudioStream",
    "ChannelLevels",
    "Source",
    "channel_name",
    "decode",
    "open_audio",
]
