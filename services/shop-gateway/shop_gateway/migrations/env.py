"""Alembic's entry for shop-gateway."""

from hub_common.migrate import run_migrations
from shop_gateway.tables import METADATA

run_migrations(METADATA)
