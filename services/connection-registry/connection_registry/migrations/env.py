"""Run by Alembic."""

from __future__ import annotations

from connection_registry.tables import METADATA
from hub_common.migrate import run_migrations

run_migrations(METADATA)
