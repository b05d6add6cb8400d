"""Corrections of delivery addresses, beside what the marketplace gave."""

from hub_common.migrate import run_sql_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the table; code of the release before goes on working without it."""
    run_sql_file("shop_gateway", "0002.sql")


def downgrade() -> None:
    """Corrections that people made must not vanish with a step back."""
    raise RuntimeError("corrected addresses would be lost; restore a backup instead")
