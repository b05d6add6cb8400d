"""Invoices that are wanted from shops, and the shops' own order numbers."""

from hub_common.migrate import run_sql_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add tables; nothing existing is touched."""
    run_sql_file("shipment_notifier", "0002.sql")


def downgrade() -> None:
    """The tables hold what is still owed to marketplaces."""
    raise RuntimeError("invoices that are waited for would be forgotten; restore a backup instead")
