"""Alembic's entry for order-router."""

from hub_common.migrate import run_migrations
from order_router.tables import METADATA

run_migrations(METADATA)
