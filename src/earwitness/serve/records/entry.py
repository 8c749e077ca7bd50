"""What is recorded: a record per finished scan, and the entries of the chain that make records tamper-evident."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

from earwitness.errors import RecordError
from earwitness.serve.records.canonical import clean, digest

#: a record is of a scan that has come to its end; what is queued or running is no record yet
STATES = ("done", "failed", "cancelled")
#: entries of the chain: a record was made, deleted by someone, or deleted because its time was over
SCAN, DELETED, EXPIRED = "scan", "deleted", "expired"
#: ``previous`` of the first entry
GENESIS = "0" * 64
LONGEST_NAME = 255


def now() -> str:
    """This moment, UTC, ISO 8601 with microseconds: text that sorts by time.

    Examples
    --------
    >>> len(now()), now()[-1]
    (27, 'Z')
    """
    return stamp(datetime.now(UTC))


def stamp(time: datetime) -> str:
    """``time`` as records carry it.

    Examples
    --------
    >>> stamp(datetime(2026, 1, 2, tzinfo=UTC))
    '2026-01-02T00:00:00.000000Z'
    """
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True)
class ScanRecord:
    """One scan that has come to its end.

    Attributes
    ----------
    state:
        ``done``, ``failed`` or ``cancelled``.
    caller:
        Who asked: the name of an API key, never the key.
    filename:
        The name that the caller gave to the recording; to be shown, never to be opened.
    sha256:
        Of the recording as it came, in hexadecimal; empty if it did not come to its end.
    detector:
        ``id``, ``version`` and ``sha256`` of the detector; None if none was asked.
    verdict:
        The verdict's dictionary as it was answered, signature included; None unless ``done``.
    error:
        ``code``, ``message`` and ``hint``; None if ``done``.
    id, created:
        32 hexadecimal digits; UTC in ISO 8601. Made here unless given.
    previous, hash:
        Hash of the chain's entry before this one, and of this one; empty until the store has added the record.

    Examples
    --------
    >>> record = ScanRecord(state="failed", caller="desk", error={"code": "audio", "message": "no sound", "hint": ""})
    >>> len(record.id), record.hash
    (32, '')
    """

    state: str = "done"
    caller: str = ""
    filename: str = ""
    sha256: str = ""
    detector: Mapping[str, Any] | None = None
    verdict: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: str = field(default_factory=now)
    previous: str = ""
    hash: str = ""

    def content(self) -> dict[str, Any]:
        """What the hash is of: everything but ``previous`` and ``hash``."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("previous", "hash")}

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON has them."""
        return {**self.content(), "previous": self.previous, "hash": self.hash}

    def checked(self) -> ScanRecord:
        """This record as it can be kept: a name that can be shown, text that every database takes.

        Raises
        ------
        RecordError
            With code ``record`` if a field is not what it must be.
        """
        if self.state not in STATES:
            raise RecordError(
                f"record {self.id}: the state {self.state!r} is not an end",
                hint=f"a record is made once, with one of {', '.join(STATES)}",
                code="record",
            )
        if len(self.id) != 32 or not set(self.id) <= set("0123456789abcdef"):
            raise RecordError(f"a record has the id {self.id!r}", hint="32 hexadecimal digits", code="record")
        if self.sha256 and (len(self.sha256) != 64 or not set(self.sha256) <= set("0123456789abcdef")):
            raise RecordError(f"record {self.id}: sha256 is {self.sha256!r}", hint="64 or none", code="record")
        try:
            created = stamp(datetime.fromisoformat(self.created))
        except ValueError:
            raise RecordError(
                f"record {self.id}: created at {self.created!r}", hint="ISO 8601", code="record"
            ) from None
        changed = {name: clean(value) for name, value in self.content().items()}
        return replace(
            self, **{**changed, "created": created, "filename": shown(self.filename), "caller": printed(self.caller)}
        )


@dataclass(frozen=True)
class Entry:
    """One link of the chain. Entries are only ever appended; a deleted record leaves its ``scan`` entry behind.

    Attributes
    ----------
    seq:
        1, 2, 3, … without gaps.
    kind:
        ``scan``, ``deleted`` or ``expired``.
    id, content:
        Of the record, and the hash of what it holds or held.
    time, actor:
        When the entry was made (UTC), and who deleted; ``actor`` is empty for scans.
    previous, hash:
        Hash of the entry before, and of this one.

    Examples
    --------
    >>> first = Entry(1, SCAN, "0" * 32, "f" * 64, "2026-01-02T00:00:00.000000Z", "", GENESIS).sealed()
    >>> first.hash == first.expected()
    True
    """

    seq: int
    kind: str
    id: str
    content: str
    time: str
    actor: str
    previous: str
    hash: str = ""

    def expected(self) -> str:
        """The hash that this entry must have."""
        return digest({f.name: getattr(self, f.name) for f in fields(self) if f.name != "hash"})

    def sealed(self) -> Entry:
        """This entry with its hash."""
        return replace(self, hash=self.expected())


def shown(name: str) -> str:
    """The name of a file for people: no folders, and as :func:`printed`.

    Examples
    --------
    >>> shown("../../etc/hosts"), shown("C:" + chr(92) + "clip.wav")
    ('hosts', 'clip.wav')
    """
    return printed(name.replace("\\", "/").rpartition("/")[2])


def printed(name: str) -> str:
    """A name that steers neither a terminal nor a database, and is not endless.

    Examples
    --------
    >>> printed("a" + chr(0) + "b") == "a" + chr(0xFFFD) + "b", len(printed("a" * 1000))
    (True, 255)
    """
    return "".join(c if c.isprintable() else "\ufffd" for c in name)[:LONGEST_NAME]
