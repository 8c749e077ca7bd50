"""Records of scans that can be trusted: kept in a database, chained by hashes, signed, and checked from outside.

``docs/records.md`` says what the chain proves and what it cannot find.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "Entry": "earwitness.serve.records.entry",
    "ScanRecord": "earwitness.serve.records.entry",
    "RecordStore": "earwitness.serve.records.store",
}

__all__ = [*_PUBLIC]

if TYPE_CHECKING:
    from earwitness.serve.records.entry import Entry as Entry
    from earwitness.serve.records.entry import ScanRecord as ScanRecord
    from earwitness.serve.records.store import RecordStore as RecordStore


def __getattr__(name: str) -> Any:
    try:
        module = _PUBLIC[name]
    except KeyError:
        raise AttributeError(f"module 'earwitness.serve.records' has no attribute {name!r}") from None
    return getattr(import_module(module), name)
