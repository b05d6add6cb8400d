"""Test orders, asked for through the registry."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

from hub_contracts.connections import TestOrderRequested
from hub_contracts.status import OrderStatus


def wish(world: Any, connection_id: UUID) -> TestOrderRequested:
    return TestOrderRequested(
        test_order_id=uuid4(),
        connection_id=connection_id,
        offer_sku="SKU-1",
        quantity=3,
        country="DE",
        requested_at=world.clock.now(),
    )


async def feed(world: Any, *wishes: TestOrderRequested) -> None:
    await world.h.feed(*((f"test:{each.test_order_id}", each) for each in wishes))


async def test_a_test_order_is_received_marked_and_clearly_invented(world: Any) -> None:
    connection = await world.connect()
    asked = wish(world, connection.connection_id)
    await feed(world, asked)
    await feed(world, asked)
    received, customer = await world.h.emitted()
    order = received.data.order
    assert order.is_test
    assert order.marketplace_reference.startswith("TEST-")
    assert len(order.order_number) == 14
    assert order.status is OrderStatus.PENDING
    assert order.accept_by is not None
    assert [(line.offer_sku, line.quantity) for line in order.lines] == [("SKU-1", 3)]
    assert order.total_price == sum(line.line_price.amount for line in order.lines)
    assert order.destination_country == "DE"
    assert customer.data.shipping.country_code == "DE"
    assert customer.data.shipping.email.endswith("@example.invalid")
    assert received.key == customer.key == str(order.order_id)
    assert await world.poll() == []


async def test_a_test_order_waits_for_its_connection(world: Any) -> None:
    connection = world.connection()
    await feed(world, wish(world, connection.connection_id))
    assert [event.type for event in await world.h.emitted()] == ["work.parked.v1"]
    await world.tell(connection)
    events = await world.h.emitted()
    assert [event.type for event in events] == [
        "work.resumed.v1",
        "order.received.v1",
        "order.customer_recorded.v1",
    ]
    assert await world.h.parked() == []


async def test_a_wish_and_its_connection_in_one_batch_are_not_swapped_into_nothing(world: Any) -> None:
    connection = world.connection()
    asked = wish(world, connection.connection_id)
    await world.h.feed((f"test:{asked.test_order_id}", asked), (connection.connection_id, connection))
    assert [event.type for event in await world.h.emitted()][-2:] == ["order.received.v1", "order.customer_recorded.v1"]


async def test_the_raw_snapshot_of_a_test_order_is_the_wish(world: Any) -> None:
    connection = await world.connect()
    asked = wish(world, connection.connection_id)
    await feed(world, asked)
    body = await world.value("SELECT body FROM raw_orders")
    assert json.loads(body)["test_order_id"] == str(asked.test_order_id)
