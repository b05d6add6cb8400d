"""Alembic's entry for refund-service."""

from hub_common.migrate import run_migrations
from refund_service.tables import METADATA

run_migrations(METADATA)
