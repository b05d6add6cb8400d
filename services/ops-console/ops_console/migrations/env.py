"""Alembic's entry for ops-console."""

from hub_common.migrate import run_migrations
from ops_console.tables import METADATA

run_migrations(METADATA)
