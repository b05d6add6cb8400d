"""Offers taken off a marketplace are remembered also before the offer itself is heard of."""

from hub_common.migrate import run_sql_file

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add a table, with what the offers know."""
    run_sql_file("stock_sync", "0003.sql")


def downgrade() -> None:
    """Offers that are heard of later would be put back on sale."""
    raise RuntimeError("offers that are heard of later would be put back on sale; restore a backup instead")
