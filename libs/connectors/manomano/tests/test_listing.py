"""Listing and reading orders: windows, pages that shift, odd answers. No order may be lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector_kit.capabilities import OrderWindow
from connector_kit.http import Answer, BadAnswer, Call, NotSent
from connector_manomano.connector import ManoMano
from connector_manomano.manifest import MANIFEST

from .conftest import World

START = datetime(2025, 11, 1, tzinfo=UTC)
SINCE = OrderWindow(updated_from=START)


async def references(connection: ManoMano, window: OrderWindow = SINCE) -> list[str]:
    return [order.reference async for page in connection.list_orders(window) for order in page]


def answers(world: World, *bodies: Any) -> None:
    """Let the outside answer these bodies in turn."""
    queue = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
    world.http.before = lambda call: Answer(200, {}, queue.pop(0)) if queue else None


def orders(*names: str) -> list[dict[str, str]]:
    return [{"order_reference": name} for name in names]


async def test_all_pages_are_read_and_each_order_given_out_once(world: World) -> None:
    expected = world.orders(25)
    found = await references(world.connect(page_limit=4))
    assert sorted(found) == sorted(expected)
    assert len(found) == len(set(found))


async def test_one_page_costs_one_call(world: World) -> None:
    world.orders(5)
    assert len(await references(world.connect())) == 5
    assert world.http.made("list_orders") == 1


async def test_no_orders_are_no_error(world: World) -> None:
    assert await references(world.connect()) == []


async def test_no_order_is_lost_when_pages_shift(world: World) -> None:
    expected = world.orders(9)
    world.fault("page_shift", "list_orders", times=2)
    found = await references(world.connect(page_limit=2))
    assert sorted(found) == sorted(expected)


async def test_an_order_that_slips_through_is_found_in_the_second_reading(world: World) -> None:
    """The shift is real: a single reading does lose an order."""
    expected = world.orders(4)
    connection = world.connect(page_limit=2)
    world.fault("page_shift", "list_orders", times=1)
    first_reading: list[str] = []
    pages = connection.list_orders(SINCE)
    async for page in pages:
        first_reading += [order.reference for order in page]
        if world.http.made("list_orders") == 2:
            break
    assert len(first_reading) < len(expected)
    rest = [order.reference async for page in pages for order in page]
    # The first break left the generator suspended behind its second page, so it goes on from there.
    assert sorted(first_reading + rest) == sorted(expected)


async def test_a_listing_that_never_settles_is_an_error_not_an_end(world: World) -> None:
    count = iter(range(10_000))

    def restless(call: Call) -> Answer:
        body = {"content": orders(f"M{next(count)}"), "pagination": {"page": 1, "pages": 2}}
        return Answer(200, {}, json.dumps(body).encode())

    world.http.before = restless
    with pytest.raises(BadAnswer, match="kept shifting"):
        await references(world.connect())


async def test_the_window_is_sent_in_whole_seconds_rounded_outwards(world: World) -> None:
    at = datetime(2025, 11, 7, 9, 0, 0, 500_000, tzinfo=UTC)
    await references(world.connect(), OrderWindow(updated_from=at, updated_until=at, created_from=at, created_until=at))
    params = dict(world.http.calls[0].params)
    assert params["status_updated_at_start"] == params["created_at_start"] == "2025-11-07T09:00:00Z"
    assert params["status_updated_at_end"] == params["created_at_end"] == "2025-11-07T09:00:01Z"
    assert "status" not in params
    assert (params["seller_contract_id"], params["limit"], params["page"]) == ("11781522", "50", "1")


async def test_a_window_finds_what_changed_in_it_whatever_the_status(world: World) -> None:
    old = world.order(updated_at="2025-11-01T00:00:00Z", created_at="2025-11-07T08:00:00Z", status="SHIPPED")
    new = world.orders(2, updated_at="2025-11-07T08:30:00Z", status="SHIPPED")
    window = OrderWindow(updated_from=datetime(2025, 11, 7, 8, 30, tzinfo=UTC))
    assert sorted(await references(world.connect(), window)) == sorted(new)
    backfill = OrderWindow(created_from=START, created_until=datetime(2025, 11, 7, 8, 0, tzinfo=UTC))
    assert await references(world.connect(), backfill) == [old]


async def test_on_the_night_of_the_clock_change_the_window_stays_in_utc(world: World) -> None:
    world.clock.present = datetime(2025, 10, 26, 3, 0, tzinfo=UTC)
    first = world.order(updated_at="2025-10-26T02:30:00+02:00", created_at="2025-10-26T02:30:00+02:00")
    second = world.order(updated_at="2025-10-26T02:30:00+01:00", created_at="2025-10-26T02:30:00+01:00")
    half_past_one_utc = OrderWindow(updated_from=datetime(2025, 10, 26, 1, 0, tzinfo=UTC))
    assert await references(world.connect(), half_past_one_utc) == [second]
    assert sorted(await references(world.connect(), OrderWindow(updated_from=START - timedelta(days=30)))) == sorted(
        [first, second]
    )


async def test_without_a_window_the_open_orders_are_listed_status_by_status(world: World) -> None:
    open_ones = [world.order(status=word) for word in ("WAITING_PAYMENT", "REMORSE_PERIOD", "PENDING", "PREPARATION")]
    world.order(status="SHIPPED")
    assert await references(world.connect(), OrderWindow()) == open_ones
    assert [dict(call.params)["status"] for call in world.http.calls] == [
        "WAITING_PAYMENT", "REMORSE_PERIOD", "PENDING", "PREPARATION"]  # fmt: skip


async def test_status_by_status_can_be_forced(world: World) -> None:
    expected = [world.order(status=word) for word in ("PENDING", "SHIPPED", "REFUSED")]
    assert sorted(await references(world.connect(list_by_status=True))) == sorted(expected)
    asked = [dict(call.params)["status"] for call in world.http.calls]
    assert asked == [
        "WAITING_PAYMENT", "REMORSE_PERIOD", "PENDING", "PREPARATION", "SHIPPED", "REFUNDING", "SHIPPED", "REFUNDED",
        "REFUSED"]  # fmt: skip


async def test_an_order_that_steps_back_while_we_list_by_status_is_met(world: World) -> None:
    """A partial refund ends between the listing of SHIPPED and that of REFUNDING."""
    reference = world.order(status="REFUNDING")

    def refund_ends(call: Call) -> None:
        if dict(call.params).get("status") == "REFUNDING":
            world.sim.set_status(reference, "SHIPPED")

    world.http.before = refund_ends
    assert await references(world.connect(list_by_status=True)) == [reference]


@pytest.mark.parametrize("word", ["WAITING_PAYMENT", "REMORSE_PERIOD", "PENDING", "PREPARATION", "SHIPPED",
                                  "REFUNDING", "REFUNDED", "REFUSED"])  # fmt: skip
async def test_each_of_the_eight_words_filters(world: World, word: str) -> None:
    words = list(MANIFEST.status_map)
    made = {each: world.order(status=each) for each in words}
    params = (("seller_contract_id", "11781522"), ("status", word))
    client = world.connect().client
    answer = await client.list_orders("list_orders", params[1:])
    assert [order["order_reference"] for order in answer.json()["content"]] == [made[word]]


async def test_no_listing_filters_by_carrier(world: World) -> None:
    """The carrier of an order is the buyer's wish or a grid: filtering by it would hide orders."""
    expected = [world.order(carrier="GLS"), world.order(carrier="Standard grid")]
    connection = world.connect(list_by_status=True)
    window = OrderWindow(START, START + timedelta(days=30), START, START + timedelta(days=30))
    assert sorted(await references(connection, window)) == sorted(expected)
    await references(connection, OrderWindow())
    assert not any("carrier" in dict(call.params) for call in world.http.calls)


async def test_a_listing_that_repeats_its_full_page_without_a_count_ends(world: World) -> None:
    full = json.dumps({"content": orders("M1", "M2")}).encode()
    world.http.before = lambda call: Answer(200, {}, full)
    assert await references(world.connect(page_limit=2)) == ["M1", "M2"]
    assert world.http.made("list_orders") == 4


async def test_counted_pages_are_all_read_even_when_one_repeats(world: World) -> None:
    pages = [("M1", "M2"), ("M1", "M2"), ("M3",)] * 2
    answers(world, *[{"content": orders(*names), "pagination": {"pages": 3}} for names in pages])
    assert await references(world.connect(page_limit=2)) == ["M1", "M2", "M3"]


async def test_orders_are_kept_byte_for_byte(world: World) -> None:
    body = (
        b'{"pagination" : {"pages":1} , "content":[ {"order_reference":"M1" , "x": 1.50e0,"y":"\xc3\xa9"},7 ,{"a":1}]}'
    )
    answers(world, body)
    got = [order async for page in world.connect().list_orders(SINCE) for order in page]
    assert [order.body for order in got] == [b'{"order_reference":"M1" , "x": 1.50e0,"y":"\xc3\xa9"}', b"7", b'{"a":1}']
    assert [order.reference for order in got] == ["M1", "", ""]


async def test_missing_page_count_means_go_on_while_pages_are_full(world: World) -> None:
    full, rest = {"content": orders("M1", "M2")}, {"content": orders("M3")}
    answers(world, full, rest, full, rest)
    assert await references(world.connect(page_limit=2)) == ["M1", "M2", "M3"]
    answers(world, {"content": orders("M1"), "pagination": {}})
    assert await references(world.connect(page_limit=2)) == ["M1"]


async def test_page_counts_as_texts(world: World) -> None:
    answers(world, *[{"content": orders(name), "pagination": {"pages": "2"}} for name in ("M1", "M2", "M1", "M2")])
    assert await references(world.connect()) == ["M1", "M2"]


@pytest.mark.parametrize("body", [b"<html>", b"", b"{}", b"[]", b'{"content": null}', b'{"content": [{"a":'])
async def test_an_unreadable_page_is_never_an_empty_one(world: World, body: bytes) -> None:
    world.http.before = lambda call: Answer(200, {"content-type": "text/html"}, body)
    with pytest.raises(BadAnswer):
        await references(world.connect())


@pytest.mark.parametrize("fault", ["html_answer", "error_500_before_effect", "sandbox_closed"])
async def test_faults_while_listing_are_errors(world: World, fault: str) -> None:
    world.orders(1)
    world.fault(fault, "list_orders")
    with pytest.raises(BadAnswer):
        await references(world.connect())
    assert len(await references(world.connect())) == 1


@pytest.mark.parametrize("fault", ["rate_limit_gateway", "rate_limit_cloudflare"])
async def test_both_kinds_of_429_say_when_to_come_back(world: World, fault: str) -> None:
    world.fault(fault, "list_orders")
    with pytest.raises(NotSent) as caught:
        await references(world.connect())
    assert caught.value.retry_after == 7


async def test_a_refused_key_or_contract_is_an_error(make_world: Callable[..., World]) -> None:
    world = make_world()
    with pytest.raises(BadAnswer, match="401"):
        await references(world.connect(key="wrong"))
    with pytest.raises(BadAnswer, match="403"):
        await references(world.connect(seller_contract_id=5))


async def test_oddities_of_orders_do_not_stop_the_listing(world: World) -> None:
    odd = [world.order(string_amounts=True), world.order(null_address=True), world.order(duplicate_skus=True)]
    odd += [world.order(unknown_status=True), world.order(dates="compact_offset"), world.order(pickup_point=True)]
    assert sorted(await references(world.connect())) == sorted(odd)


async def test_read_one_order(world: World) -> None:
    reference = world.order(lines=3)
    connection = world.connect()
    got = await connection.read_order(reference)
    assert got is not None
    assert got.reference == reference
    assert len(connection.map_order(got).snapshot.lines) == 3
    assert await connection.read_order("M0") is None


async def test_one_order_as_a_list_of_one(world: World) -> None:
    answers(world, {"content": orders("M1")}, {"content": []}, {"content": orders("M2")})
    connection = world.connect()
    assert (await connection.read_order("M1")) is not None
    assert (await connection.read_order("M1")) is None
    with pytest.raises(BadAnswer, match="another order"):
        await connection.read_order("M1")


async def test_references_cannot_leave_their_path(world: World) -> None:
    answers(world, {"content": []})
    assert await world.connect().read_order("../refunds?x=1") is None
    assert world.http.calls[0].path == "/orders/v1/orders/..%2Frefunds%3Fx%3D1"


async def test_a_404_of_the_gateway_is_not_a_missing_order(world: World) -> None:
    world.http.before = lambda call: Answer(404, {}, b'{"message": "no Route matched with those values"}')
    with pytest.raises(BadAnswer, match="no Route"):
        await world.connect().read_order("M1")


async def test_an_order_of_another_contract_is_not_found(make_world: Callable[..., World]) -> None:
    world = make_world(contracts={1: "FR", 2: "DE"})
    reference = world.order(contract=2)
    assert await world.connect(seller_contract_id=1).read_order(reference) is None
    assert await world.connect(seller_contract_id=2).read_order(reference) is not None


async def test_verify(world: World) -> None:
    assert (await world.connect().verify()).ok
    assert world.http.calls[0].operation == "verify"
    wrong = await world.connect(key="wrong").verify()
    assert not wrong.ok
    assert "401" in wrong.detail
    world.fault("sandbox_closed")
    closed = await world.connect().verify()
    assert not closed.ok
    assert "Monday" in closed.detail
    world.http.before = lambda call: NotSent("connection refused")
    unreachable = await world.connect(environment="production").verify()
    assert (unreachable.ok, unreachable.detail) == (False, "connection refused")
