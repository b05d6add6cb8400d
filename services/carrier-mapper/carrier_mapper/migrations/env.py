"""Alembic's entry for carrier-mapper."""

from carrier_mapper.tables import METADATA
from hub_common.migrate import run_migrations

run_migrations(METADATA)
