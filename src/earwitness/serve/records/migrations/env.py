"""Where Alembic starts: the migrations run on the connection that :mod:`earwitness.serve.records.engine` opened."""

from __future__ import annotations

from alembic import context


def run() -> None:
    """Bring the database to the revision that was asked for, in the transaction that is open."""
    context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
    context.run_migrations()


# Alembic loads this file under this name; any other import of it must do nothing
if __name__ == "env_py":
    run()
