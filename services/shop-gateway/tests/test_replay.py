"""shop-gateway rebuilt: the same orders, parcels, returns and stock, and no shop hears anything a second time."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from connector_kit.simulator import FaultRule
from hub_common.replay import plan_problems
from hub_common.replay_digest import compare, digest, odd_rows
from hub_common.testing.history import History
from hub_contracts.envelope import Origin
from hub_contracts.orders import Environment
from shop_gateway.main import SPEC
from shop_gateway.replay import REPLAY

from .test_corrections import WHOLE
from .test_levels import stock
from .world import OTHER_SHOP, Stage, cancelled, customer, line, routed

NewDatabase = Callable[[str | None], str]


async def refused(stage: Stage, number: int) -> UUID:
    """An order that the shop will not take."""
    stage.simulator.faults.set([FaultRule(fault="reject_4xx", times=1)])
    route_id = await stage.route(routed(number))
    stage.simulator.faults.set([])
    return route_id


async def posted(on: Stage, resource: str, state: str = "done", /, **body: object) -> None:
    on.harness.clock.advance(1)  # type: ignore[attr-defined]
    answer = await on.post(resource, {name: str(v) if isinstance(v, UUID) else v for name, v in body.items()})
    assert (answer.status_code, answer.json().get("state")) == (202, state), answer.text


async def shipped_and_returned(stage: Stage) -> None:
    """Two parcels of which one is corrected, a return in two stages, cancellations of a part and of everything."""
    stage.simulator.faults.set([FaultRule(fault="plain_answer", times=1)])  # no number of the shop's own
    route = await stage.route(routed(1, line("L1", 3), line("L2", 1)))
    await posted(stage, "acknowledgements", route_id=route, shop_order_reference="S-1")
    part = {"lines": [{"sku": "SKU-L1", "quantity": 2}]}
    await posted(stage, "shipments", **stage.shipment(route, **part))
    await posted(stage, "shipments", **stage.shipment(route, tracking_number="TRK-X", **part))
    await posted(stage, "shipments", **stage.shipment(route, "P2"))
    await posted(stage, "shipments", "parked", **stage.shipment(route, "P3"))
    back = {"route_id": route, "return_reference": "R1", "lines": [{"line_id": "L1", "quantity": 1, "amount": "5.00"}]}
    await posted(stage, "returns", **back, stage="created")
    await posted(stage, "returns", **back, stage="received")
    whole, partly = await stage.route(routed(2)), await stage.route(routed(3, line("L1", 3)))
    await posted(stage, "cancellations", route_id=whole, cancellation_reference="C1")
    await posted(stage, "shipments", **stage.shipment(partly, "P4", lines=[{"line_id": "L1", "quantity": 1}]))
    await posted(stage, "cancellations", route_id=partly, cancellation_reference="C1")
    await posted(stage, "shipments", "parked", **stage.shipment(UUID(int=9), "P9"))


async def refused_and_cancelled(stage: Stage) -> None:
    """Refused for good, sent again, taken after all; cancelled in every state, and in vain."""
    await refused(stage, 11)
    for number in (12, 13):
        again = await refused(stage, number)
        if number == 13:  # closed by a person before it is sent again, so that nothing but the effect tells of it
            item = next(each for each in await stage.harness.parked() if each["subject_id"] == str(again))
            await stage.operator("POST", f"/v1/operations/parked/{item['parked_id']}/close", {"resolution": "mended"})
        await stage.operator("POST", f"/v1/shop-orders/{again}/resend")
        await stage.harness.run_effects()
        assert (await stage.order_row(again))["state"] == "created"
    taken = await refused(stage, 14)
    await posted(stage, "shipments", **stage.shipment(taken, "P14", shop_order_reference="S-14"))
    orders = [routed(number) for number in range(21, 25)]
    await stage.harness.feed((orders[0].order_id, cancelled(orders[0])))
    await stage.route(orders[0])
    await stage.route(orders[1], with_customer=False)
    await stage.route(orders[2])
    for order in orders[1:3]:
        await stage.harness.feed((order.order_id, cancelled(order)))
    await stage.harness.run_effects()
    await stage.behave()
    await stage.route(orders[3])
    while (await stage.shop_step())["taken"]:
        continue
    await stage.harness.feed((orders[3].order_id, cancelled(orders[3])))
    await stage.harness.run_effects()


async def waiting(stage: Stage) -> None:
    """Blocked, blocked no longer, no buyer at all or one given by a person, without a shop, backfilled, erased."""
    await stage.connect(OTHER_SHOP, environment=Environment.PRODUCTION)
    await stage.route(routed(31, shop=OTHER_SHOP))
    await stage.connect(OTHER_SHOP)
    await stage.connect(OTHER_SHOP, environment=Environment.PRODUCTION)
    await stage.route(routed(32, shop=OTHER_SHOP))
    await stage.route(routed(33), with_customer=False)
    given = routed(38)
    await stage.route(given, with_customer=False)
    await stage.route(routed(34, shop=UUID(int=77)))
    stage.harness.clock.advance(31)  # type: ignore[attr-defined]
    await stage.caretaker().orders_step()
    body = {"shipping": WHOLE, "reason": "the buyer wrote us"}
    assert (await stage.operator("POST", f"/v1/orders/{given.order_id}/customer-correction", body)).is_success
    old, gone = routed(36), routed(37)
    await stage.harness.feed((old.order_id, customer(old.order_id)), (old.order_id, old), origin=Origin.BACKFILL)
    await stage.route(gone)
    await stage.operator("DELETE", f"/v1/orders/{gone.order_id}/customer")
    await stage.harness.feed((gone.order_id, customer(gone.order_id)))


async def live(stage: Stage) -> History:
    """Everything that can become of an order in a shop, and what shops say of stock and prices."""
    history = History(stage.harness)
    await stage.connect()
    await shipped_and_returned(stage)
    await refused_and_cancelled(stage)
    await waiting(stage)
    for quantity, seconds in ((5, -30), (3, -10), (9, -60), (4, -10)):
        await posted(stage, "stock", **stock(stage, quantity, seconds))
    await posted(stage, "stock", **stock(stage, 1, warehouse="lyon"))
    for price, seconds in (("9.90", -20), ("8.00", -40), ("7.50", -10)):
        item = {"sku": "A", "price": {"amount": price, "currency": "EUR"}}
        await posted(stage, "prices", items=[item], reported_at=stage.at(seconds))
    on_its_way, stopping, unblocked = routed(41), routed(42), routed(43, shop=UUID(int=78))
    mended = await refused(stage, 44)
    await stage.connect(UUID(int=78), environment=Environment.PRODUCTION)
    await stage.route(unblocked)
    await stage.route(stopping)
    await stage.route(on_its_way, send=False)
    await stage.harness.feed((stopping.order_id, cancelled(stopping)))
    await stage.connect(UUID(int=78))
    await stage.operator("POST", f"/v1/shop-orders/{mended}/resend")
    await stage.harness.runtime.inbox.process(history.heard[1:5])  # delivered again
    return history


def test_the_plan_speaks_of_every_table() -> None:
    assert plan_problems(SPEC) == []


async def test_the_gateway_is_rebuilt_from_the_topics(stage: Stage, database: str, new_database: NewDatabase) -> None:
    history = await live(stage)
    pool = stage.harness.runtime.pool
    before, calls = await history.told(), len(stage.simulator.record.entries)
    for batch in (1, 500):
        shadow = new_database(None)
        verdicts = await history.verdicts(shadow, seed=batch, batch=batch)
        for table in REPLAY.tables:
            if not verdicts[table.name].equal:
                key = [column.name for column in SPEC.metadata.tables[table.name].primary_key]
                pytest.fail(f"{table.name}: {await odd_rows(database, shadow, table, key)}")
    assert all(verdict.rebuilt.rows for verdict in verdicts.values())
    report = history.report
    assert report is not None
    assert (report.dead, report.waiting, report.untold, report.fenced) == (0, 0, 0, 0)
    assert report.given["customer_corrections"] == 1
    assert (await history.told(), len(stage.simulator.record.entries)) == (before, calls)
    # Else the comparison would prove less than it says.
    states = {row["state"] for row in await pool.fetch("SELECT DISTINCT state FROM shop_orders")}
    assert states == {
        *("waiting", "blocked", "planned", "created", "rejected", "cancelling", "cancelled", "cancel_rejected"),
        "recorded",
    }
    assert await pool.fetchval("SELECT count(*) FROM shop_orders WHERE resends = 1") == 3
    assert await pool.fetchval("SELECT count(*) FROM shop_orders WHERE closed_at IS NOT NULL") >= 2
    assert await pool.fetchval("SELECT count(*) FROM customers WHERE erased_at IS NOT NULL") == 1
    # A shop's word that the gateway keeps otherwise than it passed it on is seen.
    await pool.execute("UPDATE shop_orders SET closed_at = NULL")
    await pool.execute("UPDATE returns SET stage = 'inspected'")
    again = compare(await digest(database, REPLAY), await digest(shadow, REPLAY))
    assert [each.table for each in again if not each.equal] == ["shop_orders", "returns"]
