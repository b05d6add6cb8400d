"""Orders whose buyer was erased."""

from hub_common.migrate import run_sql_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add a table; nothing is erased by it."""
    run_sql_file("message_service", "0002.sql")


def downgrade() -> None:
    """Erased words would come back with the next reading."""
    raise RuntimeError("erased words would come back with the next reading; restore a backup instead")
