"""The store of records: add, look up, list, delete; every change is an entry of one chain."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, Engine, Select, delete, func, insert, select

from earwitness.errors import ConfigError, RecordError
from earwitness.serve.records.canonical import canonical
from earwitness.serve.records.engine import open_engine, reading, writing
from earwitness.serve.records.entry import DELETED, EXPIRED, GENESIS, SCAN, Entry, ScanRecord, now, printed, stamp
from earwitness.serve.records.heads import Head, last_head, sign_head
from earwitness.serve.records.signing import SigningKey
from earwitness.serve.records.tables import entries, records

#: records that one transaction of the retention takes away
_BATCH = 500
MOST_LISTED = 1000
#: entries between two signed heads
SIGN_EVERY = 100


class RecordStore:
    """Records in a database. Safe to use from several threads, processes and machines at once.

    Made by :meth:`open`; use it in a ``with`` block or :meth:`close` it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, RecordStore.open(f"{folder}/records.sqlite3") as store:
    ...     first = store.add(ScanRecord(caller="desk", filename="call.wav", sha256="0" * 64))
    ...     second = store.add(ScanRecord(caller="desk"))
    ...     second.previous == first.hash, [r.filename for r in store.list(sha256="0" * 64)]
    (True, ['call.wav'])
    """

    def __init__(
        self,
        engine: Engine,
        *,
        keep: timedelta | None = None,
        key: SigningKey | None = None,
        sign_every: int = SIGN_EVERY,
    ) -> None:
        self.engine = engine
        self._keep, self._key, self._every = keep, key, sign_every
        # threads queue here rather than inside the database, whose waiting is by sleeping
        self._writer = threading.Lock()

    @classmethod
    def open(
        cls,
        url: str,
        *,
        keep_days: float | None = None,
        signing_key: Path | None = None,
        sign_every: int = SIGN_EVERY,
        migrate: bool = True,
    ) -> RecordStore:
        """Open the records at ``url``; tables are made or brought up to date.

        Parameters
        ----------
        url:
            A path or ``sqlite:///PATH``, or ``postgresql://USER:PASSWORD@HOST/DATABASE``.
        keep_days:
            Days after which a record is deleted, leaving its tombstone; None keeps all. Looked at when opened and by
            :meth:`expire`, which a service that runs for long calls from time to time.
        signing_key:
            Ed25519 key (PEM) that signs the head of the chain every ``sign_every`` entries; None signs nothing.
        sign_every:
            Entries between two signed heads.
        migrate:
            Whether a database of an older version, or an empty one, is brought up to date; if not, it is an error.

        Raises
        ------
        ConfigError
            If a setting makes no sense.
        RecordError
            If the database cannot be opened, or is of a newer version.
        SignatureError
            If the key cannot be read.
        """
        if keep_days is not None and not 0 < keep_days <= 36_500:
            raise ConfigError(f"records cannot be kept for {keep_days} days", hint="more than 0, at most 36500")
        if sign_every < 1:
            raise ConfigError(f"a head cannot be signed every {sign_every} entries", hint="1 or more")
        key = None if signing_key is None else SigningKey.read(signing_key)
        keep = None if keep_days is None else timedelta(days=keep_days)
        store = cls(open_engine(url, migrate=migrate), keep=keep, key=key, sign_every=sign_every)
        if migrate:
            store.expire()
        return store

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    def __enter__(self) -> RecordStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, record: ScanRecord) -> ScanRecord:
        """Append ``record``; when this returns, it is on the disk.

        Returns
        -------
        ScanRecord
            The record as it was kept, with ``previous`` and ``hash``.

        Raises
        ------
        RecordError
            If the record is not one of a finished scan, its id is taken, or the database refuses.
        """
        record = record.checked()
        body = canonical(record.content())
        row = {name: getattr(record, name) for name in ("id", "created", "caller", "sha256")}
        with self._writer, writing(self.engine) as connection:
            entry = self._append(connection, SCAN, record.id, hashlib.sha256(body).hexdigest())
            connection.execute(insert(records).values(**row, seq=entry.seq, body=body.decode()))
        return replace(record, previous=entry.previous, hash=entry.hash)

    def get(self, id: str) -> ScanRecord | None:
        """The record ``id``; None if there is none, or none any more (:meth:`tombstone` tells which)."""
        with reading(self.engine) as connection:
            row = connection.execute(_whole().where(records.c.id == id)).one_or_none()
        return None if row is None else _read(row)

    def tombstone(self, id: str) -> Entry | None:
        """What a deleted record ``id`` has left: the entry of its deletion."""
        query = select(entries).where(entries.c.id == id, entries.c.kind != SCAN).order_by(entries.c.seq).limit(1)
        with reading(self.engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Entry(**row._mapping)

    def list(
        self, limit: int = 50, before: str | None = None, sha256: str | None = None, caller: str | None = None
    ) -> Sequence[ScanRecord]:
        """Records, newest first.

        Parameters
        ----------
        limit:
            At most so many, 1 to 1000.
        before:
            The id of a record, to go on behind it: those that were added before. It may have been deleted since.
        sha256, caller:
            Only records of this recording, of this caller.

        Raises
        ------
        RecordError
            With code ``no-record`` if there never was a record ``before``.
        """
        if not 1 <= limit <= MOST_LISTED:
            raise ConfigError(f"a limit of {limit} records", hint=f"1 to {MOST_LISTED}")
        query = _whole().order_by(records.c.seq.desc()).limit(limit)
        if sha256 is not None:
            query = query.where(records.c.sha256 == sha256)
        if caller is not None:
            query = query.where(records.c.caller == caller)
        with reading(self.engine) as connection:
            if before is not None:
                seq = connection.scalar(select(entries.c.seq).where(entries.c.id == before, entries.c.kind == SCAN))
                if seq is None:
                    raise _unknown(before)
                query = query.where(records.c.seq < seq)
            return [_read(row) for row in connection.execute(query)]

    def count(self) -> int:
        """How many records there are."""
        with reading(self.engine) as connection:
            return int(connection.scalar(select(func.count()).select_from(records)) or 0)

    def all(self) -> Iterator[ScanRecord]:
        """All records, oldest first, a few at a time; one moment of the database."""
        return (record for _, record in self.chain() if record is not None)

    def chain(self) -> Iterator[tuple[Entry, ScanRecord | None]]:
        """Every entry, oldest first, with its record if that is (still) there; one moment of the database."""
        held = (records.c.id == entries.c.id) & (entries.c.kind == SCAN)
        query = select(entries, records.c.body).outerjoin(records, held).order_by(entries.c.seq)
        batches = {"yield_per": _BATCH}
        with reading(self.engine) as connection, connection.execute(query, execution_options=batches) as rows:
            for row in rows:
                *values, body = row
                yield Entry(*values), None if body is None else _read(row)

    def delete(self, id: str, actor: str) -> Entry:
        """Delete the record ``id`` for good; its tombstone stays in the chain, with ``actor``.

        Raises
        ------
        RecordError
            With code ``no-record`` if there is none.
        """
        with self._writer, writing(self.engine) as connection:
            row = connection.execute(
                select(entries.c.content).where(entries.c.id == id, entries.c.kind == SCAN)
            ).first()
            gone = connection.execute(delete(records).where(records.c.id == id)).rowcount
            if row is None or not gone:
                raise _unknown(id)
            return self._append(connection, DELETED, id, row.content, actor=printed(actor))

    def expire(self, moment: datetime | None = None) -> int:
        """Delete what is older than ``keep_days`` at ``moment`` (now, if None); each leaves its tombstone.

        Returns
        -------
        int
            How many records were deleted.
        """
        if self._keep is None:
            return 0
        limit, total = stamp((moment or datetime.now(UTC)) - self._keep), 0
        old = (
            select(records.c.id, entries.c.content)
            .join(entries, (entries.c.id == records.c.id) & (entries.c.kind == SCAN))
            .where(records.c.created < limit)
            .order_by(records.c.seq)
            .limit(_BATCH)
        )
        while True:
            with self._writer, writing(self.engine) as connection:
                found = connection.execute(old).all()
                for row in found:
                    connection.execute(delete(records).where(records.c.id == row.id))
                    self._append(connection, EXPIRED, row.id, row.content)
            total += len(found)
            if len(found) < _BATCH:
                return total

    def sign(self) -> Head | None:
        """Sign the newest entry now, if it is not signed yet; the last signed head, None if there is none.

        Raises
        ------
        ConfigError
            If the store was opened without a key.
        """
        if self._key is None:
            raise ConfigError("the records were opened without a signing key", hint="name one, see earwitness keys")
        with self._writer, writing(self.engine) as connection:
            return sign_head(connection, self._key) or last_head(connection)

    def head(self) -> Head | None:
        """The newest signed head; None if there is none."""
        with reading(self.engine) as connection:
            return last_head(connection)

    def _append(self, connection: Connection, kind: str, id: str, content: str, *, actor: str = "") -> Entry:
        """The next entry of the chain; ``connection`` is in a transaction that is alone in writing."""
        query = select(entries.c.seq, entries.c.hash).order_by(entries.c.seq.desc()).limit(1)
        head = connection.execute(query).first()
        seq, previous = (head.seq + 1, head.hash) if head is not None else (1, GENESIS)
        entry = Entry(seq, kind, id, content, now(), actor, previous).sealed()
        connection.execute(insert(entries).values(**asdict(entry)))
        if self._key is not None:
            sign_head(connection, self._key, every=self._every)
        return entry


def _whole() -> Select[Any]:
    chained = (entries.c.id == records.c.id) & (entries.c.kind == SCAN)
    return select(records.c.id, records.c.body, entries.c.content, entries.c.previous, entries.c.hash).join(
        entries, chained
    )


def _read(row: Any) -> ScanRecord:
    if hashlib.sha256(str(row.body).encode()).hexdigest() != row.content:
        raise RecordError(
            f"record {printed(str(row.id))} was changed after it was made",
            hint="run earwitness records verify; the table itself can still be read with SQL",
            code="record-changed",
        )
    return ScanRecord(**json.loads(row.body), previous=row.previous, hash=row.hash)


def _unknown(id: str) -> RecordError:
    return RecordError(f"there is no record {printed(id)}", hint="it may have been deleted", code="no-record")
