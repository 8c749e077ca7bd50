"""Records in either database, and keys."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgres import Unavailable, server

pytest.importorskip("sqlalchemy", reason="the extra [serve] is not installed")

from sqlalchemy import event
from sqlalchemy.pool import Pool

from earwitness.serve.records import RecordStore, ScanRecord
from earwitness.serve.records.signing import PublicKey, SigningKey

_NUMBERS = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """What these tests write need not outlive a power cut; hundreds of flushes take minutes on a busy disk."""

    def hurry(connection: object, *_: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Pool, "checkout", hurry)
    yield
    event.remove(Pool, "checkout", hurry)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The folder of the socket of a running PostgreSQL server."""
    try:
        running = server()
        folder = running.__enter__()
    except Unavailable as why:
        pytest.skip(str(why))
    yield folder
    running.__exit__(None, None, None)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/records.sqlite"
    import psycopg

    folder, name = request.getfixturevalue("postgres"), f"test{next(_NUMBERS)}"
    with psycopg.connect(f"host={folder} user=earwitness dbname=postgres", autocommit=True) as connection:
        # a schema of its own is as empty as a database of its own, and made at once
        connection.execute(f"CREATE SCHEMA {name}")
    return f"postgresql://earwitness@/postgres?host={folder}&options=-csearch_path%3D{name}"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A private signing key."""
    SigningKey.create(tmp_path / "key.pem")
    return tmp_path / "key.pem"


@pytest.fixture
def public(key_file: Path) -> PublicKey:
    """Its public half."""
    return PublicKey.read(key_file)


@pytest.fixture
def make() -> Callable[..., ScanRecord]:
    """A record with the least that a finished scan has."""

    def record(number: int = 0, **fields: object) -> ScanRecord:
        verdict = {"path": f"{number}.wav", "label": "likely human", "llr": -number - 0.5}
        return ScanRecord(
            **{
                "caller": "desk",
                "filename": f"{number}.wav",
                "sha256": f"{number:064x}",
                "detector": {"id": "default", "version": "1", "sha256": "0" * 64, "settings": "1" * 64},
                "verdict": verdict,
                **fields,
            }
        )  # type: ignore[arg-type]

    return record


@pytest.fixture
def filled(url: str, key_file: Path, make: Callable[..., ScanRecord]) -> str:
    """A database with twelve records, the fourth deleted, a head signed every five entries."""
    return _fill(url, key_file, make)


@pytest.fixture
def filled_file(tmp_path: Path, key_file: Path, make: Callable[..., ScanRecord]) -> str:
    """The same in SQLite only, for what does not depend on the database."""
    return _fill(f"sqlite:///{tmp_path}/filled.sqlite", key_file, make)


def _fill(url: str, key_file: Path, make: Callable[..., ScanRecord]) -> str:
    with RecordStore.open(url, signing_key=key_file, sign_every=5) as store:
        ids = [store.add(make(i)).id for i in range(12)]
        store.delete(ids[3], "admin")
    return url
