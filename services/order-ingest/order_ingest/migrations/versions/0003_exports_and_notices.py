"""Tickets of exports beside their backfills, notices as they came, wishes to read an order that a notice made."""

from hub_common.migrate import run_sql_file

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add columns with defaults and a table; open backfills go on where they are."""
    run_sql_file("order_ingest", "0003.sql")


def downgrade() -> None:
    """Tickets and notices would be lost."""
    raise RuntimeError("tickets of exports and kept notices would be forgotten; restore a backup instead")
