"""Backfills and re-reads: fenced, resumable, and never in the way of a poll."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from connector_kit.http import Lane
from hub_contracts.connections import BackfillRequested
from hub_contracts.envelope import Origin

OLD = datetime(2026, 10, 1, tzinfo=UTC)


async def ask(world: Any, connection_id: UUID, days: float = 2, origin: Origin = Origin.LIVE) -> UUID:
    wish = BackfillRequested(
        backfill_id=uuid4(),
        connection_id=connection_id,
        created_from=OLD,
        created_until=OLD + timedelta(days=days),
        requested_at=world.clock.now(),
    )
    await world.h.feed((f"backfill:{wish.backfill_id}", wish), (f"backfill:{wish.backfill_id}", wish), origin=origin)
    return wish.backfill_id


def old(world: Any, count: int = 1, hours: float = 1, **options: Any) -> list[str]:
    at = OLD + timedelta(hours=hours)
    found: list[str] = world.orders(count, created_at=at, updated_at=at, **options)
    return found


async def test_a_backfill_is_read_in_parts_between_polls_and_is_fenced(world: Any) -> None:
    connection = await world.connect()
    await world.poll()
    made = [old(world, hours=hours, status="SHIPPED")[0] for hours in (1, 13, 25, 37)]
    await ask(world, connection.connection_id)
    seen: list[str] = []
    for turn in range(1, 5):
        for event in await world.poll():
            assert event.headers["origin"] == "backfill"
            if event.type == "order.received.v1":
                seen.append(event.data.order.marketplace_reference)
        assert await world.value("SELECT chunks_done FROM backfills") == turn
        assert await world.poll(2) == []
        assert await world.value("SELECT chunks_done FROM backfills") == turn
    assert seen == made
    assert await world.value("SELECT state FROM backfills") == "done"
    assert await world.value("SELECT orders_received FROM backfills") == 4
    assert await world.poll() == []


async def test_a_backfill_leaves_known_orders_as_they_are(world: Any) -> None:
    connection = await world.connect(orders={"import_from": OLD})
    (reference,) = old(world)
    await world.poll()
    order = next(o for o in world.sandbox.world.orders.values() if o.reference == reference)
    order.status = "SHIPPED"  # without a new update time, so that only the backfill can meet it
    await ask(world, connection.connection_id)
    for _ in range(5):
        assert await world.poll() == []
    assert await world.value("SELECT status FROM orders") == "PENDING"


async def test_an_open_order_of_the_live_range_that_a_backfill_finds_is_live(world: Any) -> None:
    connection = await world.connect(orders={"import_from": OLD})
    await world.poll()
    old(world)
    await ask(world, connection.connection_id)
    (received,) = [e for e in await world.poll() if e.type == "order.received.v1"]
    assert received.headers["origin"] == "live"


async def test_orders_known_by_backfill_stay_fenced(world: Any) -> None:
    connection = await world.connect()
    await world.poll()
    (reference,) = old(world)
    await ask(world, connection.connection_id)
    await world.poll()
    world.sandbox.set_status(reference, "SHIPPED")
    events = await world.poll()
    assert {event.type for event in events} == {"order.status_changed.v1"}
    assert {event.headers["origin"] for event in events} == {"backfill"}


async def test_a_backfill_goes_on_after_a_failure_where_it_stopped(world: Any) -> None:
    connection = await world.connect()
    await world.poll()
    old(world, hours=1, status="SHIPPED")
    old(world, hours=13, status="SHIPPED")
    backfill_id = await ask(world, connection.connection_id, days=1)
    await world.poll()
    real = world.sandbox.faults.strikes

    def only_bulk(fault: str, operation: str) -> bool:
        return (
            fault == "html_answer"
            and bool(world.pollers.bulk._wants)
            and any(want.running for want in world.pollers.bulk._wants.values())
        )

    world.sandbox.faults.strikes = only_bulk
    await world.poll()
    row = await world.row("SELECT * FROM backfills WHERE backfill_id = $1", backfill_id)
    assert row["chunks_done"] == 1
    assert row["last_error"] != ""
    world.sandbox.faults.strikes = real
    await world.poll(600)
    row = await world.row("SELECT * FROM backfills WHERE backfill_id = $1", backfill_id)
    assert (row["state"], row["chunks_done"], row["last_error"]) == ("done", 2, "")


async def test_a_replayed_wish_reads_nothing(world: Any) -> None:
    connection = await world.connect()
    await world.poll()
    old(world)
    await ask(world, connection.connection_id, origin=Origin.REPLAY)
    assert await world.poll() == []
    assert await world.value("SELECT state FROM backfills") == "replayed"


async def test_without_spare_calls_polls_go_first_and_a_patient_backfill_moves_in_the_end(world: Any) -> None:
    # One call at once, granted again after 240 s, polled every 120 s: nothing is left over beside the polls.
    connection = await world.connect(budgets={"list_orders": 15, "read_order": 100})
    state = world.pollers
    await world.poll()
    budget = world.h.runtime.callers.budget(
        world.h.runtime.connections.get(connection.connection_id),
        world.h.runtime.book.manifest(connection.connection_id),
    )
    while budget.available("list_orders", Lane.LIVE) > 1:
        budget.try_take("list_orders", Lane.LIVE)
    await ask(world, connection.connection_id)
    await state.book(force=True)
    await state.run_due()
    assert await world.value("SELECT chunks_done FROM backfills") == 0
    for _ in range(12):
        await world.poll(240)
        while budget.available("list_orders", Lane.LIVE) > 1:
            budget.try_take("list_orders", Lane.LIVE)
    assert await world.value("SELECT chunks_done FROM backfills") >= 1
    assert await world.value("SELECT polls FROM poll_state") >= 5


async def test_the_last_days_are_read_again_and_find_what_the_update_time_hid(make_world: Any) -> None:
    world = await make_world(reread_every_hours=6, reread_days=3)
    # The id decides when the first re-read is due: here so that the second does not begin within the test.
    await world.connect(connection_id=UUID(int=498))
    (reference,) = world.orders()
    await world.poll()
    order = next(o for o in world.sandbox.world.orders.values() if o.reference == reference)
    order.status = "SHIPPED"
    order.updated_at -= timedelta(days=1)
    order.options = order.options.model_copy(update={})
    hidden = world.clock.now() - timedelta(days=1)
    late = world.orders(created_at=hidden, updated_at=hidden - timedelta(days=30))
    assert late
    events: list[Any] = []
    for _ in range(30):
        events += await world.poll(1200)
    kinds = [event.type for event in events]
    assert kinds.count("order.status_changed.v1") == 2
    assert kinds.count("order.received.v1") == 1
    assert {event.headers["origin"] for event in events} == {"live"}
    state = await world.row("SELECT * FROM poll_state")
    assert state["reread_done_at"] is not None
    assert state["reread_next_from"] is None
