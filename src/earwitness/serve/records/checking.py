"""Does the chain hold? Finds what was edited, removed, inserted or reordered since the entries were made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, select

from earwitness.errors import RecordError
from earwitness.serve.records.engine import reading
from earwitness.serve.records.entry import DELETED, EXPIRED, GENESIS, SCAN, Entry
from earwitness.serve.records.heads import Head
from earwitness.serve.records.signing import PublicKey
from earwitness.serve.records.tables import entries, heads, records

#: faults that are listed; all are counted
MOST_FAULTS = 1000
_BATCH = 500


@dataclass(frozen=True)
class Fault:
    """Something that cannot be so if nobody touched the records.

    ``code`` is a stable word; ``seq`` and ``id`` say where, if that is known.
    """

    code: str
    message: str
    seq: int | None = None
    id: str | None = None


@dataclass
class Outcome:
    """What the check saw.

    Attributes
    ----------
    entries, records, deleted:
        Entries of the chain, records that are there, tombstones.
    head:
        Hash of the last entry; empty if there is none.
    signed:
        The newest signed head in the database whose signature was found good; 0 if none was, or none was checked.
    anchored:
        The newest anchor from outside that the chain agrees with; 0 without one.
    faults, count:
        The first :data:`MOST_FAULTS` faults, and how many there are.
    """

    entries: int = 0
    records: int = 0
    deleted: int = 0
    head: str = ""
    signed: int = 0
    anchored: int = 0
    faults: list[Fault] = field(default_factory=list)
    count: int = 0

    @property
    def holds(self) -> bool:
        """Whether no fault was found."""
        return self.count == 0

    def add(self, code: str, message: str, seq: int | None = None, id: str | None = None) -> None:
        """Note a fault."""
        self.count += 1
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(code, message, seq, id))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"holds": self.holds, **asdict(self)}


def check(
    engine: Engine, *, anchors: Sequence[Head] = (), keys: Sequence[PublicKey] = (), audio: Path | None = None
) -> Outcome:
    """Check the whole chain, in one moment of the database and in flat memory.

    Parameters
    ----------
    engine:
        Of the store.
    anchors:
        Signed heads that were kept elsewhere. They are believed: with ``keys`` only if one of them signed, without
        because of where they were kept.
    keys:
        Public keys that may have signed. With them, every signed head in the database must be good, and there must
        be one.
    audio:
        Folder of kept recordings, named by the ids of their records, to be compared with the SHA-256 in these.
    """
    outcome = Outcome()
    believed = _believed(outcome, anchors, keys)
    with reading(engine) as connection:
        kept = {head.seq: head for head in _heads(connection)}
        for head in kept.values():
            _signature(outcome, head, keys)
        if keys and not kept:
            outcome.add("no-signed-head", "no head of the chain is signed, though a key was given")
        _walk(connection, outcome, kept, believed)
        _unchained(connection, outcome)
        if audio is not None:
            _recordings(connection, outcome, audio)
    return outcome


def _believed(outcome: Outcome, anchors: Sequence[Head], keys: Sequence[PublicKey]) -> list[Head]:
    good = []
    for anchor in sorted(anchors, key=lambda a: a.seq):
        if keys and not any(anchor.signed_by(key) for key in keys if key.id == anchor.key_id):
            outcome.add("bad-anchor", f"the anchor at {anchor.seq} is not signed by a key that was given", anchor.seq)
        else:
            good.append(anchor)
    return good


def _signature(outcome: Outcome, head: Head, keys: Sequence[PublicKey]) -> None:
    if not keys:
        return
    if any(head.signed_by(key) for key in keys if key.id == head.key_id):
        outcome.signed = max(outcome.signed, head.seq)
    else:
        outcome.add("bad-signature", f"the head at {head.seq} is not signed by a key that was given", head.seq)


def _walk(connection: Connection, outcome: Outcome, kept: Mapping[int, Head], believed: Sequence[Head]) -> None:
    before, seen = GENESIS, 0
    anchors = {head.seq: head for head in believed}
    for row in _rows(connection):
        entry = Entry(**{f.name: row[f.name] for f in fields(Entry)})
        if type(entry.seq) is not int:
            # SQLite keeps any type in any column
            outcome.add("entry-changed", f"the number of an entry is {entry.seq!r}")
            continue
        if entry.seq == seen:
            outcome.add("twice", "a record was recorded or deleted more than once", entry.seq, entry.id)
            continue
        if entry.seq != seen + 1:
            outcome.add("gap", f"entries are missing between {seen} and {entry.seq}", entry.seq, entry.id)
        elif entry.previous != before:
            outcome.add("broken", "does not follow the entry before it", entry.seq, entry.id)
        if _expected(entry) != entry.hash:
            outcome.add("entry-changed", "the entry was changed", entry.seq, entry.id)
        for found, code in ((kept, "head"), (anchors, "anchor")):
            head = found.get(entry.seq)
            if head is not None and head.hash != entry.hash:
                outcome.add(f"{code}-differs", f"not the entry of which the {code} speaks", entry.seq, entry.id)
            elif head is not None and code == "anchor":
                outcome.anchored = entry.seq
        _content(outcome, entry, row)
        outcome.entries += 1
        before, seen = entry.hash, entry.seq
    outcome.head = before if outcome.entries else ""
    for code, found in (("head", kept), ("anchor", anchors)):
        for seq in sorted(s for s in found if s > seen):
            outcome.add("cut", f"the {code} speaks of entry {seq}, but the chain ends at {seen}", seq)


def _content(outcome: Outcome, entry: Entry, row: Mapping[str, Any]) -> None:
    """The record of an entry, or its tombstone, or for a tombstone its record."""
    body, other = row["body"], row["other_kind"]
    if entry.kind == SCAN:
        if body is not None:
            outcome.records += 1
            if other is not None:
                outcome.add("undeleted", "the record was deleted, yet it is there", entry.seq, entry.id)
            _body(outcome, entry, row)
        elif other is None:
            outcome.add("removed", "the record is gone without a tombstone", entry.seq, entry.id)
    elif entry.kind in (DELETED, EXPIRED):
        outcome.deleted += 1
        earlier = isinstance(row["other_seq"], int) and row["other_seq"] < entry.seq
        if other != SCAN or not earlier or row["other_content"] != entry.content:
            outcome.add("stray-tombstone", "a tombstone of a record that there never was", entry.seq, entry.id)
    else:
        outcome.add("unknown-kind", f"an entry of the kind {entry.kind!r}", entry.seq, entry.id)


def _body(outcome: Outcome, entry: Entry, row: Mapping[str, Any]) -> None:
    body = row["body"]
    if not isinstance(body, str) or hashlib.sha256(body.encode("utf-8", "replace")).hexdigest() != entry.content:
        outcome.add("record-changed", "the record was changed", entry.seq, entry.id)
        return
    try:
        data = json.loads(body)
        columns = {name: data[name] for name in ("created", "caller", "sha256")}
    except (ValueError, KeyError, TypeError, RecursionError):
        outcome.add("record-changed", "the record cannot be read", entry.seq, entry.id)
        return
    if columns != {name: row[name] for name in columns} or data.get("id") != entry.id or row["at"] != entry.seq:
        outcome.add("column-changed", "what is searched for is not what the record says", entry.seq, entry.id)


def _expected(entry: Entry) -> str | None:
    try:
        return entry.expected()
    except RecordError:
        return None


def _rows(connection: Connection) -> Iterator[Mapping[str, Any]]:
    """Every entry with its record, if it is there, and with the other entry on the same record."""
    other = entries.alias("other")
    query = (
        select(
            entries,
            records.c.body,
            records.c.created,
            records.c.caller,
            records.c.sha256,
            records.c.seq.label("at"),
            other.c.kind.label("other_kind"),
            other.c.seq.label("other_seq"),
            other.c.content.label("other_content"),
        )
        .outerjoin(records, (records.c.id == entries.c.id) & (entries.c.kind == SCAN))
        .outerjoin(other, (other.c.id == entries.c.id) & (other.c.seq != entries.c.seq))
        .order_by(entries.c.seq)
    )
    with connection.execute(query, execution_options={"yield_per": _BATCH}) as rows:
        for row in rows:
            yield dict(row._mapping)


def _heads(connection: Connection) -> Iterator[Head]:
    for row in connection.execute(select(heads).order_by(heads.c.seq)):
        yield Head(**row._mapping)


def _unchained(connection: Connection, outcome: Outcome) -> None:
    """Records that no entry speaks of."""
    chained = (entries.c.id == records.c.id) & (entries.c.kind == SCAN)
    query = select(records.c.id).outerjoin(entries, chained).where(entries.c.seq.is_(None))
    with connection.execute(query, execution_options={"yield_per": _BATCH}) as rows:
        for row in rows:
            outcome.records += 1
            outcome.add("inserted", "a record that is not in the chain", id=str(row.id))


def _recordings(connection: Connection, outcome: Outcome, folder: Path) -> None:
    """Kept recordings: each must have a record, and be what the record says."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise RecordError(f"{folder}: cannot be read: {error.strerror}") from None
    for path in paths:
        expected = connection.scalar(select(records.c.sha256).where(records.c.id == path.name))
        if expected is None:
            outcome.add("stray-recording", f"the kept recording {path.name} has no record")
            continue
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != expected:
            outcome.add("recording-changed", "the kept recording was changed", id=path.name)
