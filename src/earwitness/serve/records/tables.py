"""The tables: ``entries`` is only appended to, ``records`` loses rows by deletion and expiry, ``heads`` are signed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData()

entries = Table(
    "entries",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("id", String(32), nullable=False),
    Column("content", String(64), nullable=False),
    Column("time", String(27), nullable=False),
    Column("actor", String(255), nullable=False),
    # two entries after the same one would be two chains
    Column("previous", String(64), nullable=False, unique=True),
    Column("hash", String(64), nullable=False, unique=True),
    UniqueConstraint("id", "kind"),
)

#: ``body`` is the canonical JSON that was hashed; the other columns repeat what is searched for
records = Table(
    "records",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("seq", BigInteger, nullable=False, unique=True),
    Column("created", String(27), nullable=False, index=True),
    Column("caller", String(255), nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("body", Text, nullable=False),
    Index("ix_records_caller_seq", "caller", "seq"),
)

heads = Table(
    "heads",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", String(64), nullable=False),
    Column("time", String(27), nullable=False),
    Column("key_id", String(32), nullable=False),
    Column("signature", String(128), nullable=False),
)
