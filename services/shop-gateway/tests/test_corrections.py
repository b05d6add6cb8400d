"""A person puts a delivery address right: the original stays, the next call uses it, erasure takes both."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from hub_common.replay import plan_problems
from shop_gateway import store

from .world import BUYER, STREET, Stage, customer, routed

WHOLE = {
    "last_name": "Berger",
    "street_1": "9 Rue Neuve",
    "postal_code": "99001",
    "city": "Ville",
    "country_code": "FR",
}


async def correct(stage: Stage, order_id: object, shipping: dict[str, Any], reason: str = "the buyer wrote us") -> Any:
    body = {"shipping": shipping, "reason": reason}
    return await stage.operator("POST", f"/v1/orders/{order_id}/customer-correction", body)


async def test_a_correction_is_used_and_the_original_kept_with_who_when_and_why(stage: Stage) -> None:
    order = routed(1)
    await stage.harness.feed((order.order_id, customer(order.order_id)))
    answer = await correct(stage, order.order_id, {"street_1": "8 Rue Corrigée", "postal_code": "99000"})
    assert answer.status_code == 200, answer.text
    await stage.harness.feed((order.order_id, customer(order.order_id)))  # the marketplace says the same again
    found = (await store.load_customers(stage.harness.runtime.pool, [order.order_id]))[order.order_id]
    assert found.shipping is not None
    assert found.billing is not None
    assert (found.shipping.street_1, found.shipping.last_name) == ("8 Rue Corrigée", BUYER.split()[1])
    assert found.billing.street_1 == STREET, "what was billed is another matter"
    shown = (await stage.operator("GET", f"/v1/orders/{order.order_id}/customer")).json()
    assert shown["original"]["shipping"]["street_1"] == STREET
    (kept,) = shown["corrections"]
    assert (kept["actor"], kept["reason"], kept["superseded"]) == ("tester", "the buyer wrote us", False)
    await correct(stage, order.order_id, {"street_1": "7 bis", "postal_code": "99000"})
    again = (await stage.operator("GET", f"/v1/orders/{order.order_id}/customer")).json()
    assert [each["superseded"] for each in again["corrections"]] == [False, True]
    await stage.route(order, with_customer=False)
    assert len(await stage.harness.effects("create_order")) == 1


async def test_an_order_that_waited_for_an_address_goes_on_with_the_one_a_person_gave(stage: Stage) -> None:
    order = routed(2)
    await stage.harness.feed((order.order_id, order))
    stage.harness.clock.advance(60)  # type: ignore[attr-defined]
    await stage.caretaker().orders_step()
    assert await stage.causes() == ["customer_missing"]
    partly = await correct(stage, order.order_id, {"city": "Ville"})
    assert (partly.status_code, "street_1" in partly.json()["detail"]) == (422, True)
    answer = await correct(stage, order.order_id, WHOLE)
    assert [each["state"] for each in answer.json()["routes"]] == ["planned"]
    await stage.harness.run_effects()
    assert await stage.causes() == []
    assert [entry.kind for entry in stage.simulator.record.entries] == ["create_order"]


async def test_erasure_takes_corrections_along_and_none_can_be_made_after(stage: Stage) -> None:
    order = routed(3)
    await stage.harness.feed((order.order_id, customer(order.order_id)))
    await correct(stage, order.order_id, WHOLE)
    await stage.operator("DELETE", f"/v1/orders/{order.order_id}/customer")
    rows = await stage.harness.runtime.pool.fetch("SELECT k::text AS line FROM customer_corrections k")
    assert "Berger" not in rows[0]["line"]
    assert "wrote" not in rows[0]["line"]
    assert await store.load_customers(stage.harness.runtime.pool, [order.order_id]) == {}
    assert (await correct(stage, order.order_id, WHOLE)).status_code == 409


@pytest.mark.parametrize("shipping", [{}, {"country_code": "France"}, {"planet": "Mars"}, {"city": "x" * 201}])
async def test_what_is_no_address_is_refused(stage: Stage, shipping: dict[str, Any]) -> None:
    assert (await correct(stage, uuid4(), shipping)).status_code == 422
    assert (await correct(stage, uuid4(), WHOLE)).status_code == 404


def test_the_plan_of_a_rebuild_speaks_of_corrections() -> None:
    from shop_gateway.main import SPEC

    assert plan_problems(SPEC) == []
