"""The ship-by clock, what the marketplace shows without us, and what the API shows of an order."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from hub_common.deadlines import DeadlineClock
from hub_common.web import assert_all_routes_authenticated
from hub_contracts.envelope import Origin
from hub_contracts.status import OrderStatus

from .conftest import Stage, of

APPROACHING, MISSED = "order.deadline_approaching.v1", "order.deadline_missed.v1"


async def test_the_clock_runs_from_release_and_is_met_by_the_last_unit(stage: Stage) -> None:
    order = await stage.receive(await stage.order(), status=OrderStatus.ACCEPTED, ship_by=None)
    assert (await stage.shown(order))["deadlines"] == []
    released = stage.clock.now()
    due = released + timedelta(hours=10)
    await stage.show(order, OrderStatus.PREPARATION, ship_by=due)
    [clock] = (await stage.shown(order))["deadlines"]
    assert clock["kind"] == "ship_by"
    watch = DeadlineClock(stage.harness.runtime.transactions)
    stage.clock.advance(6 * 3600)
    await watch.step()
    [told] = of(await stage.harness.emitted(), APPROACHING)
    assert (told.percent_used, told.owner, told.due_at) == (50, "shipment-notifier", due)
    await stage.ship(order, "p1", (2, 0))
    await stage.send()
    assert (await stage.shown(order))["deadlines"][0]["met_at"] is None
    await stage.ship(order, "p2", (0, 1))
    await stage.send()
    assert (await stage.shown(order))["deadlines"][0]["met_at"] is not None
    stage.clock.advance(12 * 3600)
    await watch.step()
    assert await stage.harness.emitted() == []


async def test_a_missed_ship_by_is_never_silent(stage: Stage) -> None:
    order = await stage.receive(await stage.order())
    stage.clock.advance(3 * 86_400)
    await DeadlineClock(stage.harness.runtime.transactions).step()
    [missed] = of(await stage.harness.emitted(), MISSED)
    assert (missed.order_id, missed.last_resort) == (order.order_id, "alarm")


@pytest.mark.parametrize("status", [OrderStatus.SHIPPED, OrderStatus.CANCELLED])
async def test_the_clock_stops_when_nothing_is_owed_any_more(stage: Stage, status: OrderStatus) -> None:
    order = await stage.receive(await stage.order())
    await stage.show(order, status)
    assert (await stage.shown(order))["deadlines"][0]["met_at"] is not None


async def test_shipped_without_us_is_recorded(stage: Stage) -> None:
    order = await stage.receive(await stage.order())
    await stage.show(order, OrderStatus.SHIPPED)
    assert (await stage.shown(order))["shipped_elsewhere_at"] is not None
    ours = await stage.receive(await stage.order())
    await stage.ship(ours)
    await stage.send()
    await stage.show(ours, OrderStatus.SHIPPED)
    assert (await stage.shown(ours))["shipped_elsewhere_at"] is None


async def test_backfilled_orders_have_no_clock(stage: Stage) -> None:
    order = await stage.receive(await stage.order(), origin=Origin.BACKFILL)
    assert (await stage.shown(order))["deadlines"] == []


async def test_the_api_shows_lines_parcels_and_effects(stage: Stage) -> None:
    assert_all_routes_authenticated(stage.harness.runtime.build_web_app())
    order = await stage.receive(await stage.order())
    await stage.ship(order, "p1", (1, 0))
    await stage.send()
    await stage.ship(order, "p2", (1, 0))
    shown = await stage.shown(order)
    line = shown["lines"][0]
    assert (line["quantity"], line["notified"], line["underway"]) == (2, 1, 1)
    assert [parcel["state"] for parcel in shown["parcels"]] == ["notified", "planned"]
    assert [effect["state"] for effect in shown["effects"]] == ["DONE", "PLANNED"]
    answer = await stage.client.get(f"/v1/orders/{UUID(int=9)}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await stage.client.get("/v1/orders/x")).status_code == 422
