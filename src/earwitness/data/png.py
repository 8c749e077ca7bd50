"""Eight-bit grey PNG images with the standard library: what is written, and nothing more, can be read back."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earwitness.data.files import replacing
from earwitness.errors import ManifestError

_START = b"\x89PNG\r\n\x1a\n"


def write_png(path: Path, image: NDArray[np.floating]) -> None:
    """Write an image ``(height, width)`` of values from 0 (black) to 1 (white), rounded to 1/255.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "x.png"
    >>> write_png(file, np.array([[0.0, 0.5], [0.25, 1.0]]))
    >>> (read_png(file) * 255).round().tolist()
    [[0.0, 128.0], [64.0, 255.0]]
    """
    pixels = np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    height, width = pixels.shape
    rows = np.concatenate((np.zeros((height, 1), np.uint8), pixels), axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    with replacing(path) as temporary:
        temporary.write_bytes(_START + b"".join(_chunk(kind, body) for kind, body in parts))


def read_png(path: Path) -> NDArray[np.float32]:
    """The image ``(height, width)``, values from 0 to 1.

    Raises
    ------
    ManifestError
        If the file is not an unfiltered 8-bit grey PNG, as :func:`write_png` makes them, or is damaged.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return _pixels(data)
    except (ManifestError, ValueError, KeyError, struct.error, zlib.error) as error:
        raise ManifestError(f"{path}: not an image of this package: {error}", hint="earwitness data images") from None


def _pixels(data: bytes) -> NDArray[np.float32]:
    if not data.startswith(_START):
        raise ManifestError("not a PNG file")
    chunks = list(_chunks(data[len(_START) :]))
    if not chunks or chunks[-1] != (b"IEND", b""):
        raise ManifestError("its end is missing")
    width, height, *kind = struct.unpack(">IIBBBBB", dict(chunks)[b"IHDR"])
    if kind != [8, 0, 0, 0, 0]:
        raise ManifestError("not 8-bit grey")
    rows = np.frombuffer(zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT")), np.uint8)
    rows = rows.reshape(height, width + 1)
    if rows[:, 0].any():
        raise ManifestError("rows are filtered")
    return rows[:, 1:].astype(np.float32) / np.float32(255)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    while data:
        (size,) = struct.unpack(">I", data[:4])
        kind, body = data[4:8], data[8 : 8 + size]
        if data[8 + size : 12 + size] != struct.pack(">I", zlib.crc32(kind + body)):
            raise ManifestError("damaged")
        yield kind, body
        data = data[12 + size :]
