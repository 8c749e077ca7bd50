"""Sound that is still being made: raw PCM from a line or a browser, or a container on a pipe, becomes 16 kHz blocks.

- :class:`PcmAudio` is pushed bytes in whatever pieces they arrive; no native decoder stands behind it.
- :class:`PipeAudio` pulls from a pipe what FFmpeg can read forward: WebM/Opus, Ogg, wav, mp3, flac and others.

Both give the samples that :func:`~earwitness.audio.open_audio` gives for a file of the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from earwitness.audio.container import RATES
from earwitness.audio.decode import AudioStream, Block
from earwitness.audio.levels import ChannelLevels, LevelMeter
from earwitness.audio.resample import Resampler
from earwitness.audio.source import Pipe, Source
from earwitness.errors import AudioError

PIECE = 4096
"""Samples at the source's own rate that :class:`PipeAudio` hands out at a time: 85 ms at 48 kHz."""


@dataclass(frozen=True)
class PcmFormat:
    """One way to write samples as bytes: bytes of one, FFmpeg's name, its long name, and how to read it."""

    width: int
    codec: str
    codec_long: str
    bits: int


FORMATS = {
    "pcm16": PcmFormat(2, "pcm_s16le", "PCM signed 16-bit little-endian", 16),
    "mulaw": PcmFormat(1, "pcm_mulaw", "PCM mu-law / G.711 mu-law", 8),
}
"""What :class:`PcmAudio` reads: 16-bit signed integers, little-endian, and mu-law (ITU-T G.711)."""


def _mulaw_table() -> NDArray[np.float32]:
    """The 256 values of ITU-T G.711 mu-law, table 2a/b, as FFmpeg scales them: 14 bits shifted to 16."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return (np.where(code & 0x80, -magnitude, magnitude) / 32768.0).astype(np.float32)


_MULAW = _mulaw_table()


class PcmAudio:
    """Mono PCM bytes, in pieces of any size, as blocks of 16 kHz samples; memory does not grow.

    Parameters
    ----------
    form:
        A name in :data:`FORMATS`.
    rate:
        Hz.
    path:
        What to call it in a verdict.

    Raises
    ------
    AudioError
        ``unknown-format`` for another format, ``absurd-header`` for a rate that no recording has.

    Examples
    --------
    >>> audio = PcmAudio("pcm16", 8000)
    >>> blocks = [audio.push(bytes(8001)), audio.push(bytes(7999)), audio.finish()]
    >>> sum(len(b) for b in blocks), audio.source.duration, audio.source.size
    (16000, 1.0, 16000)
    """

    def __init__(self, form: str, rate: int, path: str = "<stream>") -> None:
        if form not in FORMATS:
            raise AudioError(
                f"{path}: the format {form!r} is not known", hint=f"one of {', '.join(FORMATS)}", code="unknown-format"
            )
        if not RATES[0] <= rate <= RATES[1]:
            raise AudioError(
                f"{path}: a rate of {rate} Hz", hint=f"{RATES[0]} to {RATES[1]} Hz are read", code="absurd-header"
            )
        self._form, self._rate, self._path = FORMATS[form], rate, path
        self._resampler, self._meter = Resampler(rate), LevelMeter(1)
        self._rest, self._size, self._digest = b"", 0, hashlib.sha256()

    @property
    def seconds(self) -> float:
        """Seconds pushed so far."""
        return self._meter.samples / self._rate

    @property
    def levels(self) -> ChannelLevels:
        """Levels of what was pushed so far, at the source's own rate."""
        return self._meter.levels()

    @property
    def warnings(self) -> list[str]:
        """What a listener should know."""
        return [f"the last sample is incomplete: {len(self._rest)} byte was left out"] if self._rest else []

    @property
    def source(self) -> Source:
        """The facts so far; ``sha256`` is that of the bytes as they came."""
        form = self._form
        return Source(
            path=self._path,
            name=self._path,
            size=self._size,
            sha256=self._digest.hexdigest(),
            container="stream",
            codec=form.codec,
            codec_long=form.codec_long,
            rate=self._rate,
            channels=1,
            bit_depth=form.bits,
            bit_rate=8 * form.width * self._rate,
            duration=self.seconds,
        )

    def push(self, data: bytes) -> Block:
        """The 16 kHz samples that ``data`` completes, shape (n,), maybe none."""
        self._size += len(data)
        self._digest.update(data)
        data = self._rest + data
        whole = len(data) - len(data) % self._form.width
        data, self._rest = data[:whole], data[whole:]
        if not data:
            return np.zeros(0, np.float32)
        if self._form.width == 1:
            samples = _MULAW[np.frombuffer(data, np.uint8)]
        else:
            samples = np.frombuffer(data, "<i2").astype(np.float32) * np.float32(1 / 32768)
        self._meter.push(samples[None])
        return self._resampler.push(samples)

    def finish(self) -> Block:
        """The last samples; nothing may be pushed afterwards."""
        return self._resampler.flush() if self._meter.samples else np.zeros(0, np.float32)


class PipeAudio:
    """A container that comes through a pipe, as blocks of 16 kHz mono samples, each as soon as it is decoded.

    Iterate it once; opening and every step wait for bytes. ``source``, ``levels`` and ``warnings`` are complete after
    the last block.

    Parameters
    ----------
    file:
        An open binary file; it stays open.
    path:
        What to call it.
    only:
        Demuxers and decoders that may be tried, as for :class:`~earwitness.audio.source.Pipe`.

    Raises
    ------
    AudioError
        On opening as :func:`~earwitness.audio.container.open_pipe`; while reading as :class:`AudioStream`.
    """

    def __init__(self, file: BinaryIO, path: str = "<stream>", *, only: tuple[str, str] | None = None) -> None:
        self._pipe = Pipe(file, path, only=only)
        self._stream = AudioStream(self._pipe, piece=PIECE)

    @property
    def source(self) -> Source:
        """The facts so far."""
        return replace(self._stream.source, size=self._pipe.size, sha256=self._pipe.sha256())

    @property
    def levels(self) -> ChannelLevels:
        """Levels of all channels so far."""
        return self._stream.levels

    @property
    def warnings(self) -> list[str]:
        """What a listener should know, complete after the last block."""
        split = ["the channels differ, but only their average was heard; scan the recording to hear each"]
        return self._stream.warnings + (split if self.levels.split else [])

    def __iter__(self) -> Iterator[Block]:
        return self._stream.pieces()

    def close(self) -> None:
        """Free the decoder; safe to call twice."""
        self._stream.close()

    def __enter__(self) -> PipeAudio:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
