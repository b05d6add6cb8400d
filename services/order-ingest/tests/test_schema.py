"""Migrations and code agree about the schema."""

from __future__ import annotations

from typing import Any

from hub_common.testing.schema import schema_differences
from order_ingest.tables import METADATA


async def test_migrated_schema_is_the_declared_one(world: Any, database: str) -> None:
    assert await schema_differences(database, METADATA) == []
