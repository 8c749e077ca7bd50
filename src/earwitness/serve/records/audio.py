"""Recordings that are kept because ``--keep-audio`` asks for it: one file per record, named by the record's id."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from earwitness.errors import RecordError

_ID = re.compile(r"[0-9a-f]{32}")


class AudioShelf:
    """A folder of kept recordings, readable for its owner alone. No name from outside becomes part of a path.

    Parameters
    ----------
    folder:
        Made if it is not there.

    Raises
    ------
    RecordError
        If the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise RecordError(f"{folder}: recordings cannot be kept there: {error.strerror}") from None

    def put(self, id: str, source: Path) -> None:
        """Copy the recording ``source``; after this it is on the disk, whole, or not at all."""
        target = self._path(id)
        part = target.with_name(f".{id}.{uuid.uuid4().hex}")
        try:
            with (
                source.open("rb") as audio,
                os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
            ):
                shutil.copyfileobj(audio, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
            # unlike a rename, a link never takes the place of another recording
            os.link(part, target)
        except OSError as error:
            raise RecordError(f"{self.folder}: a recording cannot be kept: {error.strerror}") from None
        finally:
            part.unlink(missing_ok=True)

    def get(self, id: str) -> Path | None:
        """The recording of the record ``id``, if it is kept."""
        if not _ID.fullmatch(id):
            return None
        path = self._path(id)
        return path if path.is_file() else None

    def remove(self, id: str) -> None:
        """Delete the recording of the record ``id``, if there is one."""
        try:
            self._path(id).unlink(missing_ok=True)
        except OSError as error:
            raise RecordError(f"{self.folder}: a recording cannot be deleted: {error.strerror}") from None

    def ids(self) -> Iterator[str]:
        """The records that have a recording here."""
        return (path.name for path in self.folder.iterdir() if _ID.fullmatch(path.name))

    def _path(self, id: str) -> Path:
        if not _ID.fullmatch(id):
            raise RecordError(f"a record has the id {id!r}", hint="32 hexadecimal digits", code="record")
        return self.folder / id
