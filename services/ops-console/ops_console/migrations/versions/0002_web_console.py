"""The web console: sessions, audit log, order of arrival, tenants of what waits, keyed digests to find buyers by."""

from hub_common.migrate import run_sql_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add tables and columns; code of the release before goes on working."""
    run_sql_file("ops_console", "0002.sql")


def downgrade() -> None:
    """The audit log must not vanish with a step back."""
    raise RuntimeError("the audit log would be lost; restore a backup instead")
