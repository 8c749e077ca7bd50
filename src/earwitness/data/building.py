"""From a corpus folder to a checked manifest: files that exist, ids that are unique, counts as published."""

from __future__ import annotations

import importlib
import inspect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earwitness.data import DATASETS
from earwitness.data.manifest import Manifest, Row
from earwitness.data.protocols import Count
from earwitness.errors import ConfigError, ManifestError
from earwitness.registry import find

_NAMED = 5


@dataclass(frozen=True)
class Built:
    """A manifest and what is to be said about it.

    Parameters
    ----------
    manifest:
        The rows whose files exist (all of them, when files were not checked).
    counts:
        Published against found, for the parts of the corpus that have a published count.
    missing:
        Ids of rows that were left out because their file is not there.
    licence:
        As documented in the corpus's module.
    """

    manifest: Manifest
    counts: tuple[Count, ...]
    missing: tuple[str, ...]
    licence: str

    def notes(self) -> list[str]:
        """What differs from the published corpus, in words; empty when nothing does."""
        names = f": {_some(self.missing)} missing" if self.missing else ""
        short = [str(count) + (names if count.found < count.expected else "") for count in self.wrong()]
        return short or ([f"{len(self.missing):,} files missing: {_some(self.missing)}"] if self.missing else [])

    def wrong(self) -> list[Count]:
        """The counts that differ."""
        return [count for count in self.counts if count.found != count.expected]


def build(
    name: str, root: Path | str, *, check_files: bool = True, allow_missing: bool = False, **options: Any
) -> Built:
    """The manifest of a corpus.

    Parameters
    ----------
    name:
        A name of :data:`earwitness.data.DATASETS`.
    root:
        The corpus folder (the table, for ``table``).
    check_files:
        Whether every file must exist.
    allow_missing:
        Leave rows without a file out, and say so, instead of failing.
    options:
        What the reader takes, such as ``reals`` or ``unpack``; ``None`` counts as not given.

    Raises
    ------
    UnknownNameError
        For a corpus that is not in the table.
    ConfigError
        For an option that the reader does not take.
    ManifestError
        For whatever is wrong with the corpus, and for missing files unless allowed.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("real/a.wav", "fake/hifigan/b.wav"):
    ...     (folder / name).parent.mkdir(parents=True)
    ...     _ = (folder / name).write_bytes(b"")
    >>> [(row.path, row.label, row.system) for row in build("folders", folder).manifest]
    [('fake/hifigan/b.wav', 'spoof', 'hifigan'), ('real/a.wav', 'bonafide', 'human')]
    """
    reader = find(DATASETS, name, kind="corpus")
    given = {key: value for key, value in options.items() if value not in (None, (), {})}
    known = [p for p in inspect.signature(reader).parameters if p != "root"]
    if unknown := [key for key in given if key not in known]:
        raise ConfigError(
            f"the corpus {name!r} has no option {unknown[0]!r}", hint="options: " + (", ".join(known) or "none")
        )
    root = Path(root)
    if not root.exists():
        raise ManifestError(f"{root}: no such file or folder")
    base = root if root.is_dir() else root.parent
    manifest = Manifest(reader(root, **given), root=base, where=str(root))
    if not manifest:
        raise ManifestError(f"{root}: no clips found", hint=f"see docs/data for the folders of {name}")
    absent = manifest.missing() if check_files else []
    if absent and not allow_missing:
        raise _missing(manifest, absent)
    gone = set(absent)
    kept = manifest if not gone else manifest.keeping(i for i in range(len(manifest)) if i not in gone)
    module = importlib.import_module(DATASETS[name].partition(":")[0])
    counts = tuple(module.expected(kept)) if hasattr(module, "expected") else _counts(kept, module)
    return Built(kept, counts, tuple(manifest[i].id for i in absent), module.LICENCE)


def _counts(rows: Iterable[Row], module: Any) -> tuple[Count, ...]:
    expected: Mapping[tuple[str, str], int] = getattr(module, "EXPECTED", {})
    found: Counter[tuple[str, str]] = Counter()
    for row in rows:
        found[row.split, row.label] += 1
        if row.split:
            found["", row.label] += 1
    return tuple(Count(" ".join(filter(None, key)), number, found[key]) for key, number in expected.items())


def _missing(manifest: Manifest, absent: Sequence[int]) -> ManifestError:
    row = manifest[absent[0]]
    place = row.extra.get("listed_in", manifest.place(absent[0]))
    return ManifestError(
        f"{place}: {manifest.file(row)} does not exist; {len(absent):,} of {len(manifest):,} files are missing",
        hint="unpack the rest, or leave those rows out with --allow-missing",
        code="missing-files",
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")
