"""The manifest: one row a clip, validated, with file and line in every error.

A manifest is a CSV, TSV, JSONL or Parquet file with the columns ``path`` and ``label`` and any of ``id, system,
kind, speaker, language, split, source, pair, seconds``; further columns are kept as text in :attr:`Row.extra`.
Labels are the exact words ``bonafide`` (spoken by a person) and ``spoof`` (generated). Any other word is an error:
a label that is guessed is worse than none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import overload

from earwitness.errors import ManifestError

BONAFIDE = "bonafide"
SPOOF = "spoof"
LABELS = (BONAFIDE, SPOOF)
COLUMNS = ("id", "path", "label", "system", "kind", "speaker", "language", "split", "source", "pair", "seconds")


@dataclass(frozen=True, slots=True)
class Row:
    """One clip.

    Parameters
    ----------
    path:
        The file, relative to the manifest's root, or absolute.
    label:
        ``"bonafide"`` or ``"spoof"``.
    id:
        Unique in its manifest; a manifest without ids takes the path.
    system, kind:
        The generator's name, and its sort (``tts``, ``vc``, ``vocoder``, ``codec``, ``human`` …).
    speaker, language, split, source, pair:
        Who speaks; language code; ``train``, ``dev``, ``test`` …; page or set it came from; id of the human clip that
        a copy-synthesis clip was made from. Empty where not known.
    seconds:
        Duration as stated by the corpus, or ``None``.
    extra:
        Every further column, as text; empty cells are left out.

    Raises
    ------
    ManifestError
        For an empty path, a label that is not one of the two words, or a duration that is negative or not finite.

    Examples
    --------
    >>> Row("a.wav", "spoof", system="hifigan").system
    'hifigan'
    """

    path: str
    label: str
    id: str = ""
    system: str = ""
    kind: str = ""
    speaker: str = ""
    language: str = ""
    split: str = ""
    source: str = ""
    pair: str = ""
    seconds: float | None = None
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.path or "\0" in self.path:
            raise ManifestError("the path is empty" if not self.path else f"path {self.path!r} holds a zero byte")
        if self.label not in LABELS:
            raise ManifestError(
                f"unknown label {self.label!r}",
                hint="labels are the exact words bonafide and spoof; nothing is guessed",
            )
        if self.seconds is not None and not 0 <= self.seconds < float("inf"):
            raise ManifestError(f"seconds is {self.seconds!r}", hint="expected a finite number, 0 or more")

    @property
    def spoof(self) -> bool:
        """Whether the label is ``spoof``."""
        return self.label == SPOOF

    def get(self, column: str) -> str:
        """The value of a column or of an extra column as text; empty where there is none."""
        if column in COLUMNS:
            value = getattr(self, column)
            return "" if value is None else str(value)
        return self.extra.get(column, "")


class Manifest(Sequence[Row]):
    """Rows with the folder that their paths are relative to. Immutable; slicing and filtering give new ones.

    Parameters
    ----------
    rows:
        The rows; rows without an id take their path as id. Ids must be unique.
    root:
        The folder that relative paths start from.
    where:
        Name of the file for error messages.
    lines:
        Line number of each row in that file, or empty.

    Raises
    ------
    ManifestError
        If an id occurs twice, or there is no row.

    Examples
    --------
    >>> manifest = Manifest([Row("a.wav", "bonafide"), Row("b.wav", "spoof")], root=Path("/data"))
    >>> len(manifest.filter(label="spoof")), manifest.file(manifest[0]).as_posix()
    (1, '/data/a.wav')
    """

    def __init__(
        self, rows: Iterable[Row], *, root: Path | str = ".", where: str = "manifest", lines: Sequence[int] = ()
    ) -> None:
        self._rows = tuple(row if row.id else replace(row, id=row.path) for row in rows)
        self.root = Path(root)
        self.where = where
        self._lines = tuple(lines)
        if self._lines and len(self._lines) != len(self._rows):
            raise ManifestError(f"{where}: {len(self._lines)} line numbers for {len(self._rows)} rows")
        first: dict[str, int] = {}
        for index, row in enumerate(self._rows):
            if (before := first.setdefault(row.id, index)) != index:
                raise ManifestError(
                    f"{self.place(index)}: id {row.id!r} stands already at {self.place(before)}",
                    hint="ids must be unique; without an id column the path is the id",
                    code="duplicate-id",
                )

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Manifest: ...
    def __getitem__(self, index: int | slice) -> Row | Manifest:
        if isinstance(index, slice):
            return self.keeping(range(len(self))[index])
        return self._rows[index]

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __repr__(self) -> str:
        return f"Manifest({self.where!r}, {len(self)} rows, root={str(self.root)!r})"

    def keeping(self, indices: Iterable[int]) -> Manifest:
        """The rows at the given places, in that order."""
        chosen = list(indices)
        lines = [self._lines[i] for i in chosen] if self._lines else ()
        return Manifest((self._rows[i] for i in chosen), root=self.root, where=self.where, lines=lines)

    def place(self, index: int) -> str:
        """Where the row stands, as ``file:line``, for messages."""
        return f"{self.where}:{self._lines[index]}" if self._lines else f"{self.where}: row {index + 1}"

    def file(self, row: Row) -> Path:
        """The file of a row."""
        return self.root / row.path

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns in use: ``id, path, label``, the known ones that hold anything, and the extra ones."""
        known = [c for c in COLUMNS if c in ("id", "path", "label") or any(r.get(c) for r in self._rows)]
        extra: dict[str, None] = {}
        for row in self._rows:
            extra.update(dict.fromkeys(row.extra))
        return (*known, *extra)

    def filter(self, keep: Callable[[Row], bool] | None = None, **columns: str | Collection[str]) -> Manifest:
        """The rows for which every named column has the value (or one of the values) and ``keep`` says yes.

        Parameters
        ----------
        keep:
            Called with each row.
        columns:
            A known or extra column, and the text it must equal or a collection of allowed texts.

        Raises
        ------
        ManifestError
            If a column is in no row.
        """
        wanted = {c: {v} if isinstance(v, str) else set(v) for c, v in columns.items()}
        self.require(*(c for c in wanted if c not in COLUMNS))
        return self.keeping(
            i
            for i, row in enumerate(self._rows)
            if all(row.get(c) in values for c, values in wanted.items()) and (keep is None or keep(row))
        )

    def require(self, *columns: str) -> None:
        """Raise :class:`ManifestError` unless each column holds something in at least one row."""
        present = self.columns if columns else ()
        for column in columns:
            if column not in present:
                near = get_close_matches(column, present, n=3, cutoff=0.4) or list(present)
                raise ManifestError(
                    f"{self.where}: no column {column!r} with any value", hint="has: " + ", ".join(near)
                )

    def missing(self) -> list[int]:
        """The indices of the rows whose file does not exist."""
        return [i for i, row in enumerate(self._rows) if not os.path.isfile(self.root / row.path)]

    def map(self, change: Callable[[Row], Row]) -> Manifest:
        """A manifest with ``change`` applied to each row."""
        return Manifest(map(change, self._rows), root=self.root, where=self.where, lines=self._lines)


def read_manifest(path: Path | str, *, root: Path | str | None = None) -> Manifest:
    """The manifest in a file, every row checked. See :mod:`earwitness.data.formats` for the formats.

    Parameters
    ----------
    path:
        ``.csv``, ``.tsv``, ``.jsonl`` (standard library) or ``.parquet`` (needs the extra ``batch``).
    root:
        The folder that relative paths start from; the manifest's own folder unless given.

    Raises
    ------
    ManifestError
        With file and line, for a file that is missing, empty or of unknown format, missing columns, unknown labels,
        empty paths, bad numbers and ids that occur twice; up to five further problems stand in the hint.
    MissingExtraError
        For Parquet without the extra ``batch``.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "manifest.csv"
    >>> _ = file.write_text("path,label\\na.wav,fake\\n")
    >>> try:
    ...     read_manifest(file)
    ... except ManifestError as error:
    ...     print(error.message.replace(str(file), "manifest.csv"))
    manifest.csv:2: unknown label 'fake'
    """
    from earwitness.data.formats import read_rows

    path = Path(path)
    rows, lines = read_rows(path)
    return Manifest(rows, root=path.parent if root is None else Path(root), where=str(path), lines=lines)


def write_manifest(manifest: Manifest, path: Path | str, *, keep_paths: bool = False) -> None:
    """Write a manifest; the file is replaced as a whole or not at all.

    Parameters
    ----------
    manifest:
        What to write.
    path:
        ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet`` (needs the extra ``batch``).
    keep_paths:
        ``False``: paths are written so that the file can be read without a root: relative to the file's folder where
        they lie below it, absolute elsewhere. ``True``: paths stay as they are, relative to ``manifest.root``.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_manifest(Manifest([Row("a.wav", "spoof")], root=folder / "clips"), folder / "all.jsonl")
    >>> read_manifest(folder / "all.jsonl")[0].path
    'clips/a.wav'
    """
    from earwitness.data.formats import write_rows

    path = Path(path)
    if not keep_paths:
        folder, root = os.path.abspath(path.parent), os.path.abspath(manifest.root)
        if folder != root:
            manifest = manifest.map(lambda row: replace(row, path=_seen_from(folder, os.path.join(root, row.path))))
    write_rows(manifest, path)


def _seen_from(folder: str, file: str) -> str:
    below = file.startswith(folder.rstrip(os.sep) + os.sep)
    return Path(os.path.relpath(file, folder)).as_posix() if below else file
