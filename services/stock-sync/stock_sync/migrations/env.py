"""Alembic's entry for stock-sync."""

from hub_common.migrate import run_migrations
from stock_sync.tables import METADATA

run_migrations(METADATA)
