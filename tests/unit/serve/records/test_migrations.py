"""The tables come out the same however old the database was."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from earwitness.errors import RecordError
from earwitness.serve.records import RecordStore, ScanRecord
from earwitness.serve.records import engine as engines
from earwitness.serve.records.checking import check
from earwitness.serve.records.tables import metadata

Make = Callable[..., ScanRecord]


def differences(url: str) -> list[object]:
    """What Alembic would still change so that the database has the tables of the code."""
    engine = create_engine(engines.address(url))
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
        # Alembic does not compare the constraints of SQLite by name, so they are looked for
        unique = {
            name: {tuple(u["column_names"]) for u in inspect(connection).get_unique_constraints(name)}
            for name in ("entries", "records")
        }
    engine.dispose()
    assert unique == {"entries": {("previous",), ("hash",), ("id", "kind")}, "records": {("seq",)}}
    return list(found)


def test_from_empty(url: str) -> None:
    RecordStore.open(url).close()
    assert differences(url) == []


def test_from_the_first_revision(url: str, make: Make) -> None:
    """Records that were made before heads were signed are still there, and still in the chain."""
    with RecordStore.open(url) as store:
        kept = [store.add(make(i)) for i in range(3)]
        with engines.writing(store.engine) as connection:
            engines.upgrade(connection, "head")
            engines.downgrade(connection, "0001")
        with engines.reading(store.engine) as connection:
            assert set(inspect(connection).get_table_names()) == {"alembic_version", "entries", "records"}
    with pytest.raises(RecordError) as error:
        RecordStore.open(url, migrate=False)
    assert error.value.code == "records-revision"
    with RecordStore.open(url) as store:
        assert list(store.all()) == kept
        assert check(store.engine).holds
    assert differences(url) == []


def test_all_the_way_back(url: str) -> None:
    with RecordStore.open(url) as store, engines.writing(store.engine) as connection:
        engines.downgrade(connection, "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]


def test_a_newer_database_is_left_alone(url: str, make: Make) -> None:
    with RecordStore.open(url) as store:
        store.add(make())
        with engines.writing(store.engine) as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(RecordError, match="newer earwitness"):
        RecordStore.open(url)


def test_a_half_made_migration_leaves_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second revision fails: neither it nor the first has happened, and the next start does both."""
    from alembic import op

    make = op.create_table

    def create(name: str, *columns: object) -> object:
        if name == "heads":
            raise RecordError("the power went off")
        return make(name, *columns)  # type: ignore[arg-type]

    monkeypatch.setattr(op, "create_table", create)
    with pytest.raises(RecordError, match="power"):
        RecordStore.open(url)
    monkeypatch.undo()
    engine = create_engine(engines.address(url))
    assert inspect(engine).get_table_names() == []
    engine.dispose()
    RecordStore.open(url).close()
    assert differences(url) == []


def test_a_check_makes_no_tables(url: str) -> None:
    with pytest.raises(RecordError):
        RecordStore.open(url if url.startswith("postgresql") else url + ".none", migrate=False)
