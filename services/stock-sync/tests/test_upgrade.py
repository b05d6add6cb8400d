"""A database of the release before keeps what it knows and ends with the same schema as a new one."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import asyncpg
import pytest
from alembic import command

from hub_common.migrate import alembic_config, upgrade_async
from hub_common.testing.schema import schema_differences
from stock_sync import store_offers
from stock_sync.main import SPEC
from stock_sync.prices import Price

from .conftest import MARKET, SHOP


@pytest.fixture(scope="session")
def database_template() -> str | None:
    """The database of this test begins empty."""
    return None


async def test_a_new_database_has_the_schema_of_the_code(database: str) -> None:
    await upgrade_async(SPEC.package, database)
    assert await schema_differences(database, SPEC.metadata) == []


async def test_offers_of_before_mean_what_they_meant(database: str) -> None:
    await asyncio.to_thread(command.upgrade, alembic_config(SPEC.package, database), "0001")
    conn = await asyncpg.connect(database)
    await conn.execute(
        "INSERT INTO offers (connection_id, offer_sku, tenant, shop_connection_id, shop_sku, serving, planned_price,"
        " planned_discount, planned_currency) VALUES ($1, 'A', 't', $2, 'a', 'linked', 12.5, 11, 'EUR')",
        MARKET,
        SHOP,
    )
    assert await schema_differences(database, SPEC.metadata) != []
    await upgrade_async(SPEC.package, database)
    assert await schema_differences(database, SPEC.metadata) == []
    offer = store_offers.offer_of(await conn.fetchrow("SELECT * FROM offers"))
    await conn.close()
    assert offer.planned == Price(Decimal("12.5"), Decimal(11), "EUR")
    assert (offer.check_at, offer.price_due_at, offer.shown) == (None, None, None)
