"""A spectrogram as a small PNG, from blocks of any number, with numpy and zlib alone.

The picture has one colour and 32 degrees of opacity, so it reads on a light and on a dark page.
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
SIZE = 512
LEVELS = 32
#: decibels from the strongest point of the picture down to nothing
RANGE_DB = 65.0
COLOUR = (46, 92, 158)


def spectrogram(
    blocks: Iterable[NDArray[np.float32]], seconds: float, *, width: int = 800, height: int = 128
) -> NDArray[np.uint8]:
    """Mean power over time and frequency as degrees of opacity.

    Parameters
    ----------
    blocks:
        Mono samples at 16 kHz, (n,) each, one after another.
    seconds:
        Length of the whole; what comes after it falls into the last column.
    width, height:
        Columns and rows wanted; ``height`` must divide 256. Short recordings have fewer columns.

    Returns
    -------
    (height, columns) degrees from 0 (at least 65 dB below the strongest point, or silence) to 31; row 0 is the top
    and reaches 8 kHz, the last row starts at 0 Hz.

    Examples
    --------
    >>> t = np.arange(16000, dtype=np.float32) / 16000
    >>> picture = spectrogram([np.sin(2 * np.pi * 4000 * t).astype(np.float32)], 1.0)
    >>> int(picture.sum(axis=1).argmax())
    64
    """
    total = max(int(seconds * RATE), SIZE)
    hop = int(np.clip(total // (2 * width), 64, SIZE))
    columns = max(1, min(width, (total - SIZE) // hop + 1))
    power, count = np.zeros((columns, height)), np.zeros(columns)
    window = np.hanning(SIZE + 1)[:-1].astype(np.float32)
    held: NDArray[np.float32] = np.empty(0, dtype=np.float32)
    position = 0
    for block in _padded(blocks):
        held = np.concatenate([held, block])
        frames = max(0, (held.size - SIZE) // hop + 1)
        if not frames:
            continue
        cut = np.lib.stride_tricks.sliding_window_view(held, SIZE)[: (frames - 1) * hop + 1 : hop]
        spectra = np.abs(np.fft.rfft(cut * window, axis=1)[:, 1:]) ** 2
        rows = spectra.reshape(frames, height, -1).mean(axis=2)
        at = np.minimum((position + hop * np.arange(frames)) * columns // max(1, total - SIZE + 1), columns - 1)
        np.add.at(power, at, rows)
        np.add.at(count, at, 1)
        position += frames * hop
        held = held[frames * hop :]
    mean = power / np.maximum(count, 1)[:, None]
    decibels = 10 * np.log10(np.maximum(mean, 1e-12))
    share = (decibels - decibels.max() + RANGE_DB) / RANGE_DB if mean.max() > 1e-10 else np.zeros_like(mean)
    return np.rint(np.clip(share, 0, 1) * (LEVELS - 1)).astype(np.uint8).T[::-1]


def _padded(blocks: Iterable[NDArray[np.float32]]) -> Iterable[NDArray[np.float32]]:
    size = 0
    for block in blocks:
        size += block.size
        yield block
    if size < SIZE:
        yield np.zeros(SIZE - size, dtype=np.float32)


def png(levels: NDArray[np.uint8], colour: tuple[int, int, int] = COLOUR) -> bytes:
    """Degrees of opacity (rows, columns) as a PNG file of one colour; palette with transparency, W3C PNG 3rd edition.

    Examples
    --------
    >>> png(np.zeros((2, 3), dtype=np.uint8))[1:4]
    b'PNG'
    """

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows, columns = levels.shape
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), levels], axis=1).tobytes()
    alpha = bytes(round(255 * (i / (LEVELS - 1)) ** 1.5) for i in range(LEVELS))
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)),
            chunk(b"PLTE", bytes(colour) * LEVELS),
            chunk(b"tRNS", alpha),
            chunk(b"IDAT", zlib.compress(lines, 9)),
            chunk(b"IEND", b""),
        ]
    )


def data_uri(image: bytes) -> str:
    """A PNG file as an address that needs no network."""
    return "data:image/png;base64," + b64encode(image).decode("ascii")
