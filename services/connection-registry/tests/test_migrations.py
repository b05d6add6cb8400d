"""The frozen SQL makes exactly the schema that the code believes in."""

from __future__ import annotations

from connection_registry.tables import METADATA
from hub_common.testing.schema import schema_differences


async def test_migrated_schema_equals_the_tables(database: str) -> None:
    assert await schema_differences(database, METADATA) == []
