"""Alembic's entry for order-acceptance."""

from hub_common.migrate import run_migrations
from order_acceptance.tables import METADATA

run_migrations(METADATA)
