"""A table of one's own: CSV, TSV, JSONL or Parquet with any column names and label words, as the user states them.

``root`` is the file; paths are relative to its folder. Without options it must be a manifest already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from earwitness.data.formats import read_records, row_from
from earwitness.data.manifest import Row
from earwitness.data.protocols import WORDS, label_of
from earwitness.errors import ManifestError

LICENCE = "the user's own"


def rows(
    root: Path, *, columns: Mapping[str, str] | None = None, words: Mapping[str, str] | None = None
) -> Iterator[Row]:
    """One row for each line of the table; columns that are not named are kept under their own names.

    Parameters
    ----------
    root:
        The table.
    columns:
        Manifest column -> name in the table, such as ``{"path": "file", "label": "class"}``.
    words:
        Label word of the table -> ``bonafide`` or ``spoof``, such as ``{"real": "bonafide", "fake": "spoof"}``.

    Raises
    ------
    ManifestError
        With file and line, for a column that is missing, an unknown label word, an empty path or a bad number.
    """
    columns = dict(columns or {})
    words = {**WORDS, **(words or {})}
    if wrong := {target for target in words.values() if target not in WORDS}:
        raise ManifestError(f"label words map to {min(wrong)!r}", hint="map to bonafide or spoof")
    names = {theirs: ours for ours, theirs in columns.items()}
    for line, record in read_records(root):
        place = f"{root}:{line}"
        for ours in {"path", "label", *columns}:
            theirs = columns.get(ours, ours)
            if theirs not in record:
                raise ManifestError(
                    f"{place}: no column {theirs!r}, found {', '.join(record)}",
                    hint=f"say which with --column {ours}=NAME",
                )
        renamed = {
            names.get(name, name): value for name, value in record.items() if names.get(name) or name not in columns
        }
        renamed["label"] = label_of(str(renamed["label"]), place, words)
        try:
            yield row_from(renamed)
        except ManifestError as error:
            raise ManifestError(f"{place}: {error.message}", hint=error.hint) from None
