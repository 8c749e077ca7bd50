"""Take a recording out of a request: into a private file with a name of our own, within limits on size and time."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import time
import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import BinaryIO

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from earwitness.serve.problems import Problem
from earwitness.serve.records.entry import shown
from earwitness.serve.settings import MIB, Settings

#: the field of a form that holds the recording
FIELD = "file"
#: a form has the recording and a few short fields, no more
_FIELDS, _FIELD_BYTES = 16, 4096
_PIECE = 1 << 20
#: what is read and dropped of a body that is refused, so that its sender gets to see the answer
_DRAIN_BYTES, _DRAIN_SECONDS = 4 * MIB, 2.0
_RAW = ("audio/", "video/", "application/octet-stream", "application/ogg", "application/mp4")
_CLOSE = {"Connection": "close"}


@dataclass(frozen=True)
class Upload:
    """A recording as it came: where it lies, the name it was given (to be shown only), its hash, other fields."""

    id: str
    path: Path
    filename: str
    sha256: str
    size: int
    fields: dict[str, str] = field(default_factory=dict)


async def receive(request: Request, settings: Settings, folder: Path, filename: str | None) -> Upload:
    """The recording in the body of ``request``, as a new file in ``folder``.

    Parameters
    ----------
    request:
        Its body is a form (``multipart/form-data``) with the field ``file``, or the recording itself.
    settings:
        Limits.
    folder:
        Only the service's user may read it.
    filename:
        Name to be shown for a body that carries none.

    Raises
    ------
    Problem
        400 for a form that is none, 408 too slow, 413 too large, 415 another type, 422 without a recording.
    """
    kind = request.headers.get("content-type", "application/octet-stream").partition(";")[0].strip().lower()
    is_form = kind == "multipart/form-data"
    if not is_form and not kind.startswith(_RAW):
        raise Problem(
            415,
            "unsupported-media-type",
            f"a body of the type {kind!r} is not taken",
            hint="send multipart/form-data with the field 'file', or the recording as audio/* or octet-stream",
        )
    _check_length(request.headers.get("content-length"), settings.upload_bytes)
    id = uuid.uuid4().hex
    path = folder / id
    try:
        if is_form:
            return await _form(request, settings, id, path)
        name = filename or _disposition(request.headers.get("content-disposition", ""))
        return await _raw(request, settings, id, path, name)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def drain(request: Request) -> None:
    """Read some of a body that is refused: a sender that is cut off while sending would not see why."""
    if getattr(request.state, "body_is_read", False):
        return
    taken = 0
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while taken < _DRAIN_BYTES:
                message = await request.receive()
                taken += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
    except TimeoutError:
        return


def _check_length(stated: str | None, most: int) -> None:
    if stated is not None and stated.isascii() and stated.isdigit() and int(stated) > most:
        raise _too_large(most)


def _too_large(most: int) -> Problem:
    return Problem(
        413,
        "too-large",
        f"the request is larger than the {most} bytes that this service takes",
        hint="send a compressed recording, such as flac or opus, or a part of it",
        headers=_CLOSE,
    )


async def _pieces(request: Request, settings: Settings) -> AsyncGenerator[bytes, None]:
    """The body in pieces as they come, while it is neither too large nor too slow."""
    total, end = 0, time.monotonic() + settings.upload_seconds
    while True:
        try:
            async with asyncio.timeout(min(settings.idle_seconds, max(0.0, end - time.monotonic()))):
                message = await request.receive()
        except TimeoutError:
            late = "the body came too slowly"
            raise Problem(408, "request-timeout", late, hint="try again", headers=_CLOSE) from None
        if message["type"] != "http.request":
            raise Problem(400, "disconnected", "the caller left before the body was complete")
        piece = message.get("body", b"")
        total += len(piece)
        if total > settings.upload_bytes:
            raise _too_large(settings.upload_bytes)
        request.state.body_is_read = not message.get("more_body")
        yield piece
        if request.state.body_is_read:
            return


async def _raw(request: Request, settings: Settings, id: str, path: Path, name: str) -> Upload:
    digest, size = hashlib.sha256(), 0
    with _create(path) as file:
        async for piece in _pieces(request, settings):
            digest.update(piece)
            file.write(piece)
            size += len(piece)
    return Upload(id, path, shown(name) or "recording", digest.hexdigest(), size)


async def _form(request: Request, settings: Settings, id: str, path: Path) -> Upload:
    parser = MultiPartParser(
        request.headers,
        _pieces(request, settings),
        max_files=1,
        max_fields=_FIELDS,
        max_part_size=_FIELD_BYTES,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Problem(400, "bad-form", f"the form cannot be read: {error.message}", headers=_CLOSE) from None
    try:
        fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
        found = form.get(FIELD)
        if not isinstance(found, UploadFile):
            raise Problem(422, "no-file", f"the form has no file in the field {FIELD!r}", hint="curl -F file=@clip.wav")
        digest = await asyncio.to_thread(_copy, found.file, path)
        return Upload(id, path, shown(found.filename or "") or "recording", digest, path.stat().st_size, fields)
    finally:
        await form.close()


def _copy(source: BinaryIO, path: Path) -> str:
    digest = hashlib.sha256()
    with _create(path) as file:
        while piece := source.read(_PIECE):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def _create(path: Path) -> BinaryIO:
    """A file that did not exist, for this user alone; its folder is private as well."""
    path.touch(mode=0o600, exist_ok=False)
    return path.open("wb")


def keep(path: Path, folder: Path, name: str) -> None:
    """Move a recording to where recordings are kept, under a name of our own."""
    shutil.move(path, folder / name)
    (folder / name).chmod(0o600)


def _disposition(header: str) -> str:
    """The file name in a Content-Disposition header; empty if there is none."""
    if not header:
        return ""
    message = Message()
    message["content-disposition"] = header
    try:
        return message.get_filename() or ""
    except (TypeError, ValueError, LookupError):
        # the parser of the standard library trips over headers that are none; the name is only to be shown
        return ""
