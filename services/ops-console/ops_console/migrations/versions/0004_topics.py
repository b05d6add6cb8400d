"""An index for the newest record of each key of a topic."""

from hub_common.migrate import run_sql_file

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the index."""
    run_sql_file("ops_console", "0004.sql")


def downgrade() -> None:
    """Migrations of this service only go forward."""
    raise RuntimeError("the schema only goes forward; restore a backup instead")
