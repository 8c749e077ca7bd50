"""Reading and writing the rows of a manifest: CSV, TSV, JSONL with the standard library, Parquet through polars."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earwitness.data.files import replacing
from earwitness.data.manifest import COLUMNS, Manifest, Row
from earwitness.errors import ManifestError, MissingExtraError

if TYPE_CHECKING:
    import polars

FORMATS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".parquet": "parquet"}
_TEXT_COLUMNS = tuple(c for c in COLUMNS if c != "seconds")
_MOST_PROBLEMS = 5

Record = tuple[int, Mapping[str, Any]]


def format_of(path: Path) -> str:
    """``csv``, ``tsv``, ``jsonl`` or ``parquet`` by the suffix.

    Examples
    --------
    >>> format_of(Path("all.TSV"))
    'tsv'
    """
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise ManifestError(
            f"{path}: unknown kind of manifest {path.suffix!r}", hint="known: " + ", ".join(FORMATS)
        ) from None


def polars_or_error() -> Any:
    """The module ``polars``, or an error that names the extra."""
    try:
        import polars
    except ImportError:
        raise MissingExtraError("Parquet needs polars", hint="pip install 'earwitness[batch]'") from None
    return polars


def read_records(path: Path) -> Iterator[Record]:
    """Each row of a table as ``(line, {column: value})``, values as they stand in the file.

    Raises
    ------
    ManifestError
        For a file that is missing, empty, not UTF-8, or broken as CSV or JSON, with its line.
    """
    kind = format_of(path)
    try:
        if path.stat().st_size == 0:
            raise ManifestError(f"{path}: the file is empty", hint="expected a header and at least one row")
        if kind == "parquet":
            yield from _parquet(path)
            return
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _jsonl(path, file) if kind == "jsonl" else _delimited(path, file, kind)
    except FileNotFoundError:
        raise ManifestError(f"{path}: no such file", hint="make one with: earwitness data build") from None
    except IsADirectoryError:
        raise ManifestError(f"{path}: a folder, not a manifest", hint="earwitness data build folders FOLDER") from None
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}") from None


def _delimited(path: Path, file: Iterable[str], kind: str) -> Iterator[Record]:
    reader = csv.reader(file, delimiter="\t" if kind == "tsv" else ",", strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise ManifestError(f"{path}:1: column {twice[0]!r} occurs twice")
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise ManifestError(f"{path}:{reader.line_num}: {len(cells)} cells, the header has {len(header)}")
            yield reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise ManifestError(f"{path}:{reader.line_num}: not valid {kind.upper()}: {error}") from None


def _jsonl(path: Path, file: Iterable[str]) -> Iterator[Record]:
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        try:
            record = json.loads(text)
        except json.JSONDecodeError as error:
            raise ManifestError(f"{path}:{line}: not valid JSON: {error.msg} at column {error.colno}") from None
        if not isinstance(record, dict):
            raise ManifestError(f"{path}:{line}: expected an object, found {type(record).__name__}")
        yield line, record


def _parquet(path: Path) -> Iterator[Record]:
    pl = polars_or_error()
    try:
        frame: polars.DataFrame = pl.read_parquet(path)
    except Exception as error:  # polars raises several unrelated types for a broken file
        raise ManifestError(f"{path}: not a Parquet file that polars can read: {error}") from None
    yield from enumerate(frame.iter_rows(named=True), 1)


def row_from(record: Mapping[str, Any]) -> Row:
    """A :class:`Row` from the cells of one line.

    Raises
    ------
    ManifestError
        Without file and line, which the caller knows.

    Examples
    --------
    >>> row_from({"path": "a.wav", "label": "spoof", "seconds": "1.5", "mic": "4"}).extra
    {'mic': '4'}
    """
    values: dict[str, Any] = {}
    extra: dict[str, str] = {}
    for column, cell in record.items():
        if isinstance(cell, dict | list):
            raise ManifestError(f"column {column!r} holds a {type(cell).__name__}; a manifest is flat")
        text = "" if cell is None else str(cell)
        if column == "seconds":
            values["seconds"] = _number(text)
        elif column in _TEXT_COLUMNS:
            values[column] = text
        elif text:
            extra[column] = text
    return Row(**values, extra=extra)


def _number(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        raise ManifestError(f"seconds is {text!r}", hint="expected a finite number, 0 or more") from None


def read_rows(path: Path) -> tuple[list[Row], list[int]]:
    """All rows of a manifest file and the line of each, checked. See :func:`earwitness.data.manifest.read_manifest`."""
    rows: list[Row] = []
    lines: list[int] = []
    problems: list[tuple[str, str]] = []
    count = 0
    checked: set[frozenset[str]] = set()
    for line, record in read_records(path):
        if (columns := frozenset(record)) not in checked:
            _need_columns(f"{path}:{line if format_of(path) == 'jsonl' else 1}", columns)
            checked.add(columns)
        try:
            rows.append(row_from(record))
            lines.append(line)
        except ManifestError as error:
            count += 1
            if len(problems) <= _MOST_PROBLEMS:
                problems.append((f"{path}:{line}: {error.message}", error.hint))
    if problems:
        message, hint = problems[0]
        others = "; ".join(text for text, _ in problems[1:])
        more = f"{count - 1} more rows are wrong: {others}{' …' if count > len(problems) else ''}" if others else ""
        raise ManifestError(message, hint="; ".join(filter(None, (hint, more))))
    if not rows:
        raise ManifestError(f"{path}: no rows", hint="expected a header and at least one row")
    return rows, lines


def _need_columns(place: str, columns: frozenset[str]) -> None:
    lacking = [name for name in ("path", "label") if name not in columns]
    if lacking:
        found = ", ".join(sorted(columns)) or "nothing"
        raise ManifestError(
            f"{place}: no column {lacking[0]!r}, found {found}",
            hint="a table with other names: earwitness data build table FILE --path-column … --label-column …",
        )


def cells_of(row: Row, columns: Iterable[str]) -> dict[str, str]:
    """The cells of a row as text, in the order of ``columns``; numbers in their shortest exact form."""
    return {c: row.get(c) for c in columns}


def write_rows(manifest: Manifest, path: Path) -> None:
    """Write the rows in the format of the suffix. See :func:`earwitness.data.manifest.write_manifest`."""
    kind = format_of(path)
    columns = manifest.columns
    with replacing(path) as temporary:
        if kind == "parquet":
            pl = polars_or_error()
            series: dict[str, list[Any]] = {
                c: [r.seconds if c == "seconds" else r.get(c) for r in manifest] for c in columns
            }
            schema = {c: pl.Float64 if c == "seconds" else pl.String for c in columns}
            pl.DataFrame(series, schema=schema).write_parquet(temporary)
            return
        with temporary.open("w", encoding="utf-8", newline="") as file:
            if kind == "jsonl":
                for row in manifest:
                    cells: dict[str, Any] = {c: v for c, v in cells_of(row, columns).items() if v}
                    if row.seconds is not None:
                        cells["seconds"] = row.seconds
                    file.write(json.dumps(cells, ensure_ascii=False) + "\n")
                return
            writer = csv.DictWriter(file, columns, delimiter="\t" if kind == "tsv" else ",", lineterminator="\n")
            writer.writeheader()
            writer.writerows(cells_of(row, columns) for row in manifest)
