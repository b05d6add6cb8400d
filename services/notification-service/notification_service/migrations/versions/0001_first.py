"""First schema of notification-service."""

from hub_common.migrate import run_sql_file

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the runtime's tables and the service's own."""
    run_sql_file("hub_common", "runtime_0001.sql")
    run_sql_file("notification_service", "0001.sql")


def downgrade() -> None:
    """There is no way back from the first schema."""
    raise RuntimeError("the first migration cannot be undone; restore a backup instead")
