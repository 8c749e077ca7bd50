"""Speech demonstration pages: clips cut from public demo pages of papers and products, in tar shards with a manifest.

Tree: a folder with ``manifest.csv`` (``id, path, shard, label, system, kind, speaker, language, split, source, pair,
seconds, source_rate, source_container, dataset, license``) and beside it either the shards (``train-0.tar``, …) or
the unpacked files (``train/…``, ``dev/…``, ``eval/…``). ``path`` is the member's name.

Licence: stated per row in ``license``; many pages state none, so the recordings are not for redistribution.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from earwitness.data.formats import read_rows
from earwitness.data.manifest import BONAFIDE, SPOOF, Row
from earwitness.errors import ManifestError

LICENCE = "per row (column license); many pages state none: not for redistribution"
SPLITS = ("train", "dev", "eval")
EXPECTED = {
    ("train", BONAFIDE): 4_399,
    ("train", SPOOF): 5_387,
    ("dev", BONAFIDE): 507,
    ("dev", SPOOF): 491,
    ("eval", BONAFIDE): 529,
    ("eval", SPOOF): 531,
}


def rows(root: Path, *, unpack: Path | None = None) -> Iterator[Row]:
    """The rows of the corpus, with paths relative to ``root`` or absolute in ``unpack``.

    Parameters
    ----------
    root:
        The folder that holds ``manifest.csv``.
    unpack:
        A folder where the shards are, or will be, unpacked; ``root`` itself unless given. Shards are unpacked only
        into a folder that is given, and only the members that are missing there.

    Raises
    ------
    ManifestError
        If there is no manifest, a split is unknown, a shard is missing or holds a member that points outside.
    """
    records, lines = read_rows(root / "manifest.csv")
    for row, line in zip(records, lines, strict=True):
        if row.split not in SPLITS:
            raise ManifestError(f"{root / 'manifest.csv'}:{line}: unknown split {row.split!r}", hint="train, dev, eval")
    base = root if unpack is None else unpack.absolute()
    if unpack is not None:
        _unpack_missing(root, unpack, records)
    for row in records:
        yield row if unpack is None else replace(row, path=(base / row.path).as_posix())


def _unpack_missing(root: Path, folder: Path, records: list[Row]) -> None:
    wanted: dict[str, set[str]] = {}
    for row in records:
        if not (folder / row.path).is_file():
            wanted.setdefault(row.extra.get("shard", ""), set()).add(row.path)
    for shard, members in sorted(wanted.items()):
        unpack_members(root / shard, folder, members)


def unpack_members(archive: Path, folder: Path, members: set[str]) -> None:
    """Unpack the named members of a tar file; members outside ``folder``, links and devices are refused.

    Raises
    ------
    ManifestError
        If the archive is missing or broken, lacks a member, or a wanted member is not a plain file inside ``folder``.
    """
    found: set[str] = set()
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = PurePosixPath(member.name).as_posix()
                if name not in members:
                    continue
                if not member.isfile() or name.startswith("/") or ".." in PurePosixPath(name).parts:
                    raise ManifestError(f"{archive}: member {member.name!r} is not a plain file inside the folder")
                tar.extract(member, folder, filter="data")
                found.add(name)
    except (FileNotFoundError, IsADirectoryError):
        raise ManifestError(f"{archive}: no such shard", hint="put the .tar files beside manifest.csv") from None
    except tarfile.TarError as error:
        raise ManifestError(f"{archive}: not a readable tar file: {error}") from None
    if lacking := members - found:
        raise ManifestError(f"{archive}: {len(lacking)} members are missing, such as {min(lacking)!r}")
