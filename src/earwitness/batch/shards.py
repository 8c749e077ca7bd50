"""Recordings in tar files, as WebDataset keeps them: read once from front to back, also while they are downloaded."""

from __future__ import annotations

import os
import re
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from typing import Any

from earwitness.batch import EXTENSIONS
from earwitness.batch.items import Item
from earwitness.batch.remote import SPOOL, filesystem, is_url
from earwitness.errors import EarwitnessError

_ENDS = (".tar", ".tar.gz", ".tgz")
_BRACES = re.compile(r"\{([^{}]*)\}")
_PIECE = 1 << 20


def is_shard(name: str) -> bool:
    """Whether a name is that of tar files.

    Examples
    --------
    >>> is_shard("s3://bucket/part-{00..07}.tar"), is_shard("a.wav")
    (True, False)
    """
    return name.lower().endswith(_ENDS)


def braced(name: str) -> list[str]:
    """All names that ``{00..12}`` and ``{a,b}`` in a name stand for.

    Examples
    --------
    >>> braced("part-{08..10}.tar")
    ['part-08.tar', 'part-09.tar', 'part-10.tar']
    """
    if os.path.exists(name):
        return [name]
    pieces = _BRACES.split(name)
    choices = [_choices(piece) if place % 2 else [piece] for place, piece in enumerate(pieces)]
    return ["".join(parts) for parts in product(*choices)]


def _choices(inside: str) -> list[str]:
    found = re.fullmatch(r"(\d+)\.\.(\d+)", inside)
    if found is None:
        return inside.split(",")
    first, last = found.groups()
    return [str(n).zfill(len(first)) for n in range(int(first), int(last) + 1)]


class ShardSource:
    """The recordings in tar files, one shard after another.

    Parameters
    ----------
    name:
        As the user gave it.
    shards:
        Files or addresses.

    Attributes
    ----------
    estimate:
        How many recordings there will be, by the shards that were read so far; None before the first ends.
    """

    def __init__(self, name: str, shards: list[str]) -> None:
        self.name, self.shards = name, shards
        self.estimate: int | None = None

    def __iter__(self) -> Iterator[Item]:
        seen = 0
        for number, shard in enumerate(self.shards, 1):
            for item in members(shard):
                seen += 1
                yield item
            self.estimate = round(seen / number * len(self.shards))

    def __repr__(self) -> str:
        return f"ShardSource({self.name!r}, {len(self.shards)} shards)"

    def count(self) -> int | None:
        """Not known beforehand: a tar has no list of its members; see ``estimate``."""
        return None


def members(shard: str) -> Iterator[Item]:
    """The recordings in one shard, with their contents; one item with the error where it cannot be read further."""
    with ExitStack() as stack:
        try:
            if is_url(shard):
                fs, path = filesystem(shard)
                far = stack.enter_context(fs.open(path, "rb", cache_type="readahead", block_size=8 << 20))
            else:
                far = stack.enter_context(open(shard, "rb"))
            tar = stack.enter_context(tarfile.open(fileobj=far, mode="r|*"))
            for member in tar:
                last = member.name.rpartition("/")[2]
                if member.isfile() and last.rpartition(".")[2].lower() in EXTENSIONS and not last.startswith("."):
                    yield _taken(tar, member, f"{shard}::{member.name}")
        except EarwitnessError as error:
            yield Item(shard, shard, error=error.to_dict())
        except Exception as error:  # stores and tar files each have their own tree of errors
            words = f"{shard}: the shard cannot be read to its end: {type(error).__name__}: {error}"
            yield Item(shard, shard, error={"code": "unreadable", "message": words, "hint": "get the complete file"})


def _taken(tar: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> Item:
    inside: Any = tar.extractfile(member)
    if member.size <= SPOOL:
        return Item(name, name, data=inside.read())
    handle, place = tempfile.mkstemp(prefix="earwitness-")
    with os.fdopen(handle, "wb") as file:
        while piece := inside.read(_PIECE):
            file.write(piece)
    return Item(name, name, spooled=place)
