"""Alembic's entry for shipment-notifier."""

from hub_common.migrate import run_migrations
from shipment_notifier.tables import METADATA

run_migrations(METADATA)
