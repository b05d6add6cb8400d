"""Orders on their way into shops: created once, with the buyer's data read late, parked when something is missing."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import orjson
import pytest
from fastapi import FastAPI, Request

from connector_kit.simulator import FaultRule
from hub_common.testing.schema import schema_differences
from hub_common.web import WebServer
from hub_contracts.connections import ConnectionState, HubSettings
from hub_contracts.envelope import Origin
from hub_contracts.orders import Environment

from .world import BUYER, OTHER_SHOP, SHOP, STREET, Stage, cancelled, customer, routed


def created(stage: Stage) -> list[str]:
    return [entry.reference for entry in stage.simulator.record.entries if entry.kind == "create_order"]


def stopped(stage: Stage) -> list[str]:
    return [entry.reference for entry in stage.simulator.record.entries if entry.kind == "cancel_order"]


async def test_migrated_schema_is_what_the_code_believes(stage: Stage) -> None:
    dsn = stage.harness.settings.database_dsn.get_secret_value()
    assert await schema_differences(dsn, stage.harness.runtime.spec.metadata) == []


async def test_an_order_is_created_in_its_shop_with_the_buyer_and_told(stage: Stage) -> None:
    order = routed(1)
    seen = stage.simulator.shop("blue")
    route_id = await stage.route(order)
    assert created(stage) == [str(route_id)]
    (event,) = await stage.told("shop_order.created.v1")
    assert event.shop_order_reference == seen.orders[str(route_id)].reference
    (effect,) = await stage.harness.effects("create_order")
    assert effect["natural_key"] == f"create_order:{SHOP}:{route_id}"
    assert (event.effect_id, effect["state"]) == (effect["effect_id"], "DONE")


async def test_the_shop_is_told_the_buyer_and_none_of_it_is_kept_with_the_effect(stage: Stage) -> None:
    bodies: list[Any] = []
    app = FastAPI()

    @app.post("/hook")
    async def hook(request: Request) -> dict[str, str]:
        bodies.append(await request.json())
        return {"shop_order_reference": "S-1"}

    server = WebServer(app)
    await server.start()
    await stage.connect(settings={"webhook_url": f"{server.url}/hook"})
    await stage.route(routed(1))
    await server.stop()
    (body,) = bodies
    assert body["data"]["customer"]["shipping"]["last_name"] == BUYER.split()[1]
    assert (body["data"]["total_price"], body["data"]["destination_country"]) == ("44.70", "FR")
    (effect,) = await stage.harness.effects()
    assert "customer" not in effect["request"] or effect["request"]["customer"] is None


async def test_no_row_outside_customers_holds_personal_data(stage: Stage) -> None:
    await stage.route(routed(1))
    pool = stage.harness.runtime.pool
    tables = [r["tablename"] for r in await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    holding = []
    for table in tables:
        rows = await pool.fetch(f"SELECT t::text AS line FROM {table} t")
        if any(text in row["line"] for row in rows for text in (BUYER.split()[1], STREET)):
            holding.append(table)
    assert holding == ["customers"]


@pytest.mark.parametrize("first", ["route", "customer"])
async def test_route_and_buyer_may_come_in_any_order(stage: Stage, first: str) -> None:
    order = routed(1)
    facts: dict[str, Any] = {"route": order, "customer": customer(order.order_id)}
    await stage.harness.feed((order.order_id, facts.pop(first)))
    assert await stage.harness.effects() == []
    await stage.harness.feed((order.order_id, next(iter(facts.values()))))
    await stage.harness.run_effects()
    assert len(created(stage)) == 1


async def test_the_shop_may_become_known_last(stage: Stage) -> None:
    order = routed(1, shop=OTHER_SHOP)
    await stage.route(order)
    assert await stage.harness.effects() == []
    await stage.connect(OTHER_SHOP)
    assert len(await stage.harness.effects()) == 1


async def test_a_restated_route_creates_nothing_twice(stage: Stage) -> None:
    order = routed(1)
    await stage.route(order)
    await stage.route(order)
    assert len(created(stage)) == 1
    assert len(await stage.harness.effects()) == 1


async def test_facts_of_two_transactions_that_missed_each_other_meet_later(stage: Stage) -> None:
    order = routed(1)
    await stage.harness.feed((order.order_id, order))
    await stage.harness.runtime.pool.execute(
        "INSERT INTO customers (order_id, version, body, recorded_at) VALUES ($1, 1, $2, now())",
        order.order_id,
        customer(order.order_id).model_dump_json(),
    )
    assert await stage.caretaker().orders_step() == 1
    assert len(await stage.harness.effects()) == 1


async def test_a_buyer_who_stays_unknown_is_parked_and_resumed(stage: Stage) -> None:
    order = routed(1)
    await stage.route(order, with_customer=False)
    caretaker = stage.caretaker()
    await caretaker.orders_step()
    assert await stage.causes() == []
    stage.harness.clock.advance(31)  # type: ignore[attr-defined]
    await caretaker.orders_step()
    await caretaker.orders_step()
    assert await stage.causes() == ["customer_missing"]
    assert [e.cause for e in await stage.told("work.parked.v1")] == ["customer_missing"]
    await stage.harness.feed((order.order_id, customer(order.order_id)))
    assert await stage.causes() == []
    await stage.harness.run_effects()
    assert len(created(stage)) == 1


async def test_a_shop_without_personal_data_waits_for_no_buyer(stage: Stage) -> None:
    await stage.connect(settings={"send_personal_data": "false"})
    await stage.route(routed(1), with_customer=False)
    assert len(created(stage)) == 1


async def test_sandbox_orders_never_reach_a_production_shop(stage: Stage) -> None:
    await stage.connect(environment=Environment.PRODUCTION)
    await stage.route(routed(1))
    assert await stage.harness.effects() == []
    assert await stage.causes() == ["environment_mismatch"]
    await stage.connect(environment=Environment.SANDBOX)
    assert await stage.causes() == []
    assert len(await stage.harness.effects()) == 1


async def test_a_shop_with_orders_switched_off_gets_none(stage: Stage) -> None:
    await stage.connect(settings={})
    await stage.harness.feed(
        (SHOP, stage.connection().model_copy(update={"settings": HubSettings(capabilities_off=("shop_orders",))}))
    )
    await stage.route(routed(1))
    assert await stage.causes() == ["shop_takes_no_orders"]


async def test_a_paused_shop_gets_its_orders_when_it_goes_on(stage: Stage) -> None:
    await stage.connect(state=ConnectionState.PAUSED)
    await stage.route(routed(1))
    assert created(stage) == []
    await stage.connect()
    await stage.harness.run_effects()
    assert len(created(stage)) == 1


@pytest.mark.parametrize("origin", [Origin.REPLAY, Origin.BACKFILL])
async def test_old_routes_plan_nothing(stage: Stage, origin: Origin) -> None:
    order = routed(1)
    await stage.harness.feed((order.order_id, customer(order.order_id)), (order.order_id, order), origin=origin)
    await stage.caretaker().orders_step()
    assert await stage.harness.effects() == []


async def test_a_refusal_is_told_parked_and_can_be_sent_again(stage: Stage) -> None:
    stage.simulator.faults.set([FaultRule(fault="reject_4xx", times=1)])
    route_id = await stage.route(routed(1))
    (event,) = await stage.told("shop_order.rejected.v1")
    assert "order refused by shop rule" in event.reason
    assert BUYER.split()[1] not in event.reason
    assert await stage.causes() == ["shop_order_rejected"]
    answer = await stage.operator("POST", f"/v1/shop-orders/{route_id}/resend")
    assert answer.status_code == 200, answer.text
    await stage.harness.run_effects()
    assert (await stage.causes(), len(created(stage))) == ([], 1)
    assert [e["natural_key"].split(":")[-1] for e in await stage.harness.effects()][1] == "1"
    again = await stage.operator("POST", f"/v1/shop-orders/{route_id}/resend")
    assert (again.status_code, again.json()["type"]) == (409, "urn:hub:problem:order-not-rejected")


@pytest.mark.parametrize("fault", ["error_500_after_effect", "error_500_before_effect", "unavailable_503"])
async def test_a_failing_shop_ends_with_one_order(stage: Stage, fault: str) -> None:
    stage.simulator.faults.set([FaultRule(fault=fault, times=2)])
    await stage.route(routed(1))
    for _ in range(3):
        stage.harness.clock.advance(60)  # type: ignore[attr-defined]
        await stage.harness.make_due()
        await stage.harness.run_effects()
    assert len(created(stage)) == 1
    assert len(await stage.told("shop_order.created.v1")) == 1


async def test_cancelled_before_it_was_sent_never_starts(stage: Stage) -> None:
    order = routed(1)
    await stage.route(order, send=False)
    await stage.harness.feed((order.order_id, cancelled(order)))
    await stage.harness.run_effects()
    assert (created(stage), stopped(stage)) == ([], [])
    assert [e["state"] for e in await stage.harness.effects()] == ["SUPERSEDED"]
    assert len(await stage.told("shop_order.cancelled.v1")) == 1


async def test_cancelled_while_it_waits_ends_the_waiting(stage: Stage) -> None:
    order = routed(1)
    await stage.route(order, with_customer=False)
    stage.harness.clock.advance(31)  # type: ignore[attr-defined]
    await stage.caretaker().orders_step()
    await stage.harness.feed((order.order_id, cancelled(order)))
    assert await stage.causes() == []
    await stage.harness.feed((order.order_id, customer(order.order_id)))
    assert await stage.harness.effects() == []


async def test_a_cancellation_seen_before_its_route_holds(stage: Stage) -> None:
    order = routed(1)
    await stage.harness.feed((order.order_id, cancelled(order)))
    await stage.route(order)
    assert created(stage) == []
    assert len(await stage.told("shop_order.cancelled.v1")) == 1


async def test_a_created_order_is_stopped_at_the_shop_once(stage: Stage) -> None:
    order = routed(1)
    route_id = await stage.route(order)
    for _ in range(2):
        await stage.harness.feed((order.order_id, cancelled(order)))
    await stage.harness.run_effects()
    assert stopped(stage) == [str(route_id)]
    assert len(await stage.told("shop_order.cancelled.v1")) == 1
    assert (await stage.order_row(route_id))["state"] == "cancelled"


async def test_an_attempt_that_may_have_reached_the_shop_is_also_cancelled_there(stage: Stage) -> None:
    stage.simulator.faults.set([FaultRule(fault="error_500_after_effect", times=1)])
    order = routed(1)
    route_id = await stage.route(order)
    assert [e["state"] for e in await stage.harness.effects()] == ["RETRY"]
    await stage.harness.feed((order.order_id, cancelled(order)))
    stage.harness.clock.advance(60)  # type: ignore[attr-defined]
    await stage.harness.make_due()
    await stage.harness.run_effects()
    assert stopped(stage) == [str(route_id)]
    assert [e["state"] for e in await stage.harness.effects()] == ["SUPERSEDED", "DONE"]


async def test_a_shop_that_cannot_stop_is_shown_to_a_person(stage: Stage) -> None:
    await stage.behave()
    order = routed(1)
    await stage.route(order)
    await stage.shop_step()
    await stage.harness.feed((order.order_id, cancelled(order)))
    await stage.harness.run_effects()
    assert await stage.causes() == ["shop_cancel_rejected"]
    assert await stage.told("shop_order.cancelled.v1") == []


async def test_erased_data_is_gone_and_stays_gone(stage: Stage) -> None:
    order = routed(1)
    await stage.route(order, send=False)
    answer = await stage.operator("DELETE", f"/v1/orders/{order.order_id}/customer")
    assert (answer.status_code, answer.json()["erased"]) == (200, True)
    await stage.harness.feed((order.order_id, customer(order.order_id)))
    rows = await stage.harness.runtime.pool.fetch("SELECT body FROM customers")
    assert [row["body"] for row in rows] == [None]
    await stage.harness.run_effects()
    assert created(stage) == []
    (effect,) = await stage.harness.effects()
    assert (effect["state"], "erased" in effect["reason"]) == ("RETRY", True)


async def test_buyers_data_is_forgotten_after_its_time(stage: Stage) -> None:
    order = routed(1)
    await stage.route(order)
    stage.harness.clock.advance(91 * 86_400)  # type: ignore[attr-defined]
    await stage.caretaker().retention_step()
    assert await stage.harness.runtime.pool.fetchval("SELECT body FROM customers") is None


async def test_several_routes_and_orders_in_one_batch(stage: Stage) -> None:
    await stage.connect(OTHER_SHOP)
    orders = [routed(number) for number in range(1, 41)]
    other = routed(41, shop=OTHER_SHOP)
    items: list[Any] = [(o.order_id, customer(o.order_id)) for o in (*orders, other)]
    await stage.harness.feed(*items, *[(o.order_id, o) for o in (*orders, other)])
    await stage.harness.run_effects()
    assert len(created(stage)) == 41
    page = await stage.pull(limit="100")
    assert len(page["orders"]) == 40
    assert len({entry["order"]["route_id"] for entry in page["orders"]}) == 40


async def test_operators_see_orders_and_their_parts(stage: Stage) -> None:
    route_id = await stage.route(routed(1))
    await stage.post("shipments", stage.shipment(route_id))
    listed = (await stage.operator("GET", f"/v1/shop-orders?connection_id={SHOP}&state=created")).json()["items"]
    assert [item["route_id"] for item in listed] == [str(route_id)]
    shown = (await stage.operator("GET", f"/v1/shop-orders/{route_id}")).json()
    assert shown["parcels"][0]["lines"] == {"L1": 2}
    missing = await stage.operator("GET", f"/v1/shop-orders/{uuid4()}")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
    assert orjson.loads(missing.content)["type"] == "urn:hub:problem:shop-order-unknown"
