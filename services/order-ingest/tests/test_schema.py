"""Migrations and code agree about the schema, however a database came to it."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
from alembic import command

from hub_common.migrate import alembic_config
from hub_common.testing.schema import schema_differences
from order_ingest.tables import METADATA

WISH = """
INSERT INTO rereads (connection_id, reference, difference_id, tenant, requested_at, next_at)
VALUES (gen_random_uuid(), 'M1', gen_random_uuid(), 't', now(), now())
"""
BACKFILL = """
INSERT INTO backfills (backfill_id, connection_id, tenant, created_from, created_until, next_from, requested_at)
VALUES (gen_random_uuid(), gen_random_uuid(), 't', now() - interval '2 days', now(), now() - interval '1 day', now())
"""


async def to(database: str, revision: str) -> None:
    """Bring a database to a revision."""
    await asyncio.to_thread(command.upgrade, alembic_config("order_ingest", database), revision)


async def test_migrated_schema_is_the_declared_one(world: Any, database: str) -> None:
    assert await schema_differences(database, METADATA) == []


async def test_an_upgraded_schema_is_the_declared_one_and_work_under_way_goes_on(database: str) -> None:
    await to(database, "0002")
    conn = await asyncpg.connect(database)
    try:
        await conn.execute(WISH)
        await conn.execute(BACKFILL)
        await to(database, "head")
        assert await schema_differences(database, METADATA) == []
        wish = await conn.fetchrow("SELECT state, wishes, difference_id IS NULL AS noticed FROM rereads")
        assert tuple(wish) == ("open", 1, False)
        found = "SELECT state, export_given_up, export_ticket, exports_asked, next_from < created_until FROM backfills"
        assert tuple(await conn.fetchrow(found)) == ("open", False, None, 0, True)
    finally:
        await conn.close()
