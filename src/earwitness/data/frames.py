"""Manifests of millions of rows: check, filter and count without holding a Python object per row. Needs polars.

Everything here streams: files are scanned, not read, and what is written is written as it comes.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earwitness.data.files import replacing
from earwitness.data.formats import format_of, polars_or_error
from earwitness.data.manifest import LABELS
from earwitness.errors import ManifestError

if TYPE_CHECKING:
    import polars

_ROW = "row number of the manifest"


def scan(path: Path) -> polars.LazyFrame:
    """The manifest as a lazy table of text columns.

    Raises
    ------
    ManifestError
        If the file is missing, is not readable, or has no ``path`` or ``label``.
    MissingExtraError
        Without polars.
    """
    pl = polars_or_error()
    kind = format_of(path)
    frame: polars.LazyFrame
    if not path.is_file():
        raise ManifestError(f"{path}: no such file")
    try:
        if kind == "parquet":
            frame = pl.scan_parquet(path)
        elif kind == "jsonl":
            frame = pl.scan_ndjson(path, infer_schema_length=None)
        else:
            frame = pl.scan_csv(path, separator="\t" if kind == "tsv" else ",", infer_schema=False)
        names = frame.collect_schema().names()
    except pl.exceptions.PolarsError as error:
        raise ManifestError(f"{path}: not readable as {kind}: {error}") from None
    lacking = [name for name in ("path", "label") if name not in names]
    if lacking:
        raise ManifestError(f"{path}:1: no column {lacking[0]!r}, found {', '.join(names)}")
    frame = frame.select(pl.all().cast(pl.String))
    return frame if "id" in names else frame.with_columns(id=pl.col("path"))


def check(path: Path, *, most: int = 20) -> list[str]:
    """What is wrong with the rows of a manifest, with file and line; empty when nothing is.

    The same rules as :func:`earwitness.data.manifest.read_manifest`, for tables that are too large for it. Lines are
    counted by row, so a CSV with line breaks inside cells is off by those.

    Parameters
    ----------
    path:
        The manifest.
    most:
        Stop listing after so many problems.
    """
    pl = polars_or_error()
    first = {"csv": 2, "tsv": 2}.get(format_of(path), 1)
    frame = scan(path).with_row_index(_ROW)
    names = frame.collect_schema().names()
    broken = {
        "the path is empty": pl.col("path").fill_null("") == "",
        "unknown label": ~pl.col("label").is_in(list(LABELS)).fill_null(False),
    }
    if "seconds" in names:
        number = pl.col("seconds").cast(pl.Float64, strict=False)
        given = pl.col("seconds").fill_null("") != ""
        broken["seconds is not a finite number, 0 or more"] = given & ~((number >= 0) & number.is_finite()).fill_null(
            False
        )
    problems: list[tuple[int, str]] = []
    for what, condition in broken.items():
        shown = pl.col("label" if what == "unknown label" else "id")
        for row, value in (
            frame.filter(condition).select(_ROW, shown).head(most).collect(engine="streaming").iter_rows()
        ):
            problems.append((row, f"{path}:{row + first}: {what} {value!r}"))
    # Hashes first: sixteen bytes a row instead of every id; then the few candidates by name.
    hashed = frame.select(pl.col("id").hash().alias("id"))
    twice = hashed.group_by("id").len().filter(pl.col("len") > 1).select("id").collect(engine="streaming")["id"]
    if len(twice):
        candidates = frame.filter(pl.col("id").hash().is_in(twice.implode()))
        named = candidates.group_by("id").agg(pl.col(_ROW).sort()).filter(pl.col(_ROW).list.len() > 1)
        for name, rows in named.head(most).collect(engine="streaming").iter_rows():
            problems.append(
                (rows[1], f"{path}:{rows[1] + first}: id {name!r} stands already in line {rows[0] + first}")
            )
    return [text for _, text in sorted(problems)[:most]]


def missing(path: Path, root: Path) -> Iterator[tuple[int, str]]:
    """Line and path of each row whose file does not exist, relative paths taken from ``root``."""
    first = {"csv": 2, "tsv": 2}.get(format_of(path), 1)
    paths = scan(path).select("path").collect(engine="streaming")["path"]
    for index, name in enumerate(paths):
        if not (root / (name or "")).is_file():
            yield index + first, name


def filter_file(
    path: Path,
    out: Path,
    *,
    where: Mapping[str, Collection[str]] | None = None,
    without: Mapping[str, Collection[str]] | None = None,
) -> int:
    """Write the rows that match to another manifest, of any format; returns how many.

    Parameters
    ----------
    path, out:
        From, to. Relative paths are rewritten when ``out`` lies in another folder.
    where:
        Column -> allowed values, all of which must hold.
    without:
        Column -> values of which none may hold.

    Raises
    ------
    ManifestError
        If a column does not exist or no row is left.
    """
    pl = polars_or_error()
    frame = scan(path)
    names = frame.collect_schema().names()
    for column in (*(where or {}), *(without or {})):
        if column not in names:
            raise ManifestError(f"{path}: no column {column!r}", hint="has: " + ", ".join(names))
    for column, values in (where or {}).items():
        frame = frame.filter(pl.col(column).fill_null("").is_in(list(values)))
    for column, values in (without or {}).items():
        frame = frame.filter(~pl.col(column).fill_null("").is_in(list(values)))
    if start := _start(path, out):
        moved = pl.lit(start) + pl.col("path")
        frame = frame.with_columns(path=pl.when(pl.col("path").str.starts_with("/")).then("path").otherwise(moved))
    count = int(frame.select(pl.len()).collect(engine="streaming").item())
    if not count:
        raise ManifestError(f"{path}: no row matches", hint="earwitness data stats shows the values")
    if "seconds" in names:
        frame = frame.with_columns(pl.col("seconds").replace("", None).cast(pl.Float64))
    with replacing(out) as temporary:
        kind = format_of(out)
        if kind == "parquet":
            frame.sink_parquet(temporary)
        elif kind == "jsonl":
            frame.sink_ndjson(temporary)
        else:
            frame.sink_csv(temporary, separator="\t" if kind == "tsv" else ",")
    return count


def _start(path: Path, out: Path) -> str:
    """What has to stand before relative paths when a manifest moves; empty when nothing has to."""
    old, new = os.path.abspath(path.parent), os.path.abspath(out.parent)
    if old == new:
        return ""
    return (os.path.relpath(old, new) if old.startswith(new.rstrip("/") + "/") else old).rstrip("/") + "/"


def stats(path: Path, by: Sequence[str] = ("split", "label")) -> list[dict[str, Any]]:
    """Clips, hours, speakers, systems and sources for each combination of the given columns, sorted.

    Parameters
    ----------
    path:
        The manifest.
    by:
        Columns; those that the manifest does not have are an error.

    Returns
    -------
    list of dict
        The columns of ``by``, then ``clips``, ``hours`` (``None`` without ``seconds``), ``speakers``, ``systems``,
        ``sources`` (how many different, without the empty one).
    """
    pl = polars_or_error()
    frame = scan(path)
    names = frame.collect_schema().names()
    for column in by:
        if column not in names:
            raise ManifestError(f"{path}: no column {column!r}", hint="has: " + ", ".join(names))
    numbers = [pl.len().alias("clips")]
    if "seconds" in names:
        numbers.append((pl.col("seconds").cast(pl.Float64, strict=False).sum() / 3600).alias("hours"))
    for column in ("speaker", "system", "source"):
        if column in names and column not in by:
            value = pl.col(column)
            numbers.append(value.filter(value.fill_null("") != "").n_unique().alias(column + "s"))
    table = frame.with_columns(pl.col(list(by)).fill_null("")).group_by(list(by)).agg(numbers).sort(list(by))
    return list(table.collect(engine="streaming").iter_rows(named=True))
