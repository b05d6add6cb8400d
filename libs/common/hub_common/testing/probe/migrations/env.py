"""Alembic's entry for the probe service."""

from hub_common.migrate import run_migrations
from hub_common.testing.probe.tables import METADATA

run_migrations(METADATA)
