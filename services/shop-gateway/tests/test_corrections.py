"""A person puts a delivery address right: the original stays, the next call uses it, erasure takes both."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from hub_common.replay import plan_problems
from hub_common.testing.harness import TENANT
from hub_contracts import topics
from hub_contracts.connections import ConnectionKind
from hub_contracts.shop_activity import ShippingAddressCorrected
from shop_gateway import store
from shop_gateway.corrections import changed_fields

from .world import BUYER, MARKETPLACE, STREET, Stage, customer, routed

CORRECTED = ShippingAddressCorrected.TYPE

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


async def know_marketplace(stage: Stage) -> None:
    """The account that the orders come from is heard of."""
    await stage.connect(MARKETPLACE, kind=ConnectionKind.MARKETPLACE, connector="manomano")


async def test_a_correction_is_used_and_the_original_kept_with_who_when_and_why(stage: Stage) -> None:
    order = routed(1)
    await know_marketplace(stage)
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
    await stage.harness.emitted()
    partly = await correct(stage, order.order_id, {"city": "Ville"})
    assert (partly.status_code, "street_1" in partly.json()["detail"]) == (422, True)
    answer = await correct(stage, order.order_id, WHOLE)
    assert [each["state"] for each in answer.json()["routes"]] == ["planned"]
    await stage.harness.run_effects()
    assert await stage.causes() == []
    assert [entry.kind for entry in stage.simulator.record.entries] == ["create_order"]
    told = {each.type: each for each in await stage.harness.emitted()}
    assert list(told) == [CORRECTED, "work.resumed.v1", "shop_order.created.v1"], "what was refused was not told"
    cause = told[CORRECTED].headers["ce_id"]
    because = [each.headers.get("ce_causationid") for each in told.values()]
    assert because == [None, cause, cause], "the story shows what the correction led to"


async def test_each_correction_is_told_once_by_the_names_of_what_it_changed(stage: Stage) -> None:
    order = routed(4)
    await stage.route(order)
    await stage.harness.emitted()
    fields, why = {"street_1": "8 Rue Corrigée", "postal_code": "ZZ-990", "city": "Nulleville"}, "he lives elsewhere"
    answers = [(await correct(stage, order.order_id, fields, why)).json() for _ in range(2)]
    assert [(each["version"], each["repeated"]) for each in answers] == [(1, False), (1, True)]
    (told,) = await stage.harness.emitted()
    assert (told.topic, told.key, told.headers["tenant"]) == (topics.SHOP_ACTIVITY, str(order.order_id), TENANT)
    assert told.data == ShippingAddressCorrected(
        order_id=order.order_id,
        connection_id=MARKETPLACE,
        version=1,
        changed_fields=("postal_code", "street_1"),
        actor="tester",
        corrected_at=stage.now,
    )
    assert not [words for words in (*fields.values(), why) if words in str(told)]
    for again in ({"postal_code": "ZZ-990"}, {"postal_code": "ZZ-990", "city": "Nulleville"}, fields):
        assert (await correct(stage, order.order_id, again)).json()["repeated"] is False
    later = [(body.version, body.changed_fields) for body in await stage.told()]
    assert later == [(2, ("street_1",)), (3, ()), (4, ("street_1",))], "what is named no longer is as it was given"


async def test_two_people_at_once_are_one_after_the_other(stage: Stage) -> None:
    order = routed(5)
    await stage.harness.feed((order.order_id, order))
    await stage.harness.emitted()
    streets = [WHOLE | {"street_1": f"{number} Rue Neuve"} for number in (1, 2, 3)]
    answers = await asyncio.gather(*(correct(stage, order.order_id, each) for each in streets))
    assert [each.status_code for each in answers] == [200] * 3
    told = [body for body in await stage.told() if isinstance(body, ShippingAddressCorrected)]
    assert [body.version for body in told] == [1, 2, 3]
    assert [body.changed_fields for body in told[1:]] == [("street_1",)] * 2


async def test_a_correction_waits_until_it_is_known_whose_order_it_is(stage: Stage) -> None:
    """Before an order is routed only its buyer is known here, and no tenant with him."""
    order = routed(6)
    await stage.harness.feed((order.order_id, customer(order.order_id)))
    refused = await correct(stage, order.order_id, WHOLE)
    assert (refused.status_code, "marketplace connection" in refused.json()["detail"]) == (409, True)
    assert await stage.told(CORRECTED) == []
    await know_marketplace(stage)
    assert (await correct(stage, order.order_id, WHOLE)).status_code == 200
    (told,) = [each for each in await stage.harness.emitted() if each.type == CORRECTED]
    assert (told.headers["tenant"], told.data.connection_id) == (TENANT, MARKETPLACE)


def test_a_field_that_is_emptied_or_left_to_the_marketplace_again_has_changed() -> None:
    given = {"street_1": "1", "street_2": "left", "city": "A", "region": None}
    after = {"street_2": None, "region": "", "phone": "5"}
    assert changed_fields(given, {"city": "B"}, after) == ("city", "phone", "street_2")
    assert changed_fields({}, {}, {"company": None}) == ()


async def test_erasure_takes_corrections_along_and_none_can_be_made_after(stage: Stage) -> None:
    order = routed(3)
    await know_marketplace(stage)
    await stage.harness.feed((order.order_id, customer(order.order_id)))
    assert (await correct(stage, order.order_id, WHOLE)).status_code == 200
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
