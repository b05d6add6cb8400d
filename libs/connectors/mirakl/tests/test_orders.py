"""Listing: whatever happens while pages are read, no order is lost."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from connector_kit.capabilities import OrderWindow
from connector_kit.http import Ambiguous, BadAnswer, Call, NotSent
from connector_mirakl.client import Unavailable
from connector_mirakl.orders import PAGE, window_query

from .asgi_caller import START
from .stage import Stage


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 195, 260])
async def test_lists_every_order_once(stage: Stage, count: int) -> None:
    expected = stage.orders(count, lines=1)
    listed = [order.reference for order in await stage.listed()]
    assert sorted(listed) == sorted(expected)
    assert all(dict(call.params)["max"] == str(PAGE) for call in stage.http.calls)


async def test_only_the_first_page_draws_on_the_poll_frequency(stage: Stage) -> None:
    stage.orders(150, lines=1)
    await stage.listed()
    assert [call.operation for call in stage.http.calls] == ["list_orders", "list_orders_page"]


@pytest.mark.parametrize("rows", [1, 4, 20, 150])
async def test_orders_that_leave_between_two_pages_take_no_other_with_them(rows: int) -> None:
    stage = Stage(sandbox={"page_shift_rows": rows})
    expected = stage.orders(260, lines=1)
    stage.fault("page_shift", times=1)
    listed = {order.reference for order in await stage.listed()}
    assert listed == set(expected)


async def test_a_list_that_never_stops_moving_fails_instead_of_losing_orders() -> None:
    stage = Stage(sandbox={"page_shift_rows": 30})
    stage.orders(260, lines=1)
    stage.fault("page_shift")
    with pytest.raises(BadAnswer, match="kept moving"):
        await stage.listed()


async def test_orders_that_arrive_meanwhile_are_listed_too(stage: Stage) -> None:
    expected = set(stage.orders(150, lines=1))

    def arrive(call: Call) -> None:
        if call.operation == "list_orders_page" and len(expected) < 160:
            older = START - timedelta(days=1)
            expected.update(stage.orders(10, lines=1, created_at=older))

    stage.http.before = arrive
    assert {order.reference for order in await stage.listed()} == expected


async def test_an_order_that_changed_during_the_listing_is_given_again(stage: Stage) -> None:
    first = stage.order(lines=1)
    stage.orders(150, lines=1)

    def change(call: Call) -> None:
        if call.operation == "list_orders_page" and first.state == "WAITING_ACCEPTANCE":
            first.set_state("CANCELED", stage.clock.now())
            stage.order(lines=1)

    stage.http.before = change
    bodies = [json.loads(order.body) for order in await stage.listed() if order.reference == first.id]
    assert [body["order_state"] for body in bodies] == ["WAITING_ACCEPTANCE", "CANCELED"]


async def test_the_update_window_has_no_end_because_orders_would_fall_out_of_it(stage: Stage) -> None:
    stage.order(lines=1)
    window = OrderWindow(updated_from=START - timedelta(hours=1), updated_until=START)
    await stage.listed(window)
    names = {name for name, _ in stage.http.calls[0].params}
    assert "start_update_date" in names
    assert "end_update_date" not in names


async def test_the_update_window_leaves_old_orders_out(stage: Stage) -> None:
    old = stage.order(lines=1)
    stage.clock.pass_seconds(3600)
    fresh = stage.order(lines=1)
    listed = await stage.listed(OrderWindow(updated_from=stage.clock.now() - timedelta(minutes=5)))
    assert [order.reference for order in listed] == [fresh.id]
    assert old.id != fresh.id


async def test_the_creation_window_is_kept(stage: Stage) -> None:
    early = stage.order(lines=1, created_at=START - timedelta(days=3))
    stage.order(lines=1)
    window = OrderWindow(created_from=START - timedelta(days=4), created_until=START - timedelta(days=2))
    assert [order.reference for order in await stage.listed(window)] == [early.id]


def test_window_dates_are_utc_whole_seconds_and_never_narrower() -> None:
    paris = timezone(timedelta(hours=1))
    window = OrderWindow(
        updated_from=datetime(2025, 10, 26, 2, 30, 0, 999_999, tzinfo=paris),
        created_until=datetime(2025, 10, 26, 1, 30, 0, 1, tzinfo=UTC),
    )
    assert window_query(window) == [
        ("start_update_date", "2025-10-26T01:30:00Z"),
        ("end_date", "2025-10-26T01:30:01Z"),
    ]


async def test_raw_bytes_are_kept_exactly_as_answered(stage: Stage) -> None:
    stage.orders(3, lines=1)
    listed = await stage.listed()
    [(_, answer)] = stage.http.answers
    for order in listed:
        assert order.body in answer.body


async def test_reads_one_order_or_none(stage: Stage) -> None:
    order = stage.order(lines=1)
    found = await stage.connection.read_order(order.id)
    assert found is not None
    assert found.reference == order.id
    assert await stage.connection.read_order("nobody") is None
    assert ("order_ids", order.id) in stage.http.made("read_order")[0].params


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("rate_limit", Unavailable),
        ("error_500_before_effect", Unavailable),
        ("html_answer", BadAnswer),
        ("timeout_after_effect", Ambiguous),
    ],
)
async def test_a_failed_page_fails_the_listing(stage: Stage, fault: str, error: type[Exception]) -> None:
    stage.orders(150, lines=1)
    stage.fault(fault, "list_orders_page")
    with pytest.raises(error):
        await stage.listed()


async def test_a_rate_limit_tells_how_long_to_wait(stage: Stage) -> None:
    stage.fault("rate_limit", "list_orders")
    with pytest.raises(Unavailable) as caught:
        await stage.listed()
    assert caught.value.retry_after == 60


async def test_what_was_not_sent_stays_not_sent(stage: Stage) -> None:
    stage.http.refuse = lambda call: True
    with pytest.raises(NotSent):
        await stage.listed()


async def test_shop_and_locale_are_sent_when_set() -> None:
    stage = Stage(settings={"shop_id": "2042", "locale": "fr_FR"})
    stage.order(lines=1)
    await stage.listed()
    params = dict(stage.http.calls[0].params)
    assert params["shop_id"] == "2042"
    assert params["locale"] == "fr_FR"


def test_a_wrong_setting_is_named() -> None:
    with pytest.raises(ValueError, match="multi_shipment: must be one of"):
        Stage(settings={"multi_shipment": "maybe"})
