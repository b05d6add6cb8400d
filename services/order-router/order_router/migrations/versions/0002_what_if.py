"""An index for past routed orders of a connection, newest first: what-if asks for them."""

from hub_common.migrate import run_sql_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add an index; nothing existing is touched."""
    run_sql_file("order_router", "0002.sql")


def downgrade() -> None:
    """An index is no state, but steps back are not tested and therefore not offered."""
    raise RuntimeError("migrations are not undone; restore a backup instead")
