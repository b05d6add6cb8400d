"""The second migration: what stood in a database of before is there afterwards and goes on working."""

from __future__ import annotations

import asyncio

import asyncpg
import httpx
import pytest
from alembic import command

from catalog_feed.domain import COLUMNS, FeedSettings
from catalog_feed.main import SPEC
from hub_common.crypto import generate_key
from hub_common.migrate import alembic_config, upgrade_async
from hub_common.testing import Harness
from hub_common.testing.schema import schema_differences
from hub_common.web import hash_token

from .conftest import MARKET, SHOP

KEYS = """
SELECT c.conrelid::regclass::text AS name, array_agg(a.attname::text ORDER BY x.ord) AS columns
FROM pg_constraint c CROSS JOIN LATERAL unnest(c.conkey) WITH ORDINALITY AS x(attnum, ord)
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = x.attnum
WHERE c.contype = 'p' GROUP BY 1
"""
TOKEN = "t" * 43


@pytest.fixture(scope="session")
def database_template() -> str | None:
    """Databases of these tests begin empty."""
    return None


async def keys(dsn: str) -> dict[str, list[str]]:
    conn = await asyncpg.connect(dsn)
    found = {row["name"]: list(row["columns"]) for row in await conn.fetch(KEYS)}
    await conn.close()
    return found


def expected() -> dict[str, list[str]]:
    return {table.name: [c.name for c in table.primary_key] for table in SPEC.metadata.sorted_tables}


async def test_a_fresh_database_has_the_schema_of_the_code(database: str) -> None:
    await upgrade_async(SPEC.package, database)
    assert await schema_differences(database, SPEC.metadata) == []
    found = await keys(database)
    assert {name: sorted(columns) for name, columns in expected().items()} == {
        name: sorted(found[name]) for name in expected()
    }


async def test_a_database_of_before_is_brought_along(database: str) -> None:
    await asyncio.to_thread(command.upgrade, alembic_config(SPEC.package, database), "0001")
    conn = await asyncpg.connect(database)
    key = generate_key("test")
    settings = FeedSettings().model_dump_json(include={"currency", "shrink_percent", "bad_rows", "mandatory", "one_of"})
    content = b"sku,quantity\r\nA,5\r\n"
    await conn.execute(
        "INSERT INTO feed_profiles (connection_id, tenant, settings, token_hash, token_sealed, rotated_at, created_at,"
        " dirty_since, published_version) VALUES ($1, 'tenant-1', $2, $3, $4, now(), now(), NULL, 1)",
        MARKET,
        settings,
        hash_token(TOKEN),
        '{"key_id": "test", "nonce": "", "ciphertext": ""}',
    )
    await conn.execute(
        "INSERT INTO feeds (connection_id, version, rows, sha256, content, state, created_at, published_at)"
        " VALUES ($1, 1, 1, 'x', $2, 'published', now(), now())",
        MARKET,
        content,
    )
    await conn.execute(
        "INSERT INTO offers (connection_id, offer_sku, environment, shop_connection_id, shop_sku, available, version,"
        " changed_at) VALUES ($1, 'A', 'sandbox', $2, 'A', 5, 1, now())",
        MARKET,
        SHOP,
    )
    await conn.close()
    await upgrade_async(SPEC.package, database)
    assert await schema_differences(database, SPEC.metadata) == []
    assert {name: sorted(c) for name, c in expected().items()} == {
        name: sorted(c) for name, c in (await keys(database)).items() if name in expected()
    }
    async with Harness(SPEC, database, credentials_keys=key) as harness:
        url = await harness.serve()
        async with httpx.AsyncClient(base_url=url) as client:
            answer = await client.get(f"/feeds/{MARKET}/{TOKEN}.csv")
            assert (answer.status_code, answer.content) == (200, content), "marketplaces go on fetching"
        row = await harness.runtime.pool.fetchrow("SELECT feed, settings FROM feed_profiles")
        assert row is not None
        assert row["feed"] == "catalogue"
        assert FeedSettings.model_validate_json(row["settings"]).columns == COLUMNS


async def test_there_is_no_way_back_that_forgets_in_silence(database: str) -> None:
    await upgrade_async(SPEC.package, database)
    with pytest.raises(RuntimeError, match="restore a backup"):
        await asyncio.to_thread(command.downgrade, alembic_config(SPEC.package, database), "0001")
