"""Alembic's entry for message-service."""

from hub_common.migrate import run_migrations
from message_service.tables import METADATA

run_migrations(METADATA)
