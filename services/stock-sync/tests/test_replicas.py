"""Two replicas that learn facts about the same article at the same moment must not miss each other's."""

from __future__ import annotations

import asyncio
from uuid import UUID

from hub_common.testing import Harness
from stock_sync.main import SPEC

from .conftest import Stage

ROUNDS = 25


async def test_an_order_and_a_statement_at_the_same_moment_both_count(stage: Stage) -> None:
    await stage.stand()
    async with Harness(SPEC, stage.h.settings.database_dsn.get_secret_value(), clock=stage.clock) as other:
        for n in range(ROUNDS):
            sku = f"R{n}"
            await stage.link(sku, sku)
            event = stage.order(f"M{n}", (sku, 2))
            await asyncio.gather(stage.h.feed(stage.stock_event(sku, 9)), other.feed((event.order.order_id, event)))
            assert await stage.figures(sku) == (9, 2, 7), n


async def test_a_first_statement_and_its_connection_at_the_same_moment_make_the_offer(stage: Stage) -> None:
    await stage.stand()
    async with Harness(SPEC, stage.h.settings.database_dsn.get_secret_value(), clock=stage.clock) as other:
        for n in range(ROUNDS):
            market = UUID(int=1000 + n)
            passing = stage.connection(market, sku={"link_mode": "pass_through"})
            await asyncio.gather(stage.h.feed(stage.stock_event(f"R{n}", 9)), other.feed((market, passing)))
            assert await stage.figures(f"R{n}", market) == (9, 0, 9), n
