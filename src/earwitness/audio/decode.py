"""The one decoder: a recording in any container and codec becomes mono 16 kHz float32, whole or block by block.

What is decided here, once, for training and for scanning alike:

- FFmpeg (through PyAV) decodes; the delay and padding that a file states (mp3 with LAME's tag, AAC in mp4, Opus,
  Vorbis) are cut off by FFmpeg, what is not stated stays.
- Channels are averaged at the recording's own rate, with equal weight, then soxr (HQ) resamples to 16 kHz.
- Samples are not normalised and not clipped: a float or lossy recording may exceed 1 slightly.
- Samples that are not finite become 0 with a warning that counts them.
- Gaps and overlaps in time stamps are ignored: what decodes is joined, so positions are positions in the decoded sound.
- Packets that do not decode are left out with a warning; a recording that ends too early is read as far as it goes.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from earwitness.audio import SAMPLE_RATE
from earwitness.audio.container import Opened, open_container, open_pipe
from earwitness.audio.frames import BLOCK, Faults, Layout, blocks
from earwitness.audio.levels import ChannelLevels, LevelMeter, channel_name
from earwitness.audio.resample import Resampler
from earwitness.audio.source import ByteFile, Pipe, Source
from earwitness.errors import AudioError

Block = NDArray[np.float32]

Recording = str | os.PathLike[str] | bytes | BinaryIO
"""A path, the bytes of a file, or an open binary file (one that cannot seek is stored first, up to 2 GiB)."""

BLOCK_SECONDS = 10
"""Length of the blocks that :class:`AudioStream` hands out; the last one is shorter."""

MAX_HOURS = 100
"""Decoding stops here with a warning: a small hostile file can unfold into years of silence."""

MAX_WHOLE_HOURS = 12
"""The most that :func:`decode` holds in memory (2.8 GB); longer recordings are read with :func:`open_audio`."""


_CHANGES_NAMED = 3


@dataclass
class Audio:
    """A whole recording in memory.

    Attributes
    ----------
    samples:
        float32, shape ``(n,)``, mono, 16 kHz, full scale = 1.
    source:
        The facts of the file it came from.
    warnings:
        What a listener should know: bad packets, a cut-off end, values that were no numbers. One sentence each.
    channel:
        The name of the channel if one was asked for, else None: the average.
    levels:
        Levels of all channels, measured before averaging.
    """

    samples: Block
    source: Source
    warnings: list[str] = field(default_factory=list)
    channel: str | None = None
    levels: ChannelLevels = field(default_factory=lambda: LevelMeter(1).levels())

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE


class AudioStream:
    """A recording read in blocks of 10 s (the last one shorter), float32 mono 16 kHz, in memory that does not grow.

    Iterate it once. ``source`` has the header's length until the last block and the decoded one after it;
    ``warnings`` and ``levels`` are complete after the last block. Close it, or use it in a ``with`` statement.

    Raises
    ------
    AudioError
        On opening as :func:`open_audio`; while reading ``no-samples``, ``non-finite`` or ``unreadable``.
    """

    def __init__(
        self, data: ByteFile | Pipe, *, channel: int | None = None, owned: bool = True, piece: int = BLOCK
    ) -> None:
        self._data, self._owned, self._channel, self._piece = data, owned, channel, piece
        self._opened: Opened = open_pipe(data) if isinstance(data, Pipe) else open_container(data)
        self.source: Source = self._opened.source
        self.warnings: list[str] = []
        self._faults = Faults()
        self._meters: dict[int, LevelMeter] = {}
        self._changes: list[str] = []
        self._seconds = 0.0
        self._whole = True
        self._layout: Layout | None = None
        self._reading: Generator[Block, None, None] = self._read()
        if channel is not None and self.source.channels and not 0 <= channel < self.source.channels:
            count = self.source.channels
            self.close()
            raise AudioError(
                f"{self.source.path}: there is no channel {channel}",
                hint=f"it has {count}, counted from 0",
                code="no-such-channel",
            )

    @property
    def levels(self) -> ChannelLevels:
        """Levels of what has been read so far; where the number of channels changes, of the most frequent number."""
        return max(self._meters.values(), key=lambda meter: meter.samples, default=LevelMeter(1)).levels()

    @property
    def channel(self) -> str | None:
        """The name of the channel that was asked for, None for the average."""
        return None if self._channel is None else channel_name(self._channel, self.source.channels)

    def again(self, channel: int | None = None) -> AudioStream:
        """The same recording from its start, say one channel of it, also where the first reading used up a pipe.

        It must be used up before this stream is closed.
        """
        return AudioStream(self._data, channel=channel, owned=False)

    def __iter__(self) -> Iterator[Block]:
        return self

    def __next__(self) -> Block:
        return next(self._reading)

    def __enter__(self) -> AudioStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the decoder and the file; safe to call twice."""
        self._reading.close()
        self._opened.close()
        if self._owned:
            self._data.close()

    def pieces(self) -> Iterator[Block]:
        """Blocks of any length as soon as they are decoded, in place of those of 10 s."""
        for piece in self._resampled():
            if piece.size:
                yield piece
        self._finish()

    def _read(self) -> Generator[Block, None, None]:
        size = BLOCK_SECONDS * SAMPLE_RATE
        waiting: list[Block] = []
        count = 0
        for piece in self._resampled():
            waiting.append(piece)
            count += len(piece)
            if count >= size:
                joined = np.concatenate(waiting)
                whole = count - count % size
                yield from joined[:whole].reshape(-1, size)
                waiting, count = [joined[whole:]], count - whole
        self._finish()
        if count:
            yield np.concatenate(waiting)

    def _resampled(self) -> Iterator[Block]:
        resampler: Resampler | None = None
        for layout, block in blocks(self._opened, self._faults, self._piece):
            if layout != self._layout:
                if resampler is not None and (self._layout is None or layout.rate != self._layout.rate):
                    yield resampler.flush()
                    resampler = None
                self._change(layout)
            if resampler is None:
                resampler = Resampler(layout.rate)
            self._meters[layout.channels].push(block)
            self._seconds += block.shape[1] / layout.rate
            yield resampler.push(self._mix(block))
            if self._seconds > MAX_HOURS * 3600:
                self._whole = False
                break
        if resampler is not None:
            yield resampler.flush()

    def _mix(self, block: Block) -> Block:
        channels = len(block)
        if channels == 1:
            only: Block = block[0]
            return only
        if self._channel is not None and self._channel < channels:
            return np.ascontiguousarray(block[self._channel])
        mono: Block = np.add(block[0], block[1])
        for row in block[2:]:
            mono += row
        mono *= np.float32(1.0 / channels)
        return mono

    def _change(self, layout: Layout) -> None:
        """Take note of the first layout and of every later one."""
        old, self._layout = self._layout, layout
        if old is None:
            self.source = replace(self.source, rate=layout.rate, channels=layout.channels)
        elif (old.rate, old.channels) != (layout.rate, layout.channels):
            self._changes.append(
                f"at {self._seconds:.1f} s the sound changes from {old.rate} Hz, {old.channels} channels"
                f" to {layout.rate} Hz, {layout.channels} channels"
            )
        if layout.channels not in self._meters:
            self._meters[layout.channels] = LevelMeter(layout.channels)

    def _finish(self) -> None:
        """State the decoded length and every doubt; raise if there is nothing to hear."""
        path = self.source.path
        if self._seconds == 0.0:
            self._raise_nothing()
        values = sum(meter.samples * meter.channels for meter in self._meters.values())
        unusable = sum(meter.unusable for meter in self._meters.values())
        if unusable == values:
            raise AudioError(
                f"{path}: none of its {values} samples is a finite number", hint="export it again", code="non-finite"
            )
        if unusable:
            self.warnings.append(f"{unusable} of {values} samples are not finite numbers; they were taken as silence")
        self.source = replace(self.source, duration=self._seconds)
        self.warnings = self._opened.warnings + self._fault_warnings() + self.warnings

    def _raise_nothing(self) -> None:
        path, faults = self.source.path, self._faults
        if faults.odd_frames:
            raise AudioError(
                f"{path}: its rate or number of channels is absurd", hint="the file is damaged", code="absurd-header"
            )
        if faults.bad_packets or faults.read_errors:
            raise AudioError(
                f"{path}: none of its {faults.packets} packets of {self.source.codec} sound could be decoded",
                hint="the file is damaged, encrypted or cut off; get the complete file",
                code="nothing-decoded",
            )
        raise AudioError(f"{path}: there are 0 samples in it", hint="record or export it again", code="no-samples")

    def _fault_warnings(self) -> list[str]:
        faults, words = self._faults, []
        if faults.bad_packets:
            where = "" if faults.first_bad is None else f", the first at {max(faults.first_bad, 0.0):.1f} s"
            words.append(
                f"{faults.bad_packets} of {faults.packets} packets could not be decoded and were left out{where}"
            )
        if faults.odd_frames:
            words.append(f"{faults.odd_frames} frames with an absurd rate or number of channels were left out")
        words += self._changes[:_CHANGES_NAMED]
        if len(self._changes) > _CHANGES_NAMED:
            words.append(f"rate or channels change {len(self._changes)} times")
        if faults.read_errors:
            words.append(f"the file is damaged: reading it failed {faults.read_errors} times")
        stated = self._opened.stated_seconds
        if not self._whole:
            words.append(f"only the first {MAX_HOURS} hours were read")
        elif stated and self._seconds < stated - max(0.1, 0.005 * stated):
            words.append(
                f"the recording is cut off: {self._seconds:.2f} s of the {stated:.2f} s that its header states"
            )
        peak = self.levels.peak
        if peak > 2.0:
            words.append(f"samples reach {peak:.4g} times full scale; they were not scaled down")
        return words


def open_audio(source: Recording, *, channel: int | None = None) -> AudioStream:
    """Open a recording to be read block by block.

    Parameters
    ----------
    source:
        Path, bytes or open binary file; its content decides what it is, never its name. A file object is read from its
        beginning and left open.
    channel:
        One channel, counted from 0; None averages all.

    Raises
    ------
    AudioError
        With the code ``missing-file``, ``is-directory``, ``empty-file``, ``not-a-file``, ``unreadable``,
        ``too-large``, ``not-audio``, ``no-audio-stream``, ``unknown-codec``, ``absurd-header``, ``truncated`` or
        ``no-such-channel``.

    Examples
    --------
    >>> import io, wave
    >>> file = io.BytesIO()
    >>> with wave.open(file, "wb") as out:
    ...     out.setparams((1, 2, 16000, 0, "NONE", ""))
    ...     out.writeframes(bytes(2 * 400_000))
    >>> with open_audio(file) as stream:
    ...     print([len(block) for block in stream], stream.source.duration)
    [160000, 160000, 80000] 25.0
    """
    data = ByteFile(source)
    try:
        return AudioStream(data, channel=channel)
    except BaseException:
        data.close()
        raise


def decode(source: Recording, *, channel: int | None = None, max_seconds: float | None = None) -> Audio:
    """Decode a whole recording, or its first ``max_seconds``, into memory (230 MB an hour).

    Parameters
    ----------
    source, channel:
        As for :func:`open_audio`.
    max_seconds:
        Stop after this many seconds; ``source.duration`` then stays what the header says.

    Raises
    ------
    AudioError
        As :func:`open_audio`, and ``no-samples``, ``nothing-decoded``, ``non-finite``, or ``too-large`` for more than
        12 hours.

    Examples
    --------
    >>> import io, wave
    >>> file = io.BytesIO()
    >>> with wave.open(file, "wb") as out:
    ...     out.setparams((2, 2, 48000, 0, "NONE", ""))
    ...     out.writeframes(bytes(4 * 48000))
    >>> audio = decode(file)
    >>> audio.seconds, audio.samples.dtype.name, audio.source.codec, audio.source.channels
    (1.0, 'float32', 'pcm_s16le', 2)
    """
    limit = None if max_seconds is None else round(max_seconds * SAMPLE_RATE)
    parts: list[Block] = []
    count = 0
    with open_audio(source, channel=channel) as stream:
        for block in stream:
            parts.append(block)
            count += len(block)
            if limit is not None and count >= limit:
                break
            if count > MAX_WHOLE_HOURS * 3600 * SAMPLE_RATE:
                raise AudioError(
                    f"{stream.source.path}: longer than {MAX_WHOLE_HOURS} hours",
                    hint="read it block by block with open_audio",
                    code="too-large",
                )
        samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        return Audio(samples[:limit], stream.source, stream.warnings, stream.channel, stream.levels)
