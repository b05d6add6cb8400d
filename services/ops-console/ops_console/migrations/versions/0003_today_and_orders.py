"""Counts that are kept instead of counted, and indexes by which people find orders among a million."""

from hub_common.migrate import run_sql_file

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add tallies with the triggers that keep them, whatever release writes the orders, and indexes."""
    run_sql_file("ops_console", "0003.sql")


def downgrade() -> None:
    """Migrations of this service only go forward."""
    raise RuntimeError("the schema only goes forward; restore a backup instead")
