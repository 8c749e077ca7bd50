"""Text of score and key files: plain or gzip, lines or a table with a header, each error with file and line."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from earwitness.data.manifest import BONAFIDE, SPOOF
from earwitness.errors import ManifestError

ID_COLUMNS = ("id", "utt", "path", "file", "filename", "file_name", "trial", "utterance")
LABEL_COLUMNS = ("label", "key")
LABEL_WORDS = {BONAFIDE: BONAFIDE, "bona-fide": BONAFIDE, SPOOF: SPOOF}
"""``bona-fide`` is the word of In-the-Wild's own table; no other word is taken."""


@dataclass(frozen=True)
class TextFile:
    """The non-empty lines of a file with their numbers, and its header when the first line is a table's."""

    path: Path
    lines: Sequence[tuple[int, str]]
    delimiter: str
    header: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> TextFile:
        """Read ``path``, ``.gz`` or plain.

        Raises
        ------
        ManifestError
            If the file is missing, empty, a folder or not UTF-8 text.
        """
        lines = [(number, text) for number, text in enumerate(_text(path).splitlines(), 1) if text.strip()]
        if not lines:
            raise ManifestError(f"{path}: the file is empty", hint="expected one line a trial")
        first = lines[0][1]
        delimiter = "\t" if "\t" in first else "," if "," in first else ""
        header = tuple(cell.strip().lower() for cell in first.split(delimiter)) if delimiter else ()
        return cls(path, lines, delimiter, header)

    def column(self, *names: str) -> str | None:
        """The first of ``names`` that the header has."""
        return next((name for name in names if name in self.header), None)

    def id_column(self) -> str:
        """The column that names the trial.

        Raises
        ------
        ManifestError
            If there is none, or a column occurs twice.
        """
        found = self.column(*ID_COLUMNS)
        if found is None or len(set(self.header)) < len(self.header):
            what = "no column names the trial" if found is None else "a column occurs twice"
            raise ManifestError(
                f"{self.path}:1: {what}, found {', '.join(self.header)}", hint="known: " + ", ".join(ID_COLUMNS)
            )
        return found

    def records(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Each row below the header as ``("file:line", {column: cell})``."""
        reader = csv.reader(
            io.StringIO("\n".join(text for _, text in self.lines[1:])), delimiter=self.delimiter, strict=True
        )
        for number, text in self.lines[1:]:
            place = f"{self.path}:{number}"
            try:
                cells = next(reader, [])
            except csv.Error as error:
                raise ManifestError(f"{place}: not a valid table: {error}", hint="a cell may not span lines") from None
            if len(cells) != len(self.header):
                raise ManifestError(f"{place}: {len(cells)} cells, the header has {len(self.header)}: {text[:80]!r}")
            yield place, dict(zip(self.header, (cell.strip() for cell in cells), strict=True))


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8-sig")
    except FileNotFoundError:
        raise ManifestError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ManifestError(f"{path}: a folder, not a file of scores or labels") from None
    except (UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
        raise ManifestError(f"{path}: cannot be read as text: {error}") from None


def number_in(text: str, place: str, *, what: str = "score") -> float:
    """A number; anything else, NaN included, is an error with its place.

    Examples
    --------
    >>> number_in("-1.5e3", "s.txt:1")
    -1500.0
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise ManifestError(f"{place}: the {what} is {text!r}", hint="expected a number")
    return value


def label_in(word: str, place: str) -> str:
    """``bonafide`` or ``spoof``; another word is an error with its place.

    Examples
    --------
    >>> label_in("bona-fide", "meta.csv:2")
    'bonafide'
    """
    try:
        return LABEL_WORDS[word]
    except KeyError:
        raise ManifestError(f"{place}: unknown label {word!r}", hint="known: " + ", ".join(LABEL_WORDS)) from None
