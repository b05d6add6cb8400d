"""Price and stock: absolute values, item by item answers, read-back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from connector_kit.exact_json import exact_json
from connector_kit.http import Answer, BadAnswer, Call
from connector_kit.offers import ChannelPrice
from connector_kit.outcome import OutcomeState, ProbeState
from connector_kit.requests import SetPrice, SetStock
from hub_contracts.base import Money

from .conftest import World

OFFERS = [{"sku": "A", "price": "10.00", "stock": 5}, {"sku": "B", "price": "7.50", "stock": 0}]
DONE, RETRY, REJECTED = OutcomeState.DONE, OutcomeState.RETRY, OutcomeState.REJECTED


@pytest.fixture
def shop(make_world: Callable[..., World]) -> World:
    return make_world(offers=OFFERS)


def stock(sku: str, quantity: int) -> SetStock:
    return SetStock(offer_sku=sku, quantity=quantity)


def price(sku: str, amount: str, currency: str = "EUR", discount: str | None = None) -> SetPrice:
    reduced = None if discount is None else Money(amount=discount, currency=currency)
    return SetPrice(offer_sku=sku, price=Money(amount=amount, currency=currency), discount_price=reduced)


def offer(world: World, sku: str) -> dict[str, Any]:
    return dict(world.sim.state()["offers"][f"11781522:{sku}"])


async def test_stock(shop: World) -> None:
    outcomes = await shop.connect().set_stock([stock("A", 14), stock("B", 0)])
    assert [outcome.state for outcome in outcomes] == [DONE, DONE]
    [call] = shop.http.calls
    assert (call.method, call.path, call.idempotent) == ("PATCH", "/api/v2/offer-information/offers", True)
    items = [{"sku": "A", "stock": {"quantity": 14}}, {"sku": "B", "stock": {"quantity": 0}}]
    assert call.json == {"content": [{"seller_contract_id": 11781522, "items": items}]}
    assert offer(shop, "A") == {"price": "10.00", "stock": 14}
    assert shop.applied("stock") == ["A", "B"]


async def test_prices_are_exact_numbers(shop: World) -> None:
    [outcome] = await shop.connect().set_price([price("A", "119.90")])
    assert outcome.state == DONE
    assert '"price_vat_included": 119.90}' in exact_json(shop.http.calls[0].json)
    assert offer(shop, "A") == {"price": "119.90", "stock": 5}
    assert shop.applied("price") == ["A"]


async def test_the_lower_price_is_what_the_buyer_pays(shop: World) -> None:
    request = price("A", "20.00", discount="15.00")
    connection = shop.connect()
    await connection.set_price([request])
    assert offer(shop, "A")["price"] == "15.00"
    assert (await connection.probe_price(request, {})).state == ProbeState.APPLIED


async def test_a_discount_holds_between_its_dates_only(shop: World) -> None:
    now = shop.clock.now()
    request = SetPrice(
        offer_sku="A",
        price=Money(amount="20.00", currency="EUR"),
        discount_price=Money(amount="15.00", currency="EUR"),
        discount_from=now + timedelta(hours=1),
        discount_until=now + timedelta(hours=2),
    )
    connection = shop.connect()
    for seconds, shown in ((0, "20.00"), (3600, "15.00"), (3599, "15.00"), (1, "20.00")):
        shop.clock.forward(seconds=seconds)
        [outcome] = await connection.set_price([request])
        assert offer(shop, "A")["price"] == shown
        assert outcome.answer.get("left_out") == (["discount_price"] if shown == "20.00" else None)
        assert (await connection.probe_price(request, {})).state == ProbeState.APPLIED


async def test_prices_of_channels_are_left_out_and_said(shop: World) -> None:
    channel = ChannelPrice(channel="ES", price=Money(amount="9.00", currency="EUR"))
    request = price("A", "12.00").model_copy(update={"channel_prices": (channel,)})
    done, refused = await shop.connect().set_price([request, request.model_copy(update={"offer_sku": "NOPE"})])
    assert (done.state, done.answer["left_out"]) == (DONE, ["channel_prices"])
    assert (refused.state, "left_out" in refused.answer) == (REJECTED, False)
    assert offer(shop, "A")["price"] == "12.00"


async def test_values_that_make_no_sense_are_not_sent(shop: World) -> None:
    connection = shop.connect()
    outcomes = await connection.set_price([price("A", "1.00", "GBP"), price("A", "0"), price("B", "9.00")])
    assert [outcome.state for outcome in outcomes] == [REJECTED, REJECTED, DONE]
    assert "EUR" in outcomes[0].reason
    [negative] = await connection.set_stock([stock("A", -1)])
    assert negative.state == REJECTED
    assert shop.applied("price") == ["B"]


async def test_mixed_answers_are_read_per_sku(shop: World) -> None:
    outcomes = await shop.connect().set_stock([stock("A", 1), stock("NOPE", 2), stock("B", 3)])
    assert [outcome.state for outcome in outcomes] == [DONE, REJECTED, DONE]
    assert "OFFER_NOT_FOUND" in outcomes[1].reason


async def test_an_item_missing_from_the_answer_is_sent_again(shop: World) -> None:
    shop.fault("missing_item_207", "set_offers")
    outcomes = await shop.connect().set_stock([stock("A", 1), stock("B", 3)])
    assert [outcome.state for outcome in outcomes] == [RETRY, DONE]


@pytest.mark.parametrize(
    "fault",
    ["timeout_after_effect", "error_500_after_effect", "error_500_before_effect", "html_answer", "rate_limit_gateway"],
)
async def test_doubt_means_sending_the_same_value_again(shop: World, fault: str) -> None:
    shop.fault(fault, "set_offers")
    connection = shop.connect()
    [outcome] = await connection.set_stock([stock("A", 9)])
    assert outcome.state == RETRY
    shop.sim.faults.set([])
    [outcome] = await connection.set_stock([stock("A", 9)])
    assert (outcome.state, offer(shop, "A")["stock"]) == (DONE, 9)


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        (200, b'{"request_id": "r1"}', DONE),
        (200, b"", DONE),
        (204, b"", DONE),
        (202, b"{}", RETRY),
        (207, b"{}", RETRY),
        (200, b'{"content": [{"items": [{"sku": "A", "result": {"http_code": 404}}]}]}', REJECTED),
        (200, b"[]", RETRY),
        (409, b"{}", REJECTED),
        (400, b'{"error": {"app_code": "ERR"}}', REJECTED),
        (401, b"{}", RETRY),
        (301, b"", RETRY),
    ],
)
async def test_answers(shop: World, status: int, body: bytes, state: OutcomeState) -> None:
    shop.http.before = lambda call: Answer(status, {}, body)
    [outcome] = await shop.connect().set_stock([stock("A", 1)])
    assert outcome.state == state


async def test_the_request_id_is_kept(shop: World) -> None:
    [outcome] = await shop.connect().set_stock([stock("A", 1)])
    assert outcome.answer["request_id"].startswith("req-")


async def test_calls_are_cut_by_the_setting_and_the_last_value_wins(shop: World) -> None:
    requests = [stock("A", 1), stock("B", 2), stock("A", 3)]
    await shop.connect(offers_per_call=1).set_stock(requests)
    assert shop.http.made("set_offers") == 3
    await shop.connect().set_stock(requests)
    assert shop.http.made("set_offers") == 5
    assert offer(shop, "A")["stock"] == 3


async def test_a_batch_that_is_too_big_is_halved(make_world: Callable[..., World]) -> None:
    world = make_world(offers=[{"sku": f"S{at}"} for at in range(40)])

    def small_only(call: Call) -> Answer | None:
        items = call.json["content"][0]["items"] if call.method == "PATCH" else []
        return Answer(400, {}, b'{"error": {"app_code": "ERR_1405"}}') if len(items) > 20 else None

    world.http.before = small_only
    outcomes = await world.connect().set_stock([stock(f"S{at}", at) for at in range(40)])
    assert {outcome.state for outcome in outcomes} == {DONE}
    assert world.http.made("set_offers") == 3


async def test_read_back(shop: World) -> None:
    connection = shop.connect()
    assert (await connection.probe_stock(stock("A", 5), {})).state == ProbeState.APPLIED
    assert shop.http.made("read_offers") == 1
    assert (await connection.probe_stock(stock("A", 6), {})).state == ProbeState.NOT_APPLIED
    assert (await connection.probe_stock(stock("B", 0), {})).state == ProbeState.APPLIED
    assert (await connection.probe_stock(stock("NOPE", 1), {})).state == ProbeState.UNDECIDED
    assert (await connection.probe_price(price("A", "10.0"), {})).state == ProbeState.APPLIED
    result = await connection.probe_price(price("A", "11.00"), {})
    assert (result.state, "10.00" in result.evidence) == (ProbeState.NOT_APPLIED, True)


async def test_an_offer_in_error_was_refused(shop: World) -> None:
    shop.sim.world.offers[11781522, "A"].errors.append("INVALID_ECO_PARTICIPATION")
    result = await shop.connect().probe_price(price("A", "99.00"), {})
    assert (result.state, "INVALID_ECO_PARTICIPATION" in result.evidence) == (ProbeState.REJECTED, True)


@pytest.mark.parametrize("value", ["null", '"many"', "{}", "true"])
async def test_unreadable_numbers_prove_nothing(shop: World, value: str) -> None:
    body = f'{{"content": [{{"sku": "A", "stock": {value}}}]}}'.encode()
    shop.http.before = lambda call: Answer(200, {}, body)
    assert (await shop.connect().probe_stock(stock("A", 1), {})).state == ProbeState.UNDECIDED


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"content": {}}'])
async def test_unreadable_lists_are_errors(shop: World, body: bytes) -> None:
    shop.http.before = lambda call: Answer(200, {}, body)
    with pytest.raises(BadAnswer):
        await shop.connect().probe_stock(stock("A", 1), {})


async def test_exact_amounts_survive() -> None:
    assert exact_json({"a": [Decimal("0.10"), 1, None, "é", True]}) == '{"a": [0.10, 1, null, "é", true]}'
