"""The history of the tables, for Alembic; run when records are opened."""
