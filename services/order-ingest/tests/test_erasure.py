"""Buyers that were erased: gone from the tables and the topic, and no reading brings them back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hub_contracts.connections import HubSettings, ImportSettings, PrivacySettings
from hub_contracts.ids import order_id_for
from order_ingest.erasure import KEPT_OPEN, Forgetting

from .conftest import IMPORT_FROM
from .test_api import assert_problem, call

CANARY = "Zerafina-Canary"


def buyer_of(world: Any, reference: str) -> dict[str, Any]:
    """The buyer as the simulator has him."""
    found: dict[str, Any] = next(o.buyer for o in world.sandbox.world.orders.values() if o.reference == reference)
    return found


async def bought(world: Any, **options: Any) -> tuple[UUID, str]:
    """An order of a buyer by a name that is nowhere else."""
    connection = await world.connect()
    (reference,) = world.orders(**options)
    buyer_of(world, reference)["lastname"] = CANARY
    await world.poll()
    return order_id_for(connection.connection_id, reference), reference


async def erase(world: Any, order_id: UUID, **body: Any) -> Any:
    return await call(world, "POST", f"/v1/orders/{order_id}/erase-customer", json={"reason": "asked for"} | body)


async def dump(world: Any) -> str:
    """Every row of every table as text, bytes opened."""
    pool = world.h.runtime.pool
    tables = await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = [row for table in tables for row in await pool.fetch(f'SELECT * FROM "{table["tablename"]}"')]
    return "\n".join(v.decode(errors="replace") if isinstance(v, bytes) else str(v) for row in rows for v in row)


async def test_an_erased_buyer_is_gone_and_does_not_come_back(world: Any) -> None:
    order_id, reference = await bought(world)
    world.sandbox.set_status(reference, "SHIPPED")
    await world.poll()
    await world.h.emitted()
    assert CANARY in await dump(world)
    answer = await erase(world, order_id)
    assert (answer.status_code, answer.json()["erased"]) == (200, True)
    told = await world.h.emitted()
    assert [event.topic for event in told if event.type == ""] == ["hub.order-customers"]  # the tombstone
    erased = next(event for event in told if event.type == "order.customer_erased.v1")
    assert (erased.data.order_id, erased.data.why, erased.data.requested_by) == (order_id, "request", "tester")
    assert CANARY not in await dump(world)
    # The marketplace shows it again, otherwise than before: the order goes on, its buyer does not come back.
    buyer_of(world, reference)["firstname"] = "Otherwise"
    world.sandbox.set_status(reference, "REFUNDED")
    again = await world.poll()
    assert "order.status_changed.v1" in [event.type for event in again]
    assert "order.customer_recorded.v1" not in [event.type for event in again]
    assert await world.value("SELECT count(*) FROM raw_orders") > 1
    assert CANARY not in await dump(world)
    # Once more changes nothing and tells nothing.
    assert (await erase(world, order_id)).json()["erased"] is False
    assert await world.h.emitted() == []


async def test_an_open_order_keeps_its_buyer_unless_it_is_said(world: Any) -> None:
    order_id, _ = await bought(world)
    problem = assert_problem(await erase(world, order_id), 409, "order-open")
    assert "even_if_open" in problem["detail"]
    assert CANARY in await dump(world)
    assert (await erase(world, order_id, even_if_open=True)).json()["erased"] is True
    assert CANARY not in await dump(world)
    assert_problem(await erase(world, UUID(int=7)), 404, "order-unknown")


async def test_what_is_held_is_given_out_and_is_nothing_after(world: Any) -> None:
    order_id, _ = await bought(world)
    path = f"/v1/orders/{order_id}/personal-data"
    held = (await call(world, "GET", path)).json()
    assert held["holds"]["raw_orders"] == 1
    assert CANARY in held["data"]["raw_orders"][0]["body"]
    assert (await call(world, "GET", f"{path}?counts_only=true")).json()["data"] is None
    await erase(world, order_id, even_if_open=True)
    after = (await call(world, "GET", path)).json()
    assert (after["holds"], after["erased"]["requested_by"]) == ({"raw_orders": 0, "notices": 0}, "tester")


async def test_time_erases_finished_orders_and_only_alarms_of_open_ones(world: Any) -> None:
    settings = HubSettings(
        orders=ImportSettings(import_from=IMPORT_FROM), privacy=PrivacySettings(keep_customer_days=10)
    )
    await world.tell(world.connection().model_copy(update={"settings": settings}))
    finished, still_open = world.orders(2)
    await world.poll()
    world.sandbox.set_status(finished, "SHIPPED")
    await world.poll()
    forgetting = Forgetting(world.h.runtime)
    assert await forgetting.retention_step() is False
    world.clock.advance(11 * 86_400)
    assert await forgetting.retention_step() is True
    assert await forgetting.retention_step() is False  # one alarm, not one an hour
    rows = await world.h.runtime.pool.fetch("SELECT reference, why FROM orders LEFT JOIN erasures USING (order_id)")
    assert {row["reference"]: row["why"] for row in rows} == {finished: "retention", still_open: None}
    assert [row["cause"] for row in await world.h.runtime.pool.fetch("SELECT cause FROM parked")] == [KEPT_OPEN]


async def test_a_tenants_old_orders_are_counted_first_and_then_erased(world: Any) -> None:
    _, reference = await bought(world)
    world.sandbox.set_status(reference, "SHIPPED")
    await world.poll()
    world.clock.advance(3 * 86_400)
    tenant = await world.value("SELECT tenant FROM orders")
    path, body = f"/v1/tenants/{tenant}/erase-customers", {"older_than_days": 2, "reason": "asked for"}
    assert (await call(world, "POST", path, json=body)).json()["orders"] == 1
    forgetting = Forgetting(world.h.runtime)
    assert await forgetting.wishes_step() is False
    assert (await call(world, "POST", path, json=body | {"dry_run": False})).status_code == 202
    assert [await forgetting.wishes_step() for _ in range(3)] == [True, True, False]
    (item,) = (await call(world, "GET", path)).json()["items"]
    assert (item["erased"], item["done_at"] is not None) == (1, True)
    assert CANARY not in await dump(world)
