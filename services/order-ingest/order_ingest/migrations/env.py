"""Alembic's entry for order-ingest."""

from hub_common.migrate import run_migrations
from order_ingest.tables import METADATA

run_migrations(METADATA)
