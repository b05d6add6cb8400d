"""Alembic's entry for catalog-feed."""

from catalog_feed.tables import METADATA
from hub_common.migrate import run_migrations

run_migrations(METADATA)
