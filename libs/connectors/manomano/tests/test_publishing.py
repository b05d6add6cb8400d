"""Offers stated whole: what is checked before, what goes out, what the answer is worth; and values released again."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from connector_kit.http import Answer, Call, NotSent
from connector_kit.offers import ChannelPrice, Problem, PublishOffer, ReleaseOffer
from connector_kit.outcome import Outcome, OutcomeState, ProbeState
from connector_manomano.connector import ManoMano
from hub_contracts.base import Money

from .conftest import World

DONE, RETRY, REJECTED, UNKNOWN = OutcomeState.DONE, OutcomeState.RETRY, OutcomeState.REJECTED, OutcomeState.UNKNOWN


def eur(amount: str, currency: str = "EUR") -> Money:
    return Money(amount=amount, currency=currency)


def offer(sku: str = "A", **changes: Any) -> PublishOffer:
    """An offer with nothing to say against it."""
    whole: dict[str, Any] = {
        "prices": (ChannelPrice(price=eur("119.90")),),
        "quantity": 14,
        "weight_kg": "2.4",
        "carrier_grids": (("Standard", 2, 4),),
        "min_order_quantity": 1,
        "package_quantity": 1,
        "attributes": {"eco_participation": "0.12"},
    }
    return PublishOffer(offer_sku=sku, **(whole | changes))


def priced(price: str, discount: str | None = None, **more: Any) -> tuple[ChannelPrice, ...]:
    return (ChannelPrice(price=eur(price), discount_price=None if discount is None else eur(discount), **more),)


def errors(connection: ManoMano, request: PublishOffer) -> list[str]:
    return [problem.field for problem in connection.check_offer(request) if problem.severity == "error"]


def warnings(connection: ManoMano, request: PublishOffer) -> list[str]:
    return [problem.field for problem in connection.check_offer(request) if problem.severity == "warning"]


async def publish(connection: ManoMano, *requests: PublishOffer) -> list[Outcome]:
    return list(await connection.publish_offers(requests))


def told(outcome: Outcome) -> list[Problem]:
    return [Problem.model_validate(problem) for problem in outcome.answer["problems"]]


async def test_a_whole_offer_in_the_words_of_the_call(world: World) -> None:
    connection = world.connect()
    assert connection.check_offer(offer()) == []
    [outcome] = await publish(connection, offer(prices=priced("139.90", "119.90")))
    assert (outcome.state, outcome.answer) == (DONE, {"http_code": 200})
    [call] = world.http.calls
    assert (call.operation, call.method, call.path) == ("publish_offers", "PUT", "/api/v1/offers")
    assert call.params == (("seller_contract_id", "11781522"),)
    assert call.json == [
        {
            "sku": "A",
            "stock": 14,
            "pricing": {
                "price_vat_included": Decimal("119.90"),
                "retail_price_vat_included": Decimal("139.90"),
                "eco_participation": Decimal("0.12"),
            },
            "shipping": {
                "display_weight": Decimal("2.4"),
                "carrier_grid": [{"name": "Standard", "shipping_time_min": 2, "shipping_time_max": 4}],
            },
            "packaging": {"min_quantity": 1, "increment": 1},
        }
    ]
    assert world.applied("publish_offer") == ["A"]


async def test_at_most_twenty_go_out_in_a_call(world: World) -> None:
    outcomes = await publish(world.connect(), *[offer(f"S{at}") for at in range(45)])
    assert {outcome.state for outcome in outcomes} == {DONE}
    assert [len(call.json) for call in world.http.calls] == [20, 20, 5]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"carrier_grids": ()}, "carrier_grids"),
        ({"carrier_grids": (("", 2, 4),)}, "carrier_grids[0].name"),
        ({"carrier_grids": (("Standard", 2, 4), ("Standard", 1, 2))}, "carrier_grids"),
        ({"carrier_grids": (("Standard", 2, 4), ("Heavy", 3, 3))}, "carrier_grids[1].shipping_time"),
        ({"carrier_grids": (("Standard", 5, 4),)}, "carrier_grids[0].shipping_time"),
        ({"carrier_grids": (("Standard", -1, 4),)}, "carrier_grids[0].shipping_time"),
        ({"prices": priced("10.00", "10.00")}, "prices.discount_price"),
        ({"prices": priced("10.00", "11.00")}, "prices.discount_price"),
        ({"prices": priced("0")}, "prices.price"),
        ({"prices": (ChannelPrice(price=eur("10.00", "GBP")),)}, "prices.price.currency"),
        ({"prices": (*priced("1.00"), *priced("2.00"))}, "prices"),
        ({"quantity": -1}, "quantity"),
        ({"weight_kg": "0"}, "weight_kg"),
        ({"weight_kg": "heavy"}, "weight_kg"),
        ({"weight_kg": "NaN"}, "weight_kg"),
        ({"min_order_quantity": 0}, "min_order_quantity"),
        ({"package_quantity": 0}, "package_quantity"),
        ({"attributes": {}}, "attributes.eco_participation"),
        ({"attributes": {"eco_participation": "-1"}}, "attributes.eco_participation"),
        ({"attributes": {"eco_participation": "yes"}}, "attributes.eco_participation"),
    ],
)
async def test_what_would_be_refused_is_not_sent(world: World, changes: dict[str, Any], field: str) -> None:
    connection = world.connect()
    assert errors(connection, offer(**changes)) == [field]
    bad, good = await publish(connection, offer("BAD", **changes), offer("GOOD"))
    assert (bad.state, good.state) == (REJECTED, DONE)
    assert [(problem.field, problem.offer_sku) for problem in told(bad)] == [(field, "BAD")]
    assert field in bad.reason
    assert world.applied("publish_offer") == ["GOOD"]


def test_rules_follow_the_contract(world: World) -> None:
    without = offer(attributes={})
    assert errors(world.connect(country="IT"), without) == []
    assert errors(world.connect(carrier_grids="Standard; Lourd"), offer()) == []
    assert errors(world.connect(carrier_grids="Express; Lourd"), offer()) == ["carrier_grids[0].name"]
    assert errors(world.connect(country="UK"), offer()) == ["prices.price.currency"]


def test_what_is_lost_is_told_before(world: World) -> None:
    connection = world.connect()
    request = offer(
        state_code="11",
        lead_time_days=3,
        attributes={"eco_participation": "0", "warranty": "24"},
        weight_kg=None,
        min_order_quantity=3,
        package_quantity=2,
        prices=(*priced("10.00"), ChannelPrice(channel="ES", price=eur("9.00"))),
    )
    assert errors(connection, request) == []
    assert warnings(connection, request) == [
        "prices", "min_order_quantity", "weight_kg", "state_code", "lead_time_days", "attributes.warranty"
    ]  # fmt: skip
    assert connection.check_offer(offer(withdraw=True, prices=(), carrier_grids=(), attributes={})) == []


async def test_warnings_stand_beside_the_success(world: World) -> None:
    [outcome] = await publish(world.connect(), offer(weight_kg=None))
    assert (outcome.state, [problem.field for problem in told(outcome)]) == (DONE, ["weight_kg"])


async def test_what_is_left_open_is_read_and_stated_again(make_world: Callable[..., World]) -> None:
    world = make_world(offers=[{"sku": "A", "price": "50.00", "stock": 9}, {"sku": "B", "price": "8.00", "stock": 0}])
    world.sim.world.offers[11781522, "A"].retail_price = Decimal("60.00")
    outcomes = await publish(
        world.connect(), offer("A", prices=(), quantity=None), offer("B", quantity=None), offer("C")
    )
    assert [outcome.state for outcome in outcomes] == [DONE] * 3
    reads = [call for call in world.http.calls if call.method == "GET"]
    assert {call.operation for call in reads} == {"read_offers_for_publishing"}
    assert {dict(call.params)["skus"] for call in reads} == {"A,B"}
    first, second, _ = world.http.calls[-1].json
    assert (first["stock"], first["pricing"]["price_vat_included"]) == (9, Decimal("50.00"))
    assert first["pricing"]["retail_price_vat_included"] == Decimal("60.00")
    assert (second["stock"], second["pricing"]["price_vat_included"]) == (0, Decimal("119.90"))


async def test_what_cannot_be_read_must_be_stated(world: World) -> None:
    connection = world.connect()
    no_price, no_stock = await publish(connection, offer("NEW", prices=()), offer("NEW2", quantity=None))
    assert [told(outcome)[0].field for outcome in (no_price, no_stock)] == ["prices", "quantity"]
    assert (no_price.state, no_stock.state, world.http.made("publish_offers")) == (REJECTED, REJECTED, 0)
    world.http.before = lambda call: NotSent("budget used up", 30)
    [unread] = await publish(connection, offer(quantity=None))
    assert (unread.state, unread.retry_after) == (RETRY, 30)


async def test_the_rejects_inside_of_the_200_are_found_and_explained(make_world: Callable[..., World]) -> None:
    world = make_world(unapproved_skus=["NEW"], eco_participation_place="offer")
    connection = world.connect(eco_participation_place="offer")
    new, good, grid = await publish(
        connection, offer("NEW"), offer("GOOD"), offer("GRID", carrier_grids=(("Nobody's", 1, 2),))
    )
    assert [outcome.state for outcome in (new, good, grid)] == [REJECTED, DONE, REJECTED]
    [problem] = told(new)
    assert (problem.code, problem.field, problem.offer_sku) == ("NO_CONTENT_APPROVED", "product", "NEW")
    assert "approved" in problem.next_step
    assert told(grid)[0].field == "carrier_grids"
    assert world.applied("publish_offer") == ["GOOD"]
    misplaced = world.connect(eco_participation_place="pricing")
    [eco] = await publish(misplaced, offer("GOOD"))
    assert told(eco)[0].code == "INVALID_ECO_PARTICIPATION"


@pytest.mark.parametrize(
    ("entry", "state"),
    [
        ({"response": {"status": 200}}, DONE),
        ({"response": {"status": "201"}}, DONE),
        ({"response": {"status": 200}, "errors": ["ODD"]}, UNKNOWN),
        ({"response": {"status": 400, "reason_phrase": "Bad Request"}}, REJECTED),
        ({"response": {"status": 400}, "errors": [{"app_code": "X", "message": "no"}]}, REJECTED),
        ({"response": {"status": 500}}, RETRY),
        ({"response": {"status": 429}}, RETRY),
        ({"response": {"status": 401}}, RETRY),
        ({"response": {"status": 302}}, RETRY),
        ({"response": {}}, RETRY),
        ({"response": None}, RETRY),
        ({}, RETRY),
        ({"sku": "OTHER", "response": {"status": 200}}, RETRY),
    ],
)
async def test_each_verdict(world: World, entry: dict[str, Any], state: OutcomeState) -> None:
    body = json.dumps({"content": [{"sku": "A"} | entry]}).encode()
    world.http.before = lambda call: Answer(200, {}, body)
    [outcome] = await publish(world.connect(), offer())
    assert outcome.state == state
    if state == REJECTED:
        assert told(outcome)
        assert told(outcome)[0].next_step


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"content": {}}', b'{"content": []}'])
async def test_an_answer_that_names_no_offer_is_no_success(world: World, body: bytes) -> None:
    world.http.before = lambda call: Answer(200, {}, body)
    [outcome] = await publish(world.connect(), offer())
    assert outcome.state == RETRY


async def test_two_verdicts_on_one_offer_are_not_believed(world: World) -> None:
    twice = [{"sku": "A", "response": {"status": 200}}, {"sku": "A", "response": {"status": 400}}]
    world.http.before = lambda call: Answer(200, {}, json.dumps({"content": twice}).encode())
    [outcome] = await publish(world.connect(), offer())
    assert outcome.state == RETRY


@pytest.mark.parametrize(
    "fault", ["timeout_after_effect", "error_500_after_effect", "error_500_before_effect", "html_answer"]
)
async def test_a_doubt_is_answered_by_stating_the_same_again(world: World, fault: str) -> None:
    world.fault(fault, "put_offers")
    connection = world.connect()
    assert [outcome.state for outcome in await publish(connection, offer())] == [RETRY]
    assert [outcome.state for outcome in await publish(connection, offer())] == [DONE]
    assert world.sim.state()["offers"]["11781522:A"] == {"price": "119.90", "stock": 14}


async def test_an_offer_missing_from_the_answer_is_not_done(world: World) -> None:
    world.fault("missing_item_207", "put_offers")
    outcomes = await publish(world.connect(), offer("A"), offer("B"))
    assert [outcome.state for outcome in outcomes] == [RETRY, DONE]


async def test_a_withdrawn_offer_goes_offline_and_keeps_its_price(make_world: Callable[..., World]) -> None:
    world = make_world(offers=[{"sku": "A", "price": "50.00", "stock": 9}])
    connection = world.connect()
    request = PublishOffer(offer_sku="A", withdraw=True)
    assert (await connection.probe_publish_offer(request, {})).state == ProbeState.NOT_APPLIED
    [outcome] = await publish(connection, request)
    assert outcome.state == DONE
    assert world.sim.state()["offers"]["11781522:A"] == {"price": "50.00", "stock": 0}
    assert (await connection.probe_publish_offer(request, {})).state == ProbeState.APPLIED
    assert {call.operation for call in world.http.calls} == {"publish_offers", "read_offers_for_publishing"}


async def test_read_back_of_a_published_offer(world: World) -> None:
    connection = world.connect()
    request = offer(prices=priced("139.90", "119.90"))
    assert (await connection.probe_publish_offer(request, {})).state == ProbeState.NOT_APPLIED
    await publish(connection, request)
    assert (await connection.probe_publish_offer(request, {})).state == ProbeState.APPLIED
    for other in (offer(), offer(prices=priced("139.90", "110.00")), request.model_copy(update={"quantity": 1})):
        assert (await connection.probe_publish_offer(other, {})).state == ProbeState.NOT_APPLIED
    world.sim.world.offers[11781522, "A"].errors.append("INVALID_ECO_PARTICIPATION")
    refused = await connection.probe_publish_offer(request, {})
    assert refused.state == ProbeState.REJECTED
    assert refused.answer["problems"][0]["next_step"]


async def test_a_discount_counts_while_it_holds(world: World) -> None:
    connection = world.connect()
    now = world.clock.now()
    later = offer(prices=priced("20.00", "15.00", discount_from=now.replace(hour=12)))
    assert warnings(connection, later) == ["prices.discount_from"]
    await publish(connection, later)
    assert "retail_price_vat_included" not in world.http.calls[-1].json[0]["pricing"]
    world.clock.forward(hours=3)
    await publish(connection, later)
    assert world.http.calls[-1].json[0]["pricing"]["price_vat_included"] == Decimal("15.00")


async def test_release_lets_the_feed_speak_again(make_world: Callable[..., World]) -> None:
    world = make_world(offers=[{"sku": "A", "stock": 5}, {"sku": "B", "stock": 5}])
    connection = world.connect()
    both = {"stock": {"quantity": 1}, "price": {"price_vat_included": Decimal("9.00")}}
    await connection.patch("set_offers", [{"sku": sku, **both} for sku in ("A", "B")], [None, None])
    world.sim.import_feed(11781522, "A", price=Decimal("30.00"), stock=30)
    assert world.sim.state()["offers"]["11781522:A"] == {"price": "9.00", "stock": 1}
    requests = [ReleaseOffer(offer_sku="A", fields=("stock",)), ReleaseOffer(offer_sku="B", fields=("stock", "price"))]
    assert (await connection.probe_release_offer(requests[0], {})).state == ProbeState.NOT_APPLIED
    outcomes = await connection.release_offers(requests)
    assert [outcome.state for outcome in outcomes] == [DONE, DONE]
    sent = [call.json for call in world.http.calls if call.operation == "release_offers"]
    assert sent == [
        {"seller_contract_id": 11781522, "skus": ["A"], "fields": ["STOCK"]},
        {"seller_contract_id": 11781522, "skus": ["B"], "fields": ["PRICE", "STOCK"]},
    ]
    assert [(await connection.probe_release_offer(request, {})).state for request in requests] == [
        ProbeState.APPLIED
    ] * 2
    world.sim.import_feed(11781522, "A", price=Decimal("30.00"), stock=30)
    assert world.sim.state()["offers"]["11781522:A"] == {"price": "9.00", "stock": 30}


async def test_a_release_of_which_a_part_is_missing_is_not_applied(make_world: Callable[..., World]) -> None:
    world = make_world(offers=[{"sku": "A"}])
    connection = world.connect()
    await connection.patch("set_offers", [{"sku": "A", "stock": {"quantity": 1}}], [None])
    both = ReleaseOffer(offer_sku="A", fields=("price", "stock"))
    result = await connection.probe_release_offer(both, {})
    assert (result.state, result.evidence) == (
        ProbeState.NOT_APPLIED,
        "the offer shows frozen_price False, frozen_stock True",
    )


async def test_releases_of_the_same_fields_share_a_call(world: World) -> None:
    requests = [ReleaseOffer(offer_sku=f"S{at}", fields=("price",)) for at in range(30)]
    empty = ReleaseOffer(offer_sku="X", fields=())
    outcomes = await world.connect().release_offers([*requests, empty])
    assert [outcome.state for outcome in outcomes] == [DONE] * 30 + [REJECTED]
    assert world.http.made("release_offers") == 1


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        (200, b'{"request_id": "r1"}', DONE),
        (204, b"", DONE),
        (200, b"<html>", RETRY),
        (500, b"", RETRY),
        (401, b"{}", RETRY),
        (429, b"{}", RETRY),
        (400, b'{"error": {"app_code": "X"}}', REJECTED),
        (207, b'{"content": [{"items": [{"sku": "A", "result": {"http_code": 404}}]}]}', REJECTED),
    ],
)
async def test_answers_to_a_release(world: World, status: int, body: bytes, state: OutcomeState) -> None:
    world.http.before = lambda call: Answer(status, {}, body)
    [outcome] = await world.connect().release_offers([ReleaseOffer(offer_sku="A", fields=("price",))])
    assert outcome.state == state


async def test_a_release_that_cannot_be_seen_is_undecided(world: World) -> None:
    connection = world.connect()
    request = ReleaseOffer(offer_sku="A", fields=("price",))
    assert (await connection.probe_release_offer(request, {})).state == ProbeState.UNDECIDED

    def without_flags(call: Call) -> Answer:
        return Answer(200, {}, b'{"content": [{"sku": "A"}], "pagination": {"pages": 1}}')

    world.http.before = without_flags
    assert (await connection.probe_release_offer(request, {})).state == ProbeState.UNDECIDED
