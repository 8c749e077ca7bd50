"""From FFmpeg's packets to blocks of float32 samples at the recording's own rate, one row per channel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earwitness.audio.container import MAX_CHANNELS, RATES, Opened

BLOCK = 1 << 16
"""Samples per channel in a block, so that the blocks do not depend on the container's packets."""

_SAMPLE_FORMATS: dict[str, tuple[str, float, float]] = {
    # FFmpeg's name -> (NumPy's type, zero, full scale)
    "u8": ("u1", 128.0, 2.0**7),
    "s16": ("i2", 0.0, 2.0**15),
    "s32": ("i4", 0.0, 2.0**31),
    "s64": ("i8", 0.0, 2.0**63),
    "flt": ("f4", 0.0, 1.0),
    "dbl": ("f8", 0.0, 1.0),
}

# PyAV counts the planes of a frame up to the first empty pointer, which for eight and more lies outside its list.
_MAX_PLANES = 7
_MAX_READ_ERRORS = 64
_MAX_BARREN_PACKETS = 1_000_000


@dataclass
class Faults:
    """What went wrong on the way without stopping it."""

    packets: int = 0
    bad_packets: int = 0
    first_bad: float | None = None
    read_errors: int = 0
    odd_frames: int = 0
    last_error: str = field(default="", repr=False)

    def note_bad(self, seconds: float | None, error: Exception) -> None:
        """Count a packet that does not decode."""
        self.bad_packets += 1
        self.last_error = type(error).__name__
        if self.first_bad is None:
            self.first_bad = seconds


@dataclass(frozen=True)
class Layout:
    """What may change in the middle of a recording: sample format (FFmpeg's name), channels and rate in Hz."""

    form: str
    channels: int
    rate: int

    @property
    def believable(self) -> bool:
        """Whether the numbers can be those of a recording."""
        name = self.form.removesuffix("p")
        return name in _SAMPLE_FORMATS and 0 < self.channels <= MAX_CHANNELS and RATES[0] <= self.rate <= RATES[1]


def blocks(opened: Opened, faults: Faults, size: int = BLOCK) -> Iterator[tuple[Layout, NDArray[np.float32]]]:
    """Blocks of shape ``(channels, n)`` with ``n`` = ``size``, fewer only where the layout changes and at the end.

    Integers become floats exactly (signed n-bit divided by ``2**(n-1)``, unsigned 8-bit shifted by 128 first); integers
    of 32 and more bits and doubles are rounded once; floats are taken as they are. The array is reused: use it before
    asking for the next one. Frames whose layout is not believable are counted in ``faults`` and left out.
    """
    layout: Layout | None = None
    shelf = _Shelf(Layout("flt", 1, RATES[0]))
    known: tuple[str, int, int] | None = None
    for frame in _frames(opened, faults):
        found = (frame.format.name, frame.layout.nb_channels, frame.sample_rate)
        if found != known:
            new = Layout(*found)
            if not new.believable:
                faults.odd_frames += 1
                continue
            if layout is not None and shelf.count:
                yield layout, shelf.take(shelf.count)
            layout, known, shelf = new, found, _Shelf(new)
        shelf.add(frame)
        while shelf.count >= size and layout is not None:
            yield layout, shelf.take(size)
    if layout is not None and shelf.count:
        yield layout, shelf.take(shelf.count)


class _Shelf:
    """Collects frames of one layout as they are and hands out their samples as rows of floats."""

    def __init__(self, layout: Layout) -> None:
        name = layout.form.removesuffix("p")
        kind, self._zero, self._full = _SAMPLE_FORMATS[name]
        self._type = np.dtype(kind)
        self._channels = layout.channels
        self._packer: Any = None
        planar = layout.form.endswith("p")
        if planar and layout.channels > _MAX_PLANES:
            import av

            self._packer, planar = av.AudioResampler(format=name), False
        self._step = 1 if planar else layout.channels
        self._stores: list[list[NDArray[Any]]] = [[] for _ in range(layout.channels if planar else 1)]
        self._out: NDArray[np.float32] | None = None
        self.count = 0
        """Samples per channel that wait."""

    def add(self, frame: Any) -> None:
        """Put a frame behind the others; its memory is kept, not copied."""
        if self._packer is not None:
            for packed in self._packer.resample(frame):
                self._put(packed)
        else:
            self._put(frame)

    def _put(self, frame: Any) -> None:
        samples = frame.samples
        for store, plane in zip(self._stores, frame.planes, strict=True):
            store.append(np.frombuffer(plane, self._type, samples * self._step))
        self.count += samples

    def take(self, count: int) -> NDArray[np.float32]:
        """The first ``count`` samples of every channel."""
        if self._out is None or self._out.shape[1] < count:
            self._out = np.empty((self._channels, count), np.float32)
        out = self._out[:, :count]
        split = count * self._step
        for number, store in enumerate(self._stores):
            joined = np.concatenate(store) if len(store) > 1 else store[0]
            store[:] = [joined[split:]] if len(joined) > split else []
            if self._step == 1:
                self._convert(joined[:split], out[number])
            else:
                self._convert(joined[:split].reshape(count, self._step).T, out)
        self.count -= count
        return out

    def _convert(self, values: NDArray[Any], out: NDArray[np.float32]) -> None:
        if self._type.kind == "f":
            with np.errstate(over="ignore", invalid="ignore"):
                out[...] = values
        elif self._type.itemsize > 2:
            # A 32-bit integer has more digits than a float: divide in double, round once.
            out[...] = values / self._full
        else:
            np.multiply(values, np.float32(1.0 / self._full), out=out, casting="unsafe")
            if self._zero:
                out -= np.float32(self._zero / self._full)


def _frames(opened: Opened, faults: Faults) -> Iterator[Any]:
    """Everything that decodes, in order; packets that do not are counted and left out."""
    import av

    decoder, stream = opened.stream.codec_context, opened.stream
    barren = 0
    for packet in _packets(opened, faults):
        faults.packets += 1
        barren += 1
        try:
            decoded = decoder.decode(packet)
        except (av.FFmpegError, ValueError) as error:
            pts = packet.pts if packet is not None else None
            faults.note_bad(float(pts * stream.time_base) if pts is not None and stream.time_base else None, error)
            continue
        for frame in decoded:
            if frame.samples > 0:
                barren = 0
                yield frame
        if barren > _MAX_BARREN_PACKETS:
            faults.read_errors += 1
            return


def _packets(opened: Opened, faults: Faults) -> Iterator[Any]:
    """The stream's packets and at last None, which makes the decoder hand out what it holds back."""
    import av

    seen = -1
    while faults.read_errors <= _MAX_READ_ERRORS:
        try:
            for packet in opened.container.demux(opened.stream):
                # An empty packet would end the decoding early.
                if packet.size:
                    yield packet
            break
        except IndexError:
            # PyAV stumbles over streams that appeared on the way, once it has handed out every packet.
            break
        except (av.FFmpegError, ValueError) as error:
            faults.read_errors += 1
            faults.last_error = type(error).__name__
            if faults.packets == seen:
                break
            seen = faults.packets
    if opened.reader.failure is not None:
        raise opened.reader.failure
    yield None
