"""Single orders that are to be read again because a comparison found a difference."""

from hub_common.migrate import run_sql_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add a table; nothing existing is touched."""
    run_sql_file("order_ingest", "0002.sql")


def downgrade() -> None:
    """The table holds what is still to be read."""
    raise RuntimeError("orders that are to be read again would be forgotten; restore a backup instead")
