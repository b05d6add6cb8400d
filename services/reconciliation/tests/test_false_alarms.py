"""What must not be told: timing, test orders, the other environment, what the import leaves out, work under way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from connector_kit.simulator import FaultRule
from hub_contracts.connections import HubSettings, ImportSettings, ReconciliationSettings, StockSettings
from hub_contracts.envelope import Origin
from hub_contracts.ids import order_id_for
from hub_contracts.orders import Environment, OrderReceived
from hub_contracts.status import OrderStatus
from hub_contracts.stock import OfferRejected
from hub_contracts.work import EffectInDoubt, EffectSettled

from .conftest import CONNECTION, IMPORT_FROM, START, found, kinds


async def test_what_changed_a_moment_ago_is_not_judged(world: Any) -> None:
    """On neither side: the hub's news is young first, then the marketplace's."""
    [reference] = await world.known(1, status="PREPARATION")
    for status in ("SHIPPED", "PREPARATION", "SHIPPED"):
        await world.pass_time(50 * 60)
        world.sandbox.set_status(reference, status)
        assert found(await world.compare(minutes=12)) == []
    assert (await world.report())["orders_unsettled"] == 1
    assert await world.rows("SELECT * FROM differences") == []


async def test_one_comparison_proves_nothing_and_agreement_forgets_a_suspicion(world: Any) -> None:
    [reference] = await world.known(1, status="PREPARATION")
    world.sandbox.set_status(reference, "SHIPPED")
    assert found(await world.compare()) == []
    assert [row["state"] for row in await world.rows("SELECT state FROM differences")] == ["suspected"]
    await world.learn(reference, again=True)
    assert found(await world.compare()) == []
    assert await world.rows("SELECT * FROM differences") == []
    world.sandbox.set_status(reference, "PREPARATION")
    assert found(await world.compare()) == []


async def test_the_same_comparison_counts_once_however_often_it_sees_an_order(world: Any) -> None:
    [reference] = await world.known(1, status="PREPARATION")
    world.sandbox.set_status(reference, "SHIPPED")
    await world.compare()
    await world.h.runtime.pool.execute(
        "UPDATE comparisons SET phase = 'orders', next_from = window_from, next_at = now()"
    )
    await world.h.runtime.pool.execute("UPDATE comparisons SET next_at = $1", world.clock.now())
    await world.to_the_end()
    [row] = await world.rows("SELECT * FROM differences")
    assert (row["state"], row["comparisons"]) == ("suspected", 1)


async def test_test_orders_exist_at_no_marketplace(world: Any) -> None:
    gone, shown = world.buy(2)
    await world.learn(gone, is_test=True)
    await world.learn(shown, is_test=True, status=OrderStatus.SHIPPED)
    del world.sandbox.world.orders[11781522, gone]
    assert found(await world.compare(3)) == []
    assert await world.rows("SELECT * FROM differences") == []


async def test_orders_of_the_other_environment_are_set_aside(world: Any) -> None:
    [reference] = world.buy()
    await world.learn(reference, environment=Environment.PRODUCTION, status=OrderStatus.SHIPPED)
    assert found(await world.compare(2)) == []
    [parked] = await world.h.parked()
    assert (parked["cause"], parked["subject_id"]) == (
        "environment_mismatch",
        str(order_id_for(CONNECTION, reference)),
    )


async def test_what_the_import_leaves_out_is_not_missing(world: Any) -> None:
    """Created before import-from; over before the connection was switched on; a status that is not wanted."""
    wanted = ImportSettings(import_from=IMPORT_FROM, statuses=("PENDING", "SHIPPED"))
    settings = HubSettings(orders=wanted, reconciliation=ReconciliationSettings())
    await world.connect(settings=settings, activated_at=START)
    world.sandbox.create_orders(1, {"created_at": IMPORT_FROM - timedelta(days=1)})
    world.sandbox.create_orders(1, {"created_at": START - timedelta(days=1), "status": "SHIPPED"})
    world.buy(1, status="PREPARATION")
    assert found(await world.compare(2)) == []
    world.buy(1, status="PENDING")
    assert kinds(await world.compare(2)) == [("order_missing", "reread")]


async def test_an_absent_page_is_no_proof_that_an_order_vanished(world: Any) -> None:
    """The listing shows nothing, yet the order is there when it is asked for."""
    await world.known(2)
    speaker_orders = dict(world.sandbox.world.orders)
    listed = world.sandbox.world.listed
    world.sandbox.world.listed = lambda contract: []
    assert found(await world.compare(3)) == []
    world.sandbox.world.listed = listed
    assert dict(world.sandbox.world.orders) == speaker_orders
    assert (await world.report())["orders_compared"] == 2


async def test_an_effect_in_doubt_keeps_its_order_and_its_offer_from_being_judged(world: Any) -> None:
    [reference] = await world.known(1, status="PREPARATION", skus=[{"sku": "A", "price": "10.00", "quantity": 1}])
    await world.offer("A", 20, "10.00")
    world.sandbox.set_status(reference, "SHIPPED")
    effects = [uuid4(), uuid4()]
    order_id = order_id_for(CONNECTION, reference)
    doubts = [
        (effects[0], "ship", f"ship:{CONNECTION}:{reference}", order_id),
        (effects[1], "set_stock", f"set_stock:{CONNECTION}:A:17", None),
    ]
    for effect_id, kind, key, order in doubts:
        same = {"effect_id": effect_id, "owner": "x", "kind": kind, "natural_key": key, "order_id": order}
        data = EffectInDoubt(connection_id=CONNECTION, reason="time-out", needs_operator=False, **same)
        await world.h.feed((order or f"{CONNECTION}:A", data))
    assert found(await world.compare(3)) == []
    for effect_id, kind, key, order in doubts:
        same = {"effect_id": effect_id, "owner": "x", "kind": kind, "natural_key": key, "order_id": order}
        data = EffectSettled(connection_id=CONNECTION, state="DONE", evidence="", settled_by="probe", **same)
        await world.h.feed((order or f"{CONNECTION}:A", data))
    assert {kind for kind, _ in kinds(await world.compare(2))} == {"status", "stock"}


async def test_an_offer_on_its_way_is_not_judged_and_a_refused_one_is_a_persons(world: Any) -> None:
    await world.known(1, skus=[{"sku": "A", "price": "10.00", "quantity": 1}])
    await world.offer("A", 25, "10.00")
    await world.pass_time(600)
    await world.offer("A", 40, "10.00", pushed=False)
    assert found(await world.compare(3)) == []
    refused = OfferRejected(connection_id=CONNECTION, offer_sku="A", effect_id=uuid4(), reason="no such offer")
    await world.h.feed((f"{CONNECTION}:A", refused))
    assert kinds(await world.compare(2)) == [("stock", "operator")]


async def test_values_that_the_hub_does_not_push_are_not_compared(world: Any) -> None:
    settings = HubSettings(
        orders=ImportSettings(import_from=IMPORT_FROM), stock=StockSettings(push_stock=False, push_price=False)
    )
    await world.connect(settings=settings)
    await world.known(1, skus=[{"sku": "A", "price": "10.00", "quantity": 1}])
    await world.offer("A", 99, "99.00")
    assert found(await world.compare(2)) == []


async def test_a_marketplace_that_is_away_is_no_difference_and_the_report_says_what_is_missing(world: Any) -> None:
    await world.known(2)
    await world.compare()
    world.sandbox.faults.set([FaultRule(fault="html_answer")])
    assert found(await world.compare(2)) == []
    report = await world.report()
    assert report["complete"] is False
    assert "orders could not be read to the end" in report["gaps"]
    world.sandbox.faults.set([])
    assert found(await world.compare(2)) == []
    assert (await world.report())["complete"] is True


async def test_replayed_facts_are_believed_and_tell_nothing(world: Any) -> None:
    """Rebuilding the hub's belief from the topics must neither tell differences nor ask for repairs."""
    [reference] = world.buy()
    order = await world.shown(reference)
    event = OrderReceived(order=order, snapshot_id=uuid4())
    await world.h.emitted()
    await world.h.feed((order.order_id, event), origin=Origin.REPLAY)
    assert await world.h.emitted() == []
    assert await world.h.effects() == []
    assert found(await world.compare(2)) == []


async def test_with_events_waiting_to_be_handled_nothing_is_compared(world: Any) -> None:
    """The hub's side is out of date then: every order would look different."""
    [reference] = await world.known(1, status="PREPARATION")
    world.sandbox.set_status(reference, "SHIPPED")

    class Behind:
        def lag(self) -> dict[str, int]:
            return {"hub.orders": 1001}

    up_to_date, world.h.runtime.consumer = world.h.runtime.consumer, Behind()
    await world.compare(3)
    assert (await world.state())["round"] == 0
    world.h.runtime.consumer = up_to_date
    assert kinds(await world.compare(2)) == [("status", "reread")]
