"""The first schema."""

from __future__ import annotations

from hub_common.migrate import run_sql_file

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the runtime's tables and ours."""
    run_sql_file("hub_common", "runtime_0001.sql")
    run_sql_file("connection_registry", "0001.sql")


def downgrade() -> None:
    """There is nothing before the first schema. Raises `RuntimeError`."""
    raise RuntimeError("connection-registry: there is no schema before 0001; restore the database from a backup")
