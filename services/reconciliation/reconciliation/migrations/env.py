"""Alembic's entry for reconciliation."""

from hub_common.migrate import run_migrations
from reconciliation.tables import METADATA

run_migrations(METADATA)
