"""Where the recordings of a batch come from: a folder, a glob, a manifest, tar shards, one file; here or elsewhere.

A source is walked as the batch goes on; nothing is listed beforehand but one folder at a time (and what a glob finds).
"""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from earwitness.batch import EXTENSIONS
from earwitness.batch.items import Item
from earwitness.batch.remote import asked, fetched, filesystem, is_url
from earwitness.batch.shards import ShardSource, braced, is_shard
from earwitness.errors import AudioError, ManifestError

MANIFESTS = (".csv", ".tsv", ".jsonl", ".parquet")


class Source:
    """Items, and how many there are where that can be known.

    Parameters
    ----------
    name:
        As the user gave it.
    walk:
        Gives the items; called anew for each pass.
    """

    def __init__(self, name: str, walk: Callable[[], Iterator[Item]]) -> None:
        self.name, self._walk = name, walk

    def __iter__(self) -> Iterator[Item]:
        return self._walk()

    def __repr__(self) -> str:
        return f"Source({self.name!r})"

    def count(self) -> int | None:
        """How many items there are; a pass of its own over names."""
        return sum(1 for _ in self._walk())


def is_recording(name: str) -> bool:
    """Whether a folder's file is taken for a recording, by its name.

    Examples
    --------
    >>> is_recording("a/b.MP3"), is_recording("a/.hidden.wav"), is_recording("notes.txt")
    (True, False, False)
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    return last.rpartition(".")[2].lower() in EXTENSIONS and "." in last and not last.startswith(".")


def open_source(name: str, *, root: str | None = None) -> Source | ShardSource:
    """The source that a name stands for.

    Parameters
    ----------
    name:
        A folder; a glob (``calls/**/*.mp3``); a manifest (``.csv .tsv .jsonl .parquet`` with a column ``path``; ``id``
        and ``label`` are taken over); tar shards (``.tar``, ``.tar.gz``, also ``shard-{000..099}.tar``); a file; or
        the address of any of these. Folders give the files whose names end like those of recordings, at any depth,
        sorted.
    root:
        What the paths of a manifest are relative to: a folder or an address; the manifest's own place unless given.

    Raises
    ------
    AudioError
        If there is nothing of this name.
    ManifestError
        If a manifest has no column ``path``.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for n in ("b.wav", "a.mp3", "notes.txt"):
    ...     _ = (folder / n).write_bytes(b"")
    >>> [os.path.basename(item.path) for item in open_source(str(folder))]
    ['a.mp3', 'b.wav']
    """
    if is_shard(name):
        return ShardSource(name, list(_shards(name)))
    if os.path.isdir(name):
        return Source(name, lambda: map(_item, _walked(name)))
    suffix = os.path.splitext(name)[1].lower()
    if suffix in MANIFESTS:
        return Source(name, lambda: _manifest(name, root))
    if is_url(name):
        return _far(name)
    if glob.has_magic(name) and not os.path.exists(name):
        return Source(name, lambda: map(_item, _named(name, _globbed(name))))
    if not os.path.exists(name):
        raise AudioError(f"{name}: no such file or folder", hint="check the name", code="missing-file")
    return Source(name, lambda: iter([_item(name)]))


def _item(path: str) -> Item:
    return Item(path, path)


def _walked(folder: str) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders.sort()
        yield from (os.path.join(place, file) for file in sorted(files) if is_recording(file))


def _globbed(pattern: str) -> list[str]:
    return sorted(p for p in glob.iglob(pattern, recursive=True) if os.path.isfile(p))


def _named(name: str, found: list[str]) -> list[str]:
    if not found:
        raise AudioError(f"{name}: matches no file", hint="check the pattern", code="no-files")
    return found


def _shards(name: str) -> Iterator[str]:
    for pattern in braced(name):
        if not glob.has_magic(pattern):
            yield pattern
        elif is_url(pattern):
            yield from _far_globbed(name, *filesystem(pattern))
        else:
            yield from _named(name, _globbed(pattern))


def _far(name: str) -> Source:
    fs, path = filesystem(name)
    if glob.has_magic(path):
        return Source(name, lambda: (_far_item(fs, p) for p in _far_globbed(name, fs, path)))
    if asked(name, lambda: fs.isfile(path)) and not name.endswith("/"):
        return Source(name, lambda: iter([_far_item(fs, path)]))
    if not asked(name, lambda: fs.isdir(path)):
        raise AudioError(f"{name}: no such file or folder", hint="check the address", code="missing-file")
    return Source(name, lambda: _far_walked(name, fs, path))


def _far_globbed(name: str, fs: Any, pattern: str) -> list[str]:
    return _named(name, [str(fs.unstrip_protocol(p)) for p in sorted(asked(name, lambda: fs.glob(pattern)))])


def _far_walked(name: str, fs: Any, path: str) -> Iterator[Item]:
    # one folder at a time, sorted, without the folders that are only markers
    waiting = [path]
    while waiting:
        place = waiting.pop()
        found = sorted(asked(name, partial(fs.ls, place, detail=True)), key=lambda entry: str(entry["name"]))
        for entry in found:
            if entry["type"] == "file" and is_recording(str(entry["name"])):
                yield _far_item(fs, str(entry["name"]))
        inner = [str(e["name"]) for e in found if e["type"] == "directory"]
        waiting += [p for p in reversed(inner) if p.rstrip("/") != place.rstrip("/")]


def _far_item(fs: Any, path: str) -> Item:
    url = str(fs.unstrip_protocol(path))
    if url.startswith("memory://"):
        # this store is known to this process alone
        try:
            return Item(url, url, data=asked(url, lambda: fs.cat_file(path)))
        except AudioError as error:
            return Item(url, url, error=error.to_dict())
    return Item(url, url)


def _manifest(name: str, root: str | None) -> Iterator[Item]:
    from earwitness.data.formats import read_records

    base = root if root is not None else name.rpartition("/")[0] if is_url(name) else str(Path(name).parent)
    if is_url(name):
        with tempfile.TemporaryDirectory() as folder, fetched(name) as far:
            local = Path(folder, "manifest" + os.path.splitext(name)[1])
            with local.open("wb") as file:
                while piece := far.read(1 << 20):
                    file.write(piece)
            yield from (_listed(name, line, record, base) for line, record in read_records(local))
        return
    yield from (_listed(name, line, record, base) for line, record in read_records(Path(name)))


def _listed(name: str, line: int, record: Any, base: str) -> Item:
    path = str(record.get("path") or "")
    if not path:
        raise ManifestError(f"{name}:{line}: no path", hint="a column 'path' names the recordings")
    given = str(record.get("id") or path)
    label = str(record.get("label") or "")
    if is_url(path) or os.path.isabs(path):
        whole = path
    else:
        whole = f"{base.rstrip('/')}/{path}" if is_url(base) else os.path.join(base, path)
    if whole.startswith("memory://"):
        fs, inner = filesystem(whole)
        far = _far_item(fs, inner)
        return Item(given, whole, label, data=far.data, error=far.error)
    return Item(given, whole, label)
