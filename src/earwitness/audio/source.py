"""Where a recording comes from: the facts that stay with it, and its bytes as one seekable file."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from earwitness.errors import AudioError

SPOOL_LIMIT = 2 << 30
"""The most bytes that are taken from a pipe, which must be stored before it can be read: 2 GiB."""

SPOOL_MEMORY = 16 << 20
"""Bytes of a pipe that stay in memory; what is longer goes to a temporary file: 16 MiB."""

_PIECE = 1 << 20
_HEAD = 1 << 12


@dataclass(frozen=True)
class Source:
    """The facts of a recording as it was handed in.

    ``path`` and ``name`` (its last part) are as given; for bytes both are ``"<bytes>"``. ``size`` is in bytes,
    ``sha256`` is that of the whole file. ``container`` and ``codec`` are FFmpeg's short names (``"wav"``, ``"mp3"``,
    ``"opus"``), ``codec_long`` the long one. ``rate`` (Hz) and ``channels`` are the decoder's, so Opus says 48,000
    whatever was encoded. ``bit_depth`` is known for lossless codecs only. ``bit_rate`` is in bit/s. ``duration`` is
    in seconds: what the header says until the last block has been decoded, then the length that was decoded.
    ``encoder`` is the tag in which the encoding program names itself, ``tags`` all tags (control characters removed,
    long ones cut), ``video`` whether there are moving pictures beside the sound.
    """

    path: str
    name: str
    size: int
    sha256: str
    container: str
    codec: str
    codec_long: str
    rate: int
    channels: int
    bit_depth: int | None = None
    bit_rate: int | None = None
    duration: float | None = None
    encoder: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    video: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The facts as plain values for JSON, under the names of the fields."""
        return asdict(self)


class ByteFile:
    """The bytes of a recording: a name, a size and an open, seekable, binary file.

    A path is opened, bytes are wrapped, a file object is used in place when it can seek (from its beginning, wherever
    it stands) and is stored up to :data:`SPOOL_LIMIT` bytes when it cannot, like standard input and named pipes.

    Raises
    ------
    AudioError
        ``missing-file``, ``is-directory``, ``empty-file``, ``unreadable``, ``not-a-file`` or ``too-large``.

    Examples
    --------
    >>> with ByteFile(b"RIFF") as source:
    ...     source.name, source.size, source.head(2)
    ('<bytes>', 4, b'RI')
    """

    def __init__(self, source: str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO) -> None:
        self._owned, self._sha256 = True, ""
        if isinstance(source, bytes | bytearray | memoryview):
            self.path = self.name = "<bytes>"
            self.file = cast(BinaryIO, io.BytesIO(source))
        elif isinstance(source, str | os.PathLike):
            self.path = os.fspath(source)
            self.name = Path(self.path).name or self.path
            self.file = self._open()
        elif callable(getattr(source, "read", None)):
            given = getattr(source, "name", "<stream>")
            self.path = given if isinstance(given, str) else "<stream>"
            self.name = Path(self.path).name
            self._owned = False
            self.file = source
        else:
            raise AudioError(
                f"a recording is a path, bytes or an open binary file, not {type(source).__name__}", code="not-a-file"
            )
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _open(self) -> BinaryIO:
        try:
            mode = os.stat(self.path).st_mode
            if stat.S_ISDIR(mode):
                raise AudioError(f"{self.path}: is a directory", hint="name the files in it", code="is-directory")
            if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
                raise AudioError(f"{self.path}: is a device, not a file", code="not-a-file")
            return open(self.path, "rb", buffering=0)
        except FileNotFoundError:
            hint = "only local files are read: download it first" if "://" in self.path else "check the name"
            raise AudioError(f"{self.path}: no such file", hint=hint, code="missing-file") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise AudioError(f"{self.path}: cannot be opened: {reason}", code="unreadable") from None

    def _prepare(self) -> None:
        try:
            seekable = self.file.seekable() if hasattr(self.file, "seekable") else hasattr(self.file, "seek")
            if not seekable:
                self._spool()
            self.size = self.file.seek(0, os.SEEK_END)
            self.file.seek(0)
            first = self.file.read(1)
            self.file.seek(0)
        except OSError as error:
            raise AudioError(f"{self.path}: cannot be read: {error.strerror or error}", code="unreadable") from None
        except ValueError as error:
            raise AudioError(f"{self.path}: cannot be read: {error}", code="unreadable") from None
        if isinstance(first, str):
            raise AudioError(f"{self.path}: is open as text", hint="open it in binary mode", code="not-a-file")
        if not first:
            raise AudioError(f"{self.path}: is empty (0 bytes)", hint="record or download it again", code="empty-file")

    def _spool(self) -> None:
        store = tempfile.SpooledTemporaryFile(max_size=SPOOL_MEMORY)  # noqa: SIM115 - closed with this object
        pipe, was_owned = self.file, self._owned
        self.file, self._owned = cast(BinaryIO, store), True
        size = 0
        while piece := pipe.read(_PIECE):
            size += len(piece)
            if size > SPOOL_LIMIT:
                raise AudioError(
                    f"{self.path}: a pipe of more than {SPOOL_LIMIT >> 30} GiB",
                    hint="save it as a file first",
                    code="too-large",
                )
            store.write(piece)
        if was_owned:
            pipe.close()

    def head(self, count: int = 4096) -> bytes:
        """The first ``count`` bytes."""
        return self.part(0, count)

    def tail(self, count: int = 1 << 16) -> bytes:
        """The last ``count`` bytes."""
        return self.part(max(0, self.size - count), count)

    def part(self, start: int, count: int) -> bytes:
        """``count`` bytes from ``start`` on, fewer at the end; the position in the file is undefined afterwards."""
        try:
            self.file.seek(start)
            return self.file.read(count)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise AudioError(f"{self.path}: cannot be read: {reason}", code="unreadable") from None

    def sha256(self) -> str:
        """The SHA-256 of all bytes, in hexadecimal; the position in the file is undefined afterwards."""
        if not self._sha256:
            digest = hashlib.sha256()
            start = 0
            while piece := self.part(start, _PIECE):
                digest.update(piece)
                start += len(piece)
            self._sha256 = digest.hexdigest()
        return self._sha256

    def close(self) -> None:
        """Close what this object opened; a file object that was handed in stays open."""
        if self._owned and hasattr(self, "file"):
            self.file.close()

    def __enter__(self) -> ByteFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Pipe:
    """Bytes that come as they are made, for FFmpeg to read once and forward: a microphone, a program, a connection.

    Nothing is stored but the first 4 KiB. As in ``container.Reader``, nothing is raised while FFmpeg reads: a failure
    ends the bytes and stays in ``failure``. ``only`` names the demuxers and the decoders that may be tried, separated
    by commas; None stands for all of :mod:`earwitness.audio.formats`.

    Examples
    --------
    >>> pipe = Pipe(io.BytesIO(b"RIFF...."), "<stdin>")
    >>> pipe.read(6), pipe.size, pipe.head(4)
    (b'RIFF..', 6, b'RIFF')
    """

    def __init__(self, file: BinaryIO, path: str, *, only: tuple[str, str] | None = None) -> None:
        self.path, self.name, self.size, self.only = path, path, 0, only
        self.failure: AudioError | None = None
        # read1 hands out what has arrived, where read would wait for all that was asked for
        self._read = getattr(file, "read1", file.read)
        self._digest, self._head = hashlib.sha256(), b""

    def read(self, count: int) -> bytes:
        """What has arrived, at least one byte and at most ``count``; none at the end."""
        if self.failure is not None:
            return b""
        try:
            data: bytes = self._read(count) or b""
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            self.failure = AudioError(f"{self.path}: cannot be read: {reason}", code="unreadable")
            return b""
        self.size += len(data)
        self._digest.update(data)
        if len(self._head) < _HEAD:
            self._head += data[: _HEAD - len(self._head)]
        return data

    def head(self, count: int = _HEAD) -> bytes:
        """The first bytes, as far as they were read and stored."""
        return self._head[:count]

    def sha256(self) -> str:
        """The SHA-256 of what was read so far, in hexadecimal."""
        return self._digest.hexdigest()

    def close(self) -> None:
        """Nothing: the file belongs to whoever opened it."""
