"""A buyer that was erased anywhere is forgotten here, whatever comes later or waits in a corner."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from hub_contracts.orders import OrderCustomerErased
from shop_gateway.correcting import lock_order, put_right

from .test_corrections import WHOLE, correct
from .world import BUYER, MARKETPLACE, STREET, Stage, customer, routed

NOTE = "Canary Berger rang about it"
NAMES = (BUYER.split()[1], STREET, "Berger")
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def dump(stage: Stage) -> str:
    """Every row of every table as text, bytes opened."""
    pool = stage.harness.runtime.pool
    tables = await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = [row for table in tables for row in await pool.fetch(f'SELECT * FROM "{table["tablename"]}"')]
    return "\n".join(v.decode(errors="replace") if isinstance(v, bytes) else str(v) for row in rows for v in row)


async def held(stage: Stage, order_id: object) -> dict[str, Any]:
    found: dict[str, Any] = (await stage.operator("GET", f"/v1/orders/{order_id}/personal-data")).json()
    return found


async def test_an_erased_buyer_leaves_no_trace_and_does_not_come_back(stage: Stage) -> None:
    order = routed(1)
    route = await stage.route(order)
    await correct(stage, order.order_id, WHOLE)
    returned = {"route_id": str(route), "return_reference": "R1", "lines": [{"line_id": "L1", "quantity": 1}]}
    await stage.post("shipments", stage.shipment(route))
    await stage.post("returns", returned | {"stage": "received", "note": NOTE})
    await stage.harness.runtime.pool.execute(
        "INSERT INTO dead_letters (dead_letter_id, key, topic, partition, record_offset, headers, value, cause, error,"
        " attempts, first_failed_at)"
        " VALUES ($1, $2, 'x.hub.order-customers', 0, 0, '{}', $3, 'permanent', '', 1, now())",
        uuid4(),
        str(order.order_id),
        STREET.encode(),
    )
    assert [len(part) for part in (await held(stage, order.order_id))["data"].values()] == [1, 1, 2]
    event = OrderCustomerErased(
        order_id=order.order_id, connection_id=MARKETPLACE, erased_at=datetime.now(UTC), why="request"
    )
    await stage.harness.emitted()
    await stage.harness.feed((order.order_id, event))
    text = await dump(stage)
    assert [name for name in (*NAMES, "shipped_at") if name in text] == []
    await stage.harness.feed((order.order_id, customer(order.order_id)))
    await stage.post("returns", returned | {"stage": "inspected", "note": NOTE})
    await stage.harness.emitted()
    after = await held(stage, order.order_id)
    assert (set(after["holds"].values()), after["erased"] is not None) == ({0}, True)
    text = await dump(stage)
    assert [name for name in NAMES if name in text] == []


async def test_an_erasure_that_comes_before_its_buyer_holds(stage: Stage) -> None:
    order = routed(2)
    event = OrderCustomerErased(
        order_id=order.order_id, connection_id=MARKETPLACE, erased_at=datetime.now(UTC), why="retention"
    )
    await stage.harness.feed((order.order_id, event))
    await stage.harness.feed((order.order_id, customer(order.order_id)))
    assert (await held(stage, order.order_id))["holds"]["customers"] == 0


async def test_a_correction_that_is_being_made_is_erased_as_well(stage: Stage) -> None:
    order, pool = routed(3), stage.harness.runtime.pool
    await stage.route(order)
    event = OrderCustomerErased(
        order_id=order.order_id, connection_id=MARKETPLACE, erased_at=datetime.now(UTC), why="request"
    )
    async with stage.harness.runtime.transactions.begin() as tx:
        await put_right(tx, await lock_order(tx, order.order_id), WHOLE, "tester", "the buyer wrote us")
        erasing = asyncio.create_task(stage.harness.feed((order.order_id, event)))
        async with asyncio.timeout(30):
            while not erasing.done() and not await pool.fetchval(WAITING):
                continue
    await erasing
    assert await pool.fetchval("SELECT count(*) FROM customer_corrections") == 1
    assert (await held(stage, order.order_id))["holds"]["corrections"] == 0
