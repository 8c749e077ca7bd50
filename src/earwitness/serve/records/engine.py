"""The database behind the records: SQLite in a file or PostgreSQL, one writer at a time, tables brought up to date."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from earwitness.errors import ConfigError, EarwitnessError, MissingExtraError, RecordError

#: seconds that a writer waits for the writers before it
PATIENCE = 30
#: who holds this advisory lock of the database may append to the chain (PostgreSQL)
_LOCK = 0x65617277
_MIGRATIONS = Path(__file__).parent / "migrations"


def address(url: str) -> URL:
    """The database that ``url`` names; a plain path is an SQLite file, ``postgresql:`` goes by psycopg.

    Raises
    ------
    ConfigError
        If it names neither.

    Examples
    --------
    >>> address("records.sqlite3").database, address("postgresql://db/earwitness").drivername
    ('records.sqlite3', 'postgresql+psycopg')
    """
    try:
        found = make_url(url) if "://" in url else URL.create("sqlite", database=url)
    except (ArgumentError, ValueError):
        raise ConfigError("the address of the records cannot be read", hint=_FORMS) from None
    kind = found.get_backend_name()
    if kind == "postgresql":
        return found.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise ConfigError(f"records are not kept in {kind}", hint=_FORMS)
    if not found.database or found.database == ":memory:" or found.database.startswith("file:"):
        raise ConfigError("records need a file: what is in memory only proves nothing tomorrow", hint=_FORMS)
    return found


_FORMS = "give a path, sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE"


def open_engine(url: str, *, migrate: bool = True) -> Engine:
    """An engine for ``url``; an SQLite file is made if it is not there, readable for its owner alone.

    Raises
    ------
    ConfigError
        If ``url`` names no database that can hold records.
    RecordError
        If it cannot be opened, or was written by a newer version of this package.
    """
    where = address(url)
    settings: dict[str, Any] = {"hide_parameters": True}
    if where.get_backend_name() == "sqlite":
        _touch(Path(str(where.database)), make=migrate)
        settings["connect_args"] = {"timeout": PATIENCE}
    else:
        settings |= {"pool_pre_ping": True, "connect_args": {"connect_timeout": PATIENCE}}
    try:
        engine = create_engine(where, **settings)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"PostgreSQL needs the package {error.name}", hint="pip install 'earwitness[serve]'"
        ) from None
    if where.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
    try:
        _bring_up(engine, migrate=migrate)
    except EarwitnessError:
        engine.dispose()
        raise
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one moment of the database, whatever is written meanwhile."""
    level = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with _told(engine), engine.connect().execution_options(**level) as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that is alone in appending: other threads, processes and machines wait for its end."""
    with _told(engine), engine.connect().execution_options(writes=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT set_config('lock_timeout', :wait, true)"), {"wait": f"{PATIENCE}s"})
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        yield connection


@contextmanager
def _told(engine: Engine) -> Iterator[None]:
    """What the database refuses becomes an error of this package, without passwords and without what was stored."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()
        where = engine.url.render_as_string(hide_password=True)
        raise RecordError(
            f"{where}: {cause[0] if cause else type(error).__name__}",
            hint="look whether the database runs, has room, and may be written by this user",
        ) from None


def _touch(path: Path, *, make: bool) -> None:
    try:
        if make:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        else:
            os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        hint = "the folder must exist and be writable" if make else "name the file that the service writes"
        raise RecordError(f"{path}: {error.strerror}", hint=hint) from None


def _prepare(connection: sqlite3.Connection, _: Any) -> None:
    """Settings of one SQLite connection; transactions are begun by :func:`_begin`, not by the driver."""
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: what add() has returned is on the disk
    connection.execute("PRAGMA synchronous = FULL")
    # what is deleted is overwritten, not only unlinked
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA trusted_schema = OFF")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _bring_up(engine: Engine, *, migrate: bool) -> None:
    """Run the migrations that the database lacks; only one process does."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = _config()
    known = ScriptDirectory.from_config(config)
    newest = known.get_current_head()
    with writing(engine) if migrate else reading(engine) as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        if current == newest:
            return
        if current is not None and current not in {script.revision for script in known.walk_revisions()}:
            raise RecordError(
                f"{engine.url.render_as_string()}: tables of revision {current}, which this version does not know",
                hint="they were written by a newer earwitness; install that one",
                code="records-revision",
            )
        if not migrate:
            raise RecordError(
                f"{engine.url.render_as_string()}: no records of this version here (revision {current or 'none'})",
                hint="open them once with the service, which brings the tables up to date",
                code="records-revision",
            )
        upgrade(connection, "head")


def upgrade(connection: Connection, revision: str) -> None:
    """Bring the tables to ``revision`` (``head`` for the newest) in the transaction that is open."""
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Take the tables back to ``revision`` (``base`` for none) in the open transaction; what was in them is lost."""
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.downgrade(config, revision)


def _config() -> Any:
    from alembic.config import Config

    config = Config()
    # a % would be taken for the start of an interpolation
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
