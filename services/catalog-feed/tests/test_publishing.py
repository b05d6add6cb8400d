"""Whole offers at simulated marketplaces: checked first, told once, seen to the end, told again when a date comes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hub_common.effects.model import EffectState
from hub_contracts.catalog import OfferListed, OfferListingRejected
from hub_contracts.connections import ConnectionState, HubSettings
from hub_contracts.envelope import Origin
from hub_contracts.stock import OfferChanged

from .markets import MARKET, Markets

GRID = {"carrier_grids": [{"name": "Standard", "days_min": 2, "days_max": 4}]}
ECO = {"attributes": {"eco_participation": "0"}}
LAMP: dict[str, Any] = {"prices": [{"price": "19.90"}], "quantity": 7, **GRID, **ECO}
PHONE: dict[str, Any] = {
    "product_id": "4006381333931",
    "product_id_type": "EAN",
    "state_code": "11",
    "prices": [{"price": "119.90"}, {"channel": "ES_B2C", "price": "124.90"}],
    "quantity": 3,
    "attributes": {"warranty": "24"},
}


def put(stage: Markets, sku: str) -> list[tuple[str, int]]:
    return [(entry["price"], entry["quantity"]) for entry in stage.recorded("publish_offer", sku)]


async def effect_states(stage: Markets) -> list[str]:
    return [row["state"] for row in await stage.h.effects("publish_offer")]


async def test_an_offer_is_created_and_told_as_listed(manomano: Markets) -> None:
    answer = await manomano.put("LAMP/1", LAMP)
    assert (answer["sent"], answer["dry_run"]) == (True, False)
    await manomano.send(1)
    assert put(manomano, "LAMP/1") == [("19.90", 7)]
    [listed] = await manomano.told(OfferListed)
    assert (listed.connection_id, listed.offer_sku, listed.withdrawn) == (MARKET, "LAMP/1", False)
    shown = await manomano.get("/offers/LAMP/1")
    assert (shown["state"], shown["request"]["quantity"], shown["stated_by"]) == ("listed", 7, "tester")
    assert [item["offer_sku"] for item in (await manomano.get("/offers", state="listed"))["items"]] == ["LAMP/1"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"carrier_grids": []}, "#/carrier_grids"),
        ({"carrier_grids": [{"name": "Standard", "days_min": 3, "days_max": 3}]}, "#/carrier_grids/0/shipping_time"),
        ({"prices": [{"price": "9", "discount_price": "9"}]}, "#/prices/discount_price"),
        ({"attributes": {}}, "#/attributes/eco_participation"),
    ],
)
async def test_what_would_be_refused_is_told_at_once_and_never_sent(
    manomano: Markets, change: dict[str, Any], pointer: str
) -> None:
    # The eco participation is demanded for contracts of one country.
    await manomano.connect(connector_settings={"seller_contract_id": 11781522, "country": "FR"})
    path = f"/v1/connections/{MARKET}/offers/LAMP"
    answer = await manomano.client.put(path, json=LAMP | change)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert all({"field", "rule", "next_step"} <= problem.keys() for problem in answer.json()["problems"])
    assert await manomano.h.effects() == []
    assert (await manomano.client.get(path)).status_code == 404


async def test_the_operators_own_rules_are_checked_before_a_call_is_spent(mirakl: Markets) -> None:
    wrong = PHONE | {"state_code": "99", "lead_time_days": 30, "attributes": {"warehouselocation": "Mars"}}
    answer = await mirakl.client.put(f"/v1/connections/{MARKET}/offers/P-1", json=wrong)
    assert answer.status_code == 422
    found = {problem["field"]: problem["next_step"] for problem in answer.json()["problems"]}
    assert {"state_code", "lead_time_days", "warehouselocation"} <= found.keys()
    assert "11 new" in found["state_code"]
    assert mirakl.recorded("publish_offer") == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"price": "1"}, "#/price"),
        ({"prices": [{"price": 1.5}]}, "#/prices/0/price"),
        ({"prices": [{"price": "5", "discount_from": "2026-01-01T00:00:00Z"}]}, "#/prices/0"),
        ({"prices": [{"price": "5", "discount_price": "4", "discount_from": "2026-01-01T00:00:00"}]},
         "#/prices/0/discount_from"),
        ({"quantity": -1}, "#/quantity"),
        ({"weight_kg": "heavy"}, "#/weight_kg"),
    ],
)  # fmt: skip
async def test_a_body_is_refused_by_field_and_rule(manomano: Markets, body: dict[str, Any], pointer: str) -> None:
    answer = await manomano.client.put(f"/v1/connections/{MARKET}/offers/LAMP", json=LAMP | body)
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_a_dry_run_checks_and_sends_nothing(manomano: Markets) -> None:
    answer = await manomano.put("LAMP", LAMP, 200, dry_run=True)
    assert answer["dry_run"] is True
    assert {warning["field"] for warning in answer["warnings"]} >= {"weight_kg"}
    assert await manomano.h.effects() == []


async def test_the_same_statement_is_not_sent_twice_and_a_newer_one_overtakes(manomano: Markets) -> None:
    await manomano.put("LAMP", LAMP)
    same = await manomano.put("LAMP", LAMP, 200)
    assert same["sent"] is False
    await manomano.put("LAMP", LAMP | {"quantity": 8})
    assert await effect_states(manomano) == ["SUPERSEDED", "PLANNED"]
    await manomano.send(1)
    assert put(manomano, "LAMP") == [("19.90", 8)]
    assert (await manomano.put("LAMP", LAMP | {"quantity": 8}, 200))["sent"] is False
    assert (await manomano.put("LAMP", LAMP | {"quantity": 8}, again=True))["sent"] is True
    await manomano.send(1)
    assert put(manomano, "LAMP") == [("19.90", 8)] * 2


async def test_a_refusal_is_kept_told_and_parked_until_the_offer_is_taken(manomano: Markets) -> None:
    await manomano.put("LAMP", LAMP | {"carrier_grids": [{"name": "Misspelt", "days_min": 2, "days_max": 4}]})
    await manomano.send(1)
    [refused] = await manomano.told(OfferListingRejected)
    assert "INVALID_CARRIER_GRID" in refused.problems[0]
    assert "Toolbox" in refused.problems[0], "it says what to do"
    [waiting] = await manomano.h.parked()
    assert (waiting["cause"], waiting["subject_kind"]) == ("listing_rejected", "offer")
    assert "Toolbox" in waiting["next_step"]
    shown = await manomano.get("/offers/LAMP")
    assert (shown["state"], shown["problems"][0]["field"]) == ("rejected", "carrier_grids")
    await manomano.put("LAMP", LAMP)
    await manomano.send(1)
    assert await manomano.causes() == []
    assert (await manomano.get("/offers/LAMP"))["state"] == "listed"


async def test_a_refused_statement_may_be_sent_again_as_it_is(manomano: Markets) -> None:
    manomano.simulator.world.settings.unapproved_skus.append("LAMP")
    await manomano.put("LAMP", LAMP)
    await manomano.send(1)
    assert "approved" in (await manomano.get("/offers/LAMP"))["problems"][0]["next_step"]
    manomano.simulator.world.settings.unapproved_skus.clear()
    assert (await manomano.put("LAMP", LAMP))["sent"] is True
    await manomano.send(1)
    assert (await manomano.get("/offers/LAMP"))["state"] == "listed"


async def test_an_answer_that_never_came_ends_in_one_listed_offer(manomano: Markets) -> None:
    manomano.fault("timeout_after_effect", "put_offers")
    await manomano.put("LAMP", LAMP)
    await manomano.send()
    assert (await manomano.get("/offers/LAMP"))["state"] == "listed"
    assert len(await manomano.told(OfferListed)) == 1
    assert set(put(manomano, "LAMP")) == {("19.90", 7)}, "stating the same again is harmless there"


async def test_the_hubs_own_count_is_sent_as_it_is_at_the_moment_of_the_call(manomano: Markets) -> None:
    await manomano.counted("LAMP", 4)
    answer = await manomano.put("LAMP", LAMP)
    assert "quantity" in {warning["field"] for warning in answer["warnings"]}
    await manomano.counted("LAMP", 2)
    await manomano.send(1)
    assert put(manomano, "LAMP") == [("19.90", 2)], "seven were stated, four were there then, two are there now"


async def test_a_count_of_the_other_environment_or_of_a_silent_hub_is_not_sent(manomano: Markets) -> None:
    await manomano.counted("LAMP", 4)
    await manomano.stop_pushing()
    await manomano.put("LAMP", LAMP)
    await manomano.counted("SOFA", 4, environment="production")
    await manomano.put("SOFA", LAMP)
    await manomano.send(1)
    assert put(manomano, "LAMP") == put(manomano, "SOFA") == [("19.90", 7)]


def dated(stage: Markets, begins: int, ends: int) -> dict[str, Any]:
    now = stage.clock.now()
    price = {
        "price": "19.90",
        "discount_price": "15.00",
        "discount_from": (now + timedelta(hours=begins)).isoformat(),
        "discount_until": (now + timedelta(hours=ends)).isoformat(),
    }
    return LAMP | {"prices": [price]}


async def test_a_dated_discount_is_sent_again_when_it_begins_and_when_it_ends(manomano: Markets) -> None:
    await manomano.stop_pushing()
    await manomano.put("LAMP", dated(manomano, 1, 5))
    assert not await manomano.boundary()
    await manomano.send(1)
    assert put(manomano, "LAMP") == [("19.90", 7)]
    manomano.simulator.world.offers[11781522, "LAMP"].stock = 3  # four were sold
    manomano.clock.advance(3600 - 61 - 1)
    assert not await manomano.boundary(), "a second too early"
    manomano.clock.advance(1)
    assert await manomano.boundary()
    assert not await manomano.boundary(), "once"
    await manomano.send(1)
    assert put(manomano, "LAMP")[-1] == ("15.00", 3), "the discount begins, and what was sold stays sold"
    manomano.clock.advance(4 * 3600)
    assert await manomano.boundary()
    await manomano.send(1)
    assert put(manomano, "LAMP")[-1] == ("19.90", 3)
    assert not await manomano.boundary()
    assert len(put(manomano, "LAMP")) == 3
    keys = [row["natural_key"] for row in await manomano.h.effects("publish_offer")]
    assert len(set(keys)) == 3


async def test_dates_that_passed_while_the_hub_was_down_are_made_up_for_once(manomano: Markets) -> None:
    await manomano.put("LAMP", dated(manomano, 1, 5))
    await manomano.send(1)
    manomano.clock.advance(24 * 3600)
    assert await manomano.boundary()
    assert not await manomano.boundary()
    await manomano.send(1)
    assert put(manomano, "LAMP")[-1] == ("19.90", 7)


async def test_a_newer_price_of_the_shop_is_not_undone_by_an_old_discount(manomano: Markets) -> None:
    await manomano.counted("LAMP", 4, "19.90")
    await manomano.put("LAMP", dated(manomano, 1, 5))
    await manomano.send(1)
    await manomano.counted("LAMP", 3, "19.90")
    await manomano.counted("LAMP", 3, "12.00")
    manomano.clock.advance(3600)
    assert await manomano.boundary()
    await manomano.send(1)
    assert len(put(manomano, "LAMP")) == 1
    shown = await manomano.get("/offers/LAMP")
    assert "another price" in shown["problems"][-1]["rule"]
    assert shown["resend_at"] is None


async def test_a_sale_alone_does_not_stop_a_discount(manomano: Markets) -> None:
    await manomano.counted("LAMP", 4, "19.90")
    manomano.clock.advance(5)
    await manomano.put("LAMP", dated(manomano, 1, 5))
    await manomano.send(1)
    await manomano.counted("LAMP", 3, "19.90")
    manomano.clock.advance(3600)
    assert await manomano.boundary()
    await manomano.send(1)
    assert put(manomano, "LAMP")[-1] == ("15.00", 3)


async def test_an_offer_that_was_refused_or_withdrawn_is_not_sent_again_by_its_dates(manomano: Markets) -> None:
    await manomano.put("LAMP", dated(manomano, 1, 5) | {"carrier_grids": [{"name": "X", "days_min": 1, "days_max": 2}]})
    await manomano.put("SOFA", dated(manomano, 1, 5))
    await manomano.send(1)
    assert (await manomano.client.delete(f"/v1/connections/{MARKET}/offers/SOFA")).status_code == 202
    await manomano.send(1)
    manomano.clock.advance(3600)
    assert not await manomano.boundary()


async def test_a_connection_that_may_not_send_is_made_up_for_later(manomano: Markets) -> None:
    await manomano.put("LAMP", dated(manomano, 1, 50))
    await manomano.send(1)
    await manomano.connect(settings=HubSettings(capabilities_off=("publish_offers",)))
    manomano.clock.advance(3600)
    assert await manomano.boundary()
    assert len(await manomano.h.effects("publish_offer")) == 1
    await manomano.connect()
    assert not await manomano.boundary()
    manomano.clock.advance(600)
    assert await manomano.boundary()
    assert len(await manomano.h.effects("publish_offer")) == 2


async def test_withdrawing_takes_the_offer_off(manomano: Markets) -> None:
    await manomano.put("LAMP", LAMP)
    await manomano.send(1)
    answer = await manomano.client.delete(f"/v1/connections/{MARKET}/offers/LAMP")
    assert answer.status_code == 202, answer.text
    await manomano.send(1)
    assert manomano.recorded("stock", "LAMP")[-1]["quantity"] == 0
    assert [event.withdrawn for event in await manomano.told(OfferListed)] == [False, True]
    assert (await manomano.get("/offers/LAMP"))["state"] == "withdrawn"


async def test_an_import_is_followed_to_its_report(mirakl: Markets) -> None:
    await mirakl.put("NEW-1", PHONE)
    await mirakl.put("NEW-2", PHONE | {"product_id": "UNKNOWN", "product_id_type": "SKU"})
    mirakl.clock.advance(61)
    await mirakl.h.run_effects()
    assert await effect_states(mirakl) == ["SENT", "SENT"], "taken is not yet applied"
    assert (await mirakl.get("/offers/NEW-1"))["state"] == "publishing"
    await mirakl.send()
    [listed] = await mirakl.told(OfferListed)
    [refused] = await mirakl.told(OfferListingRejected)
    assert (listed.offer_sku, listed.confirmed_by) == ("NEW-1", "probe")
    assert refused.offer_sku == "NEW-2"
    assert listed.import_reference == refused.import_reference is not None
    [problem] = (await mirakl.get("/offers/NEW-2"))["problems"]
    assert problem["rule"] == "The product does not exist"
    assert "import the product first" in problem["next_step"], "the operator's profile says what to do"
    assert await mirakl.causes() == ["listing_rejected"]
    offer = mirakl.simulator.world.offers["NEW-1"]
    assert [str(price.price) for price in offer.prices] == ["119.90", "124.90"]


async def test_what_is_not_stated_is_kept_where_the_marketplace_would_reset_it(mirakl: Markets) -> None:
    before = mirakl.simulator.world.offers["COQUE-NOIR"]
    before.details["description"] = "kept"
    quantity = before.quantity
    await mirakl.put("COQUE-NOIR", {"prices": [{"price": "18.00"}]})
    await mirakl.send()
    after = mirakl.simulator.world.offers["COQUE-NOIR"]
    assert (str(after.prices[0].price), after.quantity, after.details["description"]) == ("18.00", quantity, "kept")


CSV = (
    "offer_sku;product_id;product_id_type;state_code;price;price[ES_B2C];quantity;attribute[warranty];withdraw\n"
    "N-1;4006381333931;EAN;11;10.00;11.00;1;24;\n"
    "N-2;4006381333931;EAN;{state};20.00;;2;;\n"
    "COQUE-NOIR;;;;;;;;true\n"
)


async def test_many_offers_come_by_csv_all_or_none(mirakl: Markets) -> None:
    bad = await mirakl.post("/offers/import", 422, content=CSV.format(state="99"))
    assert [error["pointer"] for error in bad["errors"]] == ["row:3/state_code"]
    assert bad["problems"][0]["offer_sku"] == "N-2"
    assert await mirakl.h.effects() == []
    dry = await mirakl.post("/offers/import", 200, {"dry_run": True}, content=CSV.format(state="11"))
    assert (dry["offers"], dry["sent"], await mirakl.h.effects()) == (3, 0, [])
    sent = await mirakl.post("/offers/import", 202, content=CSV.format(state="11"))
    assert (sent["offers"], sent["sent"]) == (3, 3)
    await mirakl.send()
    offers = mirakl.simulator.world.offers
    assert "COQUE-NOIR" not in offers
    assert [(str(p.price), p.channels) for p in offers["N-1"].prices] == [("10.00", ()), ("11.00", ("ES_B2C",))]
    again = await mirakl.post("/offers/import", 202, content=CSV.format(state="11"))
    assert (again["sent"], again["unchanged"]) == (0, 3)


async def test_good_rows_may_go_without_the_bad_ones(mirakl: Markets) -> None:
    sent = await mirakl.post("/offers/import", 202, {"leave_out": True}, content=CSV.format(state="99"))
    assert (sent["offers"], [problem["offer_sku"] for problem in sent["left_out"]]) == (2, ["N-2"])
    nothing = await mirakl.post("/offers/import", 422, {"leave_out": True}, content="offer_sku\n")
    assert nothing["errors"][0]["detail"] == "has no offers"


async def test_many_offers_come_by_json(mirakl: Markets) -> None:
    offers = [{"offer_sku": "N-1", **PHONE}, {"offer_sku": "N-2", **PHONE, "state_code": "99"}]
    refused = await mirakl.post("/offers/import", 422, json={"offers": offers})
    assert [error["pointer"] for error in refused["errors"]] == ["#/offers/1/state_code"]
    twice = await mirakl.post("/offers/import", 422, json={"offers": [offers[0], offers[0]]})
    assert "twice" in twice["errors"][0]["detail"]
    wrong = await mirakl.post("/offers/import", 422, json={"offers": [offers[0] | {"colour": "x"}]})
    assert wrong["errors"][0]["pointer"] == "#/offers/0/colour"
    assert (await mirakl.post("/offers/import", 202, json={"offers": offers[:1]}))["sent"] == 1


async def test_released_values_may_be_overwritten_by_the_feed_again(manomano: Markets) -> None:
    await manomano.put("LAMP", LAMP)
    await manomano.send(1)
    offer = manomano.simulator.world.offers[11781522, "LAMP"]
    offer.frozen_price = offer.frozen_stock = True
    answer = await manomano.post("/offer-releases", json={"offer_skus": ["LAMP", "LAMP"], "fields": ["price"]})
    assert (answer["offers"], len(answer["warnings"])) == (1, 1), "the hub itself would freeze it again"
    await manomano.send(1)
    offer = manomano.simulator.world.offers[11781522, "LAMP"]
    assert (offer.frozen_price, offer.frozen_stock) == (False, True)
    [shown] = (await manomano.get("/offer-releases"))["items"]
    assert (shown["state"], shown["fields"]) == ("released", ["price"])
    await manomano.stop_pushing()
    assert (await manomano.post("/offer-releases", json={"offer_skus": ["LAMP"], "fields": ["stock"]}))[
        "warnings"
    ] == []
    await manomano.send(1)
    assert manomano.simulator.world.offers[11781522, "LAMP"].frozen_stock is False


async def test_a_lost_answer_to_a_release_ends_in_released_values(manomano: Markets) -> None:
    await manomano.put("LAMP", LAMP)
    await manomano.send(1)
    manomano.simulator.world.offers[11781522, "LAMP"].frozen_price = True
    manomano.fault("timeout_after_effect", "unfreeze")
    await manomano.post("/offer-releases", json={"offer_skus": ["LAMP"], "fields": ["price"]})
    await manomano.send()
    assert [row["state"] for row in await manomano.h.effects("release_offer")] == [EffectState.DONE]
    assert manomano.simulator.world.offers[11781522, "LAMP"].frozen_price is False


async def test_a_refused_release_waits_for_a_person_until_one_is_taken(manomano: Markets) -> None:
    await manomano.connect(connector_settings={"seller_contract_id": 999})
    await manomano.post("/offer-releases", json={"offer_skus": ["LAMP"], "fields": ["price"]})
    await manomano.send(1)
    [shown] = (await manomano.get("/offer-releases"))["items"]
    assert (shown["state"], bool(shown["reason"])) == ("rejected", True)
    assert await manomano.causes() == ["release_rejected"]
    await manomano.connect()
    await manomano.post("/offer-releases", json={"offer_skus": ["LAMP"], "fields": ["price"]})
    await manomano.send(1)
    assert await manomano.causes() == []


async def test_capabilities_decide_what_a_connection_may_be_asked(mirakl: Markets) -> None:
    answer = await mirakl.post("/offer-releases", 409, json={"offer_skus": ["A"], "fields": ["price"]})
    assert answer["type"] == "urn:hub:problem:capability-off"
    await mirakl.connect(state=ConnectionState.INACTIVE)
    refused = await mirakl.client.put(f"/v1/connections/{MARKET}/offers/A", json=PHONE)
    assert (refused.status_code, "not active" in refused.json()["detail"]) == (409, True)
    await mirakl.connect(state=ConnectionState.PAUSED)
    await mirakl.put("A", PHONE)
    await mirakl.send(1)
    assert mirakl.recorded("publish_offer") == [], "a paused connection keeps what is planned"
    unknown = await mirakl.client.put("/v1/connections/00000000-0000-0000-0000-000000000009/offers/A", json=PHONE)
    assert unknown.status_code == 404


async def test_replayed_facts_about_offers_plan_nothing(manomano: Markets) -> None:
    await manomano.put("LAMP", dated(manomano, 1, 5))
    await manomano.send(1)
    before = len(await manomano.h.effects())
    data = OfferChanged(
        connection_id=MARKET,
        environment="sandbox",
        offer_sku="LAMP",
        shop_connection_id=MARKET,
        shop_sku="LAMP",
        on_hand=1,
        reserved=0,
        buffer=0,
        available=1,
        changed_at=manomano.clock.now(),
    )
    await manomano.h.feed((f"{MARKET}:LAMP", data), origin=Origin.REPLAY)
    assert len(await manomano.h.effects()) == before


async def test_strangers_and_viewers_state_nothing(manomano: Markets) -> None:
    headers = {"Authorization": "Bearer nobody"}
    path = f"/v1/connections/{MARKET}/offers/LAMP"
    assert (await manomano.client.put(path, json=LAMP, headers=headers)).status_code == 401
