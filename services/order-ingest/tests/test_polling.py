"""From a marketplace's listing to stored orders and events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub_common.testing import SeenEvent
from hub_contracts.connections import ConnectionState
from hub_contracts.ids import order_id_for
from hub_contracts.orders import FulfilledBy
from hub_contracts.status import OrderStatus


def kinds(events: list[SeenEvent]) -> list[str]:
    return [event.type for event in events]


def of(events: list[SeenEvent], kind: str) -> list[Any]:
    return [event.data for event in events if event.type == kind]


async def test_an_order_becomes_one_event_with_its_customer_apart(world: Any) -> None:
    connection = await world.connect()
    (reference,) = world.orders(skus=[{"sku": "A", "price": "10.00", "quantity": 2}])
    events = await world.poll()
    assert sorted(kinds(events)) == ["order.customer_recorded.v1", "order.received.v1"]
    (received,) = of(events, "order.received.v1")
    order = received.order
    assert order.order_id == order_id_for(connection.connection_id, reference)
    assert order.status is OrderStatus.PENDING
    assert order.accept_by == order.created_at + timedelta(hours=48)
    assert not order.is_test
    assert {event.topic for event in events} == {"hub.orders", "hub.order-customers"}
    assert all(event.key == str(order.order_id) for event in events)
    assert len({event.headers["traceparent"] for event in events}) == 1
    stored = await world.value("SELECT body FROM raw_orders WHERE snapshot_id = $1", received.snapshot_id)
    assert reference.encode() in stored


async def test_repeats_tell_nothing_and_store_nothing(world: Any) -> None:
    await world.connect()
    world.orders(3)
    await world.poll()
    for _ in range(3):
        assert await world.poll() == []
    assert await world.value("SELECT count(*) FROM raw_orders") == 3
    assert await world.value("SELECT max(version) FROM orders") == 1
    assert await world.value("SELECT orders_seen FROM poll_state") > 3


async def test_every_step_of_a_status_is_told_in_order(world: Any) -> None:
    await world.connect()
    (reference,) = world.orders()
    await world.poll()
    world.sandbox.set_status(reference, "SHIPPED")
    events = await world.poll()
    steps = [(e.from_status, e.to_status) for e in of(events, "order.status_changed.v1")]
    assert steps == [("PENDING", "PREPARATION"), ("PREPARATION", "SHIPPED")]
    last = of(events, "order.status_changed.v1")[-1]
    assert {line.status for line in last.lines} == {OrderStatus.SHIPPED}
    assert "order.changed.v1" not in kinds(events)
    versions = [event.version for event in events if event.topic == "hub.orders"]
    assert versions == [2, 3]


async def test_a_status_that_cannot_follow_parks_and_keeps_the_last_good_one(world: Any) -> None:
    connection = await world.connect()
    (reference,) = world.orders()
    other = world.orders()[0]
    await world.poll()
    world.sandbox.set_status(reference, "SHIPPED")
    await world.poll()
    world.sandbox.set_status(reference, "PENDING")
    world.sandbox.set_status(other, "PREPARATION")
    events = await world.poll()
    assert kinds(events).count("work.parked.v1") == 1
    assert [e.to_status for e in of(events, "order.status_changed.v1")] == ["PREPARATION"]
    (parked,) = await world.h.parked()
    assert parked["cause"] == "status_regressed"
    order_id = order_id_for(connection.connection_id, reference)
    assert await world.value("SELECT status FROM orders WHERE order_id = $1", order_id) == "SHIPPED"
    assert await world.poll() == []
    world.sandbox.set_status(reference, "REFUNDING")
    events = await world.poll()
    assert sorted(kinds(events)) == ["order.status_changed.v1", "work.resumed.v1"]
    assert await world.h.parked() == []


async def test_an_unknown_status_parks_only_its_order_and_resumes_by_itself(world: Any) -> None:
    await world.connect()
    odd = world.orders(unknown_status=True)[0]
    world.orders(2)
    events = await world.poll()
    assert kinds(events).count("order.received.v1") == 2
    (parked,) = await world.h.parked()
    assert parked["cause"] == "status_unknown"
    assert odd in parked["detail"]
    assert await world.value("SELECT count(*) FROM raw_orders") == 3
    assert await world.poll() == []
    for order in world.sandbox.world.orders.values():
        order.options = order.options.model_copy(update={"unknown_status": False})
    events = await world.poll()
    assert sorted(kinds(events)) == ["order.customer_recorded.v1", "order.received.v1", "work.resumed.v1"]
    assert await world.h.parked() == []


async def test_a_known_order_whose_status_becomes_unknown_stays_and_goes_on(world: Any) -> None:
    await world.connect()
    (reference,) = world.orders()
    await world.poll()
    world.sandbox.set_status(reference, "PREPARATION")
    world.fault("unknown_status")
    assert kinds(await world.poll()) == ["work.parked.v1"]
    world.no_faults()
    assert sorted(kinds(await world.poll())) == ["order.status_changed.v1", "work.resumed.v1"]


async def test_string_amounts_are_exact(world: Any) -> None:
    await world.connect()
    world.orders(string_amounts=True, skus=[{"sku": "A", "price": "10.10", "quantity": 3}])
    (received,) = of(await world.poll(), "order.received.v1")
    assert received.order.products_price == Decimal("30.30")


async def test_a_null_address_is_received_and_filled_in_later(world: Any) -> None:
    await world.connect()
    world.orders(2)
    world.fault("null_address")
    events = await world.poll()
    assert all("postal_code" in e.order.missing_address_fields for e in of(events, "order.received.v1"))
    world.no_faults()
    events = await world.poll()
    assert kinds(events).count("order.customer_recorded.v1") == 2
    changed = of(events, "order.changed.v1")
    assert all("missing_address_fields" in e.changed_fields for e in changed)
    assert len(changed) == 2


async def test_an_address_hidden_after_the_sale_is_not_taken_back(world: Any) -> None:
    await world.connect()
    world.orders()
    await world.poll()
    world.fault("null_address")
    assert await world.poll() == []


async def test_orders_of_the_marketplaces_own_stock_are_received_and_marked(world: Any) -> None:
    await world.connect()
    world.orders(is_mmf=True)
    (received,) = of(await world.poll(), "order.received.v1")
    assert received.order.fulfilled_by is FulfilledBy.MARKETPLACE


async def test_unpaid_orders_are_received(world: Any) -> None:
    await world.connect()
    world.orders(status="WAITING_PAYMENT")
    (received,) = of(await world.poll(), "order.received.v1")
    assert received.order.status is OrderStatus.WAITING_PAYMENT


async def test_older_orders_are_counted_and_not_told_for_ever(world: Any) -> None:
    await world.connect()
    old = world.orders(created_at=datetime(2026, 10, 20, tzinfo=UTC))[0]
    await world.poll()
    world.orders()
    world.sandbox.set_status(old, "PREPARATION")
    events = await world.poll()
    assert kinds(events).count("order.received.v1") == 1
    row = await world.row("SELECT * FROM orders WHERE reference = $1", old)
    assert row["skip_reason"] == "before_import_from"
    assert await world.value("SELECT orders_skipped FROM poll_state") == 1


async def test_closed_orders_of_the_first_run_are_not_told(world: Any) -> None:
    await world.connect()
    world.orders(status="SHIPPED")
    world.orders()
    assert kinds(await world.poll()).count("order.received.v1") == 1
    assert await world.value("SELECT count(*) FROM orders WHERE skip_reason = 'closed_before_import'") == 1
    world.orders(status="SHIPPED")
    assert kinds(await world.poll()).count("order.received.v1") == 1


async def test_an_excluded_status_waits_until_it_becomes_an_included_one(world: Any) -> None:
    await world.connect(orders={"statuses": (OrderStatus.PREPARATION,)})
    (reference,) = world.orders()
    assert await world.poll() == []
    assert await world.value("SELECT skip_reason FROM orders") == "status_excluded"
    world.sandbox.set_status(reference, "PREPARATION")
    (received,) = of(await world.poll(), "order.received.v1")
    assert received.order.status is OrderStatus.PREPARATION
    world.sandbox.set_status(reference, "SHIPPED")
    assert kinds(await world.poll()) == ["order.status_changed.v1"]


async def test_pages_that_shift_under_the_poller_lose_nothing(world: Any) -> None:
    await world.connect(connector_settings={"page_limit": "3"})
    references = world.orders(14)
    world.fault("page_shift", times=3)
    events = await world.poll()
    seen = [e.order.marketplace_reference for e in of(events, "order.received.v1")]
    assert sorted(seen) == sorted(references)


async def test_html_in_the_middle_keeps_what_was_read_and_does_not_move_the_cursor(world: Any) -> None:
    await world.connect(connector_settings={"page_limit": "3"})
    references = world.orders(7)
    original = world.sandbox.faults.strikes
    calls = 0

    def third_page_is_html(fault: str, operation: str) -> bool:
        nonlocal calls
        if fault == "html_answer":
            calls += 1
            return calls == 3
        return bool(original(fault, operation))

    world.sandbox.faults.strikes = third_page_is_html
    events = await world.poll()
    assert kinds(events).count("order.received.v1") == 6
    state = await world.row("SELECT * FROM poll_state")
    assert state["cursor_at"] is None
    assert state["consecutive_failures"] == 1
    assert state["last_error"] != ""
    events = await world.poll(2000)
    assert kinds(events).count("order.received.v1") == 1
    assert await world.value("SELECT count(*) FROM orders") == len(references)
    assert await world.value("SELECT last_error FROM poll_state") == ""


async def test_a_refused_key_parks_the_connection_once_and_resumes_with_success(world: Any) -> None:
    connection = await world.connect(api_key="revoked")
    world.orders()
    assert kinds(await world.poll()) == ["work.parked.v1"]
    assert kinds(await world.poll(2000)) == []
    (parked,) = await world.h.parked()
    assert (parked["cause"], parked["subject_id"]) == ("credentials_refused", str(connection.connection_id))
    assert "revoked" not in parked["detail"]
    # New credentials are tried at once, however long the back-off would be.
    await world.tell(world.connection(connection_id=connection.connection_id))
    events = await world.poll(1)
    assert "work.resumed.v1" in kinds(events)
    assert "order.received.v1" in kinds(events)


async def test_a_429_is_waited_for_and_is_no_failure(world: Any) -> None:
    await world.connect()
    world.orders()
    world.fault("rate_limit_gateway", times=1)
    assert await world.poll() == []
    state = await world.row("SELECT * FROM poll_state")
    assert state["consecutive_failures"] == 0
    assert "429" in state["last_error"]
    assert kinds(await world.poll(8)).count("order.received.v1") == 1


async def test_paused_connections_are_not_polled_and_active_ones_at_once(world: Any) -> None:
    connection = await world.connect(state=ConnectionState.PAUSED)
    world.orders()
    assert await world.poll() == []
    await world.tell(world.connection(connection_id=connection.connection_id))
    assert kinds(await world.poll(0)).count("order.received.v1") == 1


async def test_short_numbers_are_unique_and_lead_back(world: Any) -> None:
    await world.connect(orders={"shorten_order_number": True})
    world.orders(5)
    numbers = [e.order.order_number for e in of(await world.poll(), "order.received.v1")]
    assert len(set(numbers)) == 5
    assert all(len(number) <= 14 for number in numbers)
    assert await world.value("SELECT count(*) FROM order_numbers") == 5


async def test_the_night_when_clocks_go_back_loses_nothing(make_world: Any) -> None:
    world = await make_world(start=datetime(2026, 10, 25, 0, 10, tzinfo=UTC))
    await world.connect(orders={"import_from": datetime(2026, 10, 24, tzinfo=UTC)})
    seen: list[str] = []
    cursors: list[datetime] = []
    made: list[str] = []
    for _ in range(12):
        made += world.orders(dates="offset")
        events = await world.poll(600)
        seen += [e.order.marketplace_reference for e in of(events, "order.received.v1")]
        cursors.append(await world.value("SELECT cursor_at FROM poll_state"))
    assert seen == made
    assert cursors == sorted(cursors)
    assert world.clock.now() - cursors[-1] <= timedelta(hours=3)


async def test_a_marketplace_clock_that_is_behind_loses_nothing(world: Any) -> None:
    await world.connect()
    behind = timedelta(minutes=40)
    for _ in range(4):
        at = world.clock.now() - behind
        world.orders(created_at=at, updated_at=at)
        assert kinds(await world.poll(600)).count("order.received.v1") == 1


@pytest.mark.parametrize("given", ["commercial_reference", "something_else"])
async def test_a_number_source_that_the_order_lacks_falls_back_to_the_reference(world: Any, given: str) -> None:
    await world.connect(orders={"order_number_source": given})
    (reference,) = world.orders()
    (received,) = of(await world.poll(), "order.received.v1")
    assert received.order.order_number == reference
