"""Records as files: CSV for people, JSONL with the whole chain for programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TextIO

from earwitness.serve.records.entry import ScanRecord
from earwitness.serve.records.store import RecordStore

#: column -> where it stands in the record
COLUMNS = {
    **{name: (name,) for name in ("id", "created", "state", "caller", "filename", "sha256")},
    **{name: ("verdict", name) for name in ("label", "llr", "probability", "prior", "reason", "channel")},
    "duration": ("verdict", "source", "duration"),
    "container": ("verdict", "source", "container"),
    "codec": ("verdict", "source", "codec"),
    "speech_seconds": ("verdict", "quality", "speech_seconds"),
    "detector": ("detector", "id"),
    "detector_version": ("detector", "version"),
    "detector_sha256": ("detector", "sha256"),
    "detector_settings": ("detector", "settings"),
    "error_code": ("error", "code"),
    "error_message": ("error", "message"),
    "previous": ("previous",),
    "hash": ("hash",),
}


def write_csv(store: RecordStore, file: TextIO) -> int:
    """One line per record, oldest first, and a header; how many records there were.

    Text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    count = 0
    for record in store.all():
        data = record.to_dict()
        writer.writerow([cell(_at(data, path)) for path in COLUMNS.values()])
        count += 1
    return count


def write_jsonl(store: RecordStore, file: TextIO) -> int:
    """One line per entry of the chain, oldest first, with its record if that is there; how many entries there were.

    A line holds what is needed to check the chain without the database: see ``docs/records.md``.
    """
    count = 0
    for entry, record in store.chain():
        line = {**asdict(entry), "record": record.content() if isinstance(record, ScanRecord) else None}
        file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
        count += 1
    return count


def cell(value: Any) -> Any:
    """A value as a spreadsheet may safely open it.

    Examples
    --------
    >>> cell("=HYPERLINK(1)"), cell(-1.5), cell(None)
    ("'=HYPERLINK(1)", -1.5, '')
    """
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value


def _at(data: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        data = data.get(name) if isinstance(data, Mapping) else None
    return data
