"""Returns that buyers opened at the marketplace."""

from hub_common.migrate import run_sql_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add tables and an index; nothing existing is changed."""
    run_sql_file("refund_service", "0002.sql")


def downgrade() -> None:
    """Answers that were given to returns would be forgotten."""
    raise RuntimeError("answers given to returns would be forgotten; restore a backup instead")
