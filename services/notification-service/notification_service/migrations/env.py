"""Alembic's entry for notification-service."""

from hub_common.migrate import run_migrations
from notification_service.tables import METADATA

run_migrations(METADATA)
