"""Another policy over past orders: on the facts as they were, and without a trace left behind."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from hub_common.testing.harness import OPERATOR_TOKEN
from hub_contracts.base import Money
from hub_contracts.orders import OrderReceived
from hub_contracts.stock import OfferChanged
from hub_tools.run.api import Api, ApiError

CONNECTION, SHOP = UUID(int=11), UUID(int=12)


async def offer(stage: Any, free: int, price: str) -> None:
    data = OfferChanged(
        connection_id=CONNECTION,
        environment="sandbox",
        offer_sku="A",
        shop_connection_id=SHOP,
        shop_sku="A",
        on_hand=free,
        reserved=0,
        buffer=0,
        available=free,
        price=Money(amount=price, currency="EUR"),
        changed_at=stage.harness.clock.now(),
    )
    await stage.harness.feed((f"{CONNECTION}:A", data))


async def arrive(stage: Any, price: str) -> OrderReceived:
    [reference] = stage.simulator.create_orders(1, {"skus": [{"sku": "A", "price": price, "quantity": 1}], "lines": 1})
    event: OrderReceived = await stage.received(reference)
    order = event.order.model_copy(update={"accept_by": event.order.created_at + timedelta(hours=48)})
    event = event.model_copy(update={"order": order})
    await stage.harness.feed((event.order.order_id, event))
    return event


@pytest.fixture
async def ask(stage: Any) -> Any:
    api = Api(await stage.harness.serve(), OPERATOR_TOKEN)

    async def asking(acceptance: dict[str, Any], days: int = 7) -> Any:
        body = {"acceptance": acceptance, "days": days}
        return await asyncio.to_thread(api.post, f"/v1/connections/{CONNECTION}/what-if", body)

    return asking


async def test_an_order_is_judged_by_what_was_known_then(stage: Any, ask: Any) -> None:
    await stage.harness.feed((CONNECTION, stage.connection()))
    await offer(stage, 5, "10.00")
    cheap, dear = await arrive(stage, "9.70"), await arrive(stage, "10.00")
    await offer(stage, 0, "99.00")
    assert (await ask({"price_tolerance_percent": "5"}))["changed"] == 0, "the same policy changes nothing"
    found = await ask({"price_tolerance_percent": "1"})
    assert (found["orders"], found["changed"]) == (2, 1)
    [change] = found["changes"]
    assert (change["order_id"], change["before"], change["after"]) == (str(cheap.order.order_id), "accept", "hold")
    assert "price_within_tolerance" in change["after_reason"]
    assert change["as_of_today"] == []
    assert {(each["from"], each["to"]): each["orders"] for each in found["transitions"]} == {
        ("accept", "accept"): 1,
        ("accept", "hold"): 1,
    }
    assert str(dear.order.order_id) not in str(found["changes"])


async def test_what_the_trace_does_not_tell_is_said_to_be_of_today(stage: Any, ask: Any) -> None:
    settings = stage.connection()
    lax = settings.settings.acceptance.model_copy(update={"require_stock": False})
    await stage.harness.feed((CONNECTION, stage.connection(lax)))
    await arrive(stage, "10.00")
    found = await ask({"require_stock": True})
    [change] = found["changes"]
    assert (change["before"], change["after"], change["as_of_today"]) == ("accept", "hold", ["A"])


async def test_nothing_is_stored_told_or_sent(stage: Any, ask: Any) -> None:
    await stage.harness.feed((CONNECTION, stage.connection()))
    await offer(stage, 5, "10.00")
    await arrive(stage, "10.00")
    pool = stage.harness.runtime.pool
    look = (
        "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM effects), (SELECT count(*) FROM parked),"
        " (SELECT md5(string_agg(o::text, '')) FROM orders o)"
    )
    before = await pool.fetchrow(look)
    assert (await ask({"auto_accept": False}))["changed"] == 1
    assert await pool.fetchrow(look) == before


async def test_bad_policies_name_what_is_wrong(stage: Any, ask: Any) -> None:
    await stage.harness.feed((CONNECTION, stage.connection()))
    for policy, rule in (
        ({"prise_tolerance": 1}, "#/acceptance/prise_tolerance is no member"),
        ({"price_tolerance_percent": "much"}, "#/acceptance/price_tolerance_percent"),
    ):
        with pytest.raises(ApiError, match=rule):
            await ask(policy)
