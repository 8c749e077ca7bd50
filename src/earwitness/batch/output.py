"""The file that a batch leaves: Parquet, JSONL or CSV, written as a whole, and read back to be added to."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from earwitness.batch.rows import COLUMNS, Row, from_text
from earwitness.data.files import replacing
from earwitness.errors import ConfigError, MissingExtraError
from earwitness.registry import find

#: suffix -> class with ``write(path, rows)`` and ``read(path)``
OUTPUTS = {
    ".parquet": "earwitness.batch.output:Parquet",
    ".jsonl": "earwitness.batch.output:Jsonl",
    ".csv": "earwitness.batch.output:Csv",
}
_AT_ONCE = 10_000


def kind_of(out: Path) -> Any:
    """The writer and reader for an output, by its suffix; what it needs is installed.

    Raises
    ------
    ConfigError
        For another suffix.
    MissingExtraError
        For Parquet without the extra ``batch``.
    """
    if out.suffix.lower() not in OUTPUTS:
        raise ConfigError(f"{out}: unknown kind of output {out.suffix!r}", hint="known: " + ", ".join(OUTPUTS))
    return find(OUTPUTS, out.suffix.lower())()


def write(out: Path, rows: Iterable[Row]) -> None:
    """Write rows to ``out``, which is replaced as a whole or not at all."""
    kind = kind_of(out)
    with replacing(out) as temporary:
        kind.write(temporary, rows)


class Jsonl:
    """One JSON object a line."""

    def write(self, path: Path, rows: Iterable[Row]) -> None:
        """Write all rows."""
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, allow_nan=False) + "\n" for row in rows)

    def read(self, path: Path) -> Iterator[Row]:
        """All rows."""
        with path.open(encoding="utf-8") as file:
            yield from map(json.loads, file)


class Csv:
    """Commas and a header; what is not known is empty."""

    def write(self, path: Path, rows: Iterable[Row]) -> None:
        """Write all rows."""
        # names may hold bytes that are no text; they come back as they were
        with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def read(self, path: Path) -> Iterator[Row]:
        """All rows."""
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            yield from map(from_text, csv.DictReader(file))


class Parquet:
    """Columns with their types, compressed with zstd, in row groups of :data:`_AT_ONCE`."""

    def __init__(self) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise MissingExtraError("Parquet needs pyarrow", hint="pip install 'earwitness[batch]'") from None
        self._arrow, self._parquet = pyarrow, pyarrow.parquet
        types = {str: pyarrow.string(), float: pyarrow.float64(), int: pyarrow.int64()}
        self.schema = pyarrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])

    def write(self, path: Path, rows: Iterable[Row]) -> None:
        """Write all rows; a name that is no text is written with its bytes as codes."""
        rows = iter(rows)
        with self._parquet.ParquetWriter(path, self.schema, compression="zstd") as writer:
            while part := list(islice(rows, _AT_ONCE)):
                table = self._arrow.Table.from_pylist([_as_text(row) for row in part], schema=self.schema)
                writer.write_table(table)

    def read(self, path: Path) -> Iterator[Row]:
        """All rows."""
        with self._parquet.ParquetFile(path) as file:
            for part in file.iter_batches(batch_size=_AT_ONCE):
                yield from part.to_pylist()


def _as_text(row: Row) -> Row:
    return {k: v.encode("utf-8", "backslashreplace").decode() if isinstance(v, str) else v for k, v in row.items()}
