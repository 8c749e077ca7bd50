"""One row a recording: the same flat columns in Parquet, JSONL and CSV, whoever scored it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from earwitness.batch.items import Item
from earwitness.verdict import Verdict, finite

Row = dict[str, Any]

#: column -> str, float or int; what is not known is null (empty in CSV)
COLUMNS: dict[str, type] = {
    "id": str,
    "path": str,
    "label": str,
    "verdict": str,
    "llr": float,
    "probability": float,
    "seconds": float,
    "speech_seconds": float,
    "windows": int,
    "spans": str,
    "reason": str,
    "warnings": str,
    "channel": int,
    "container": str,
    "codec": str,
    "rate": int,
    "channels": int,
    "bit_rate": int,
    "size": int,
    "sha256": str,
    "level_db": float,
    "snr_db": float,
    "bandwidth_hz": float,
    "music_share": float,
    "detector": str,
    "error_code": str,
    "error": str,
}
_FROM_SOURCE = ("container", "codec", "rate", "channels", "bit_rate", "size", "sha256")
_FROM_QUALITY = ("level_db", "snr_db", "bandwidth_hz", "music_share")


def row_of(item: Item, verdict: Verdict) -> Row:
    """The row of a recording that was scanned.

    ``spans`` is JSON, ``[[start, end, llr], …]`` in seconds; ``warnings`` are joined by ``"; "``.

    Examples
    --------
    >>> from earwitness.errors import AudioError
    >>> verdict = Verdict.failed("a.wav", AudioError("a.wav: no such file", code="missing-file"))
    >>> row = row_of(Item("a", "a.wav"), verdict)
    >>> row["id"], row["error_code"], row["llr"]
    ('a', 'missing-file', None)
    """
    if verdict.error is not None:
        return failed(item, verdict.error)
    detector = verdict.detector
    spans = [[round(s.start, 3), round(s.end, 3), round(s.llr, 4)] for s in verdict.spans]
    found: Row = {
        "verdict": verdict.label,
        "llr": verdict.llr,
        "probability": verdict.probability,
        "seconds": verdict.quality.get("seconds"),
        "speech_seconds": verdict.quality.get("speech_seconds"),
        "windows": len(verdict.windows),
        "spans": json.dumps(spans) if spans else None,
        "reason": verdict.reason,
        "warnings": "; ".join(verdict.warnings) or None,
        "channel": verdict.channel,
        **{name: verdict.source.get(name) for name in _FROM_SOURCE},
        **{name: verdict.quality.get(name) for name in _FROM_QUALITY},
        "detector": " ".join([detector["id"], detector["version"], detector["sha256"][:12], detector["settings"][:12]]),
    }
    return _whole(item, found)


def failed(item: Item, error: Mapping[str, str]) -> Row:
    """The row of a recording that could not be scanned; ``error`` has ``code``, ``message`` and ``hint``."""
    message = error["message"] + (f" ({error['hint']})" if error.get("hint") else "")
    return _whole(item, {"error_code": error["code"], "error": message})


def _whole(item: Item, found: Mapping[str, Any]) -> Row:
    names = {"id": item.id, "path": item.path, "label": item.label or None}
    return {name: _plain({**names, **found}.get(name), kind) for name, kind in COLUMNS.items()}


def _plain(value: Any, kind: type) -> Any:
    if value is None:
        return None
    return finite(value) if kind is float else kind(value)


def dumped(row: Row) -> str:
    """The row as one line of JSON, all in ASCII: file names may hold bytes that are no text."""
    return json.dumps(row, allow_nan=False, ensure_ascii=True)


def from_text(cells: Mapping[str, str]) -> Row:
    """The row in a line of CSV.

    Examples
    --------
    >>> row = from_text({"id": "a", "path": "a.wav", "llr": "-1.5", "windows": "3", "reason": ""})
    >>> row["llr"], row["windows"], row["reason"]
    (-1.5, 3, None)
    """
    return {name: kind(text) if (text := cells.get(name) or "") else None for name, kind in COLUMNS.items()}
