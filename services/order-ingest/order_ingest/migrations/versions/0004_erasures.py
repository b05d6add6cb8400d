"""Whose buyers were erased, and whose are to be."""

from hub_common.migrate import run_sql_file

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add tables, a column and an index; nothing is erased by it."""
    run_sql_file("order_ingest", "0004.sql")


def downgrade() -> None:
    """Buyers that were erased would come back with the next reading."""
    raise RuntimeError("erased buyers would come back with the next reading; restore a backup instead")
