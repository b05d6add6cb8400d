"""Discount dates, prices per channel, and what marketplaces show of what they took."""

from hub_common.migrate import run_sql_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add columns that rows of before are right without, and two indexes."""
    run_sql_file("stock_sync", "0002.sql")


def downgrade() -> None:
    """Discounts would lose their dates and never end."""
    raise RuntimeError("discounts would lose their dates and never end; restore a backup instead")
