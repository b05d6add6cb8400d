"""Many connections in one process, several replicas on one database, and processes that die in the middle."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from hub_common.connections import UPSERT
from hub_common.runtime import Runtime
from hub_contracts.connections import ConnectionState
from order_ingest import intake, reader
from order_ingest.main import SPEC
from order_ingest.pollers import pollers_of

MANY = 10_000


async def many(world: Any, count: int) -> list[UUID]:
    """Connections of the quiet marketplace, written as the handler would write them."""
    one = world.connection(connector="quiet", connector_settings={}, credentials=None)
    ids = [uuid4() for _ in range(count)]
    bodies = [
        one.model_copy(update={"connection_id": each, "credential_ref": f"ref-{each}"}).model_dump_json()
        for each in ids
    ]
    await world.h.runtime.pool.execute(UPSERT, ids, ["tenant-1"] * count, [1] * count, bodies)
    return ids


async def at_once(world: Any, quiet: Any, expected: int) -> int:
    """Poll what is due while no listing ends before `expected` are in the air and others had every chance to begin."""
    quiet.open.clear()
    job = asyncio.create_task(world.pollers.run_due())
    async with asyncio.timeout(10):
        while quiet.now < expected:
            await world.value("SELECT 1")
    for _ in range(50):
        await world.value("SELECT 1")
    quiet.open.set()
    found: int = await job
    return found


async def test_ten_thousand_idle_connections_need_no_tasks_of_their_own(make_world: Any, quiet: Any) -> None:
    world = await make_world(lease_seconds=600)
    ids = await many(world, MANY)
    polled = world.clock.now() - timedelta(seconds=1)
    await world.h.runtime.pool.execute(
        "INSERT INTO poll_state (connection_id, tenant, cursor_at, last_attempt_at)"
        " SELECT unnest($1::uuid[]), 't', $2, $2",
        ids,
        polled,
    )
    await world.h.lease()
    before = len(asyncio.all_tasks())
    duty = asyncio.create_task(world.pollers.step())
    await duty
    assert len(world.pollers._schedule) == MANY
    assert len(asyncio.all_tasks()) <= before
    assert quiet.listings == 0
    # Their time comes: only as many listings as allowed are in the air.
    world.clock.advance(118.5)
    world.pollers._schedule.put(ids[0], 0.0)
    for each in ids[1:100]:
        world.pollers._schedule.put(each, 0.0)
    assert await at_once(world, quiet, 16) == 100
    assert quiet.listings == 100
    assert quiet.most == 16


async def test_two_replicas_share_the_connections_and_take_over_from_each_other(make_world: Any, quiet: Any) -> None:
    world = await make_world()
    other = await world.replica("b")
    ids = await many(world, 20)
    for each in (world.h, other, world.h, other):
        await each.lease()
    mine, theirs = world.pollers, pollers_of(other.runtime)
    await mine.run_due()
    await theirs.run_due()
    assert mine._pollers.keys().isdisjoint(theirs._pollers.keys())
    assert mine._pollers.keys() | theirs._pollers.keys() == set(ids)
    assert min(len(mine._pollers), len(theirs._pollers)) >= 5
    assert quiet.listings == 20
    # A replica that leaves hands over; what it has just polled is not polled again at once.
    await other.runtime.leases.release()
    await world.h.lease()
    await mine.run_due()
    assert mine._pollers.keys() == set(ids)
    assert quiet.listings == 20


async def test_two_replicas_reading_the_same_orders_tell_them_once(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = await world.connect()
    await world.poll()
    world.orders(20)
    other = await world.replica("b")
    await other.runtime.connections.refresh()
    first_took, go_on = asyncio.Event(), asyncio.Event()

    async def slow_first(tx: Any, batch: Any) -> Any:
        taken = await intake.take(tx, batch)
        if not first_took.is_set():
            first_took.set()
            await go_on.wait()
        return taken

    monkeypatch.setattr(reader, "take", slow_first)

    def poll(h: Any) -> Any:
        known = h.runtime.connections.get(connection.connection_id)
        return asyncio.create_task(pollers_of(h.runtime).reader.poll(known, _open))

    async with asyncio.timeout(10):
        jobs = [poll(world.h)]
        await first_took.wait()
        jobs.append(poll(other))
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        while not await world.value(waiting):
            continue
        go_on.set()
        await asyncio.gather(*jobs)
    told = [event.key for event in await world.h.emitted() if event.type == "order.received.v1"]
    assert len(told) == len(set(told)) == 20


@pytest.mark.parametrize("dies_at", [1, 2, 3])
async def test_a_crash_between_pages_repeats_harmlessly(
    world: Any, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    await world.connect(connector_settings={"page_limit": "2"})
    references = world.orders(5)
    pages = 0

    class Killed(BaseException):
        """The process is gone."""

    async def dying(tx: Any, batch: Any) -> Any:
        nonlocal pages
        pages += 1
        taken = await intake.take(tx, batch)
        if pages == dies_at:
            raise Killed
        return taken

    monkeypatch.setattr(reader, "take", dying)
    cid = next(iter(world.h.runtime.connections.all()))

    async def open_gate() -> None:
        return None

    with pytest.raises(Killed):
        await world.pollers.reader.poll(cid, open_gate)
    monkeypatch.undo()
    first = [e.key for e in await world.h.emitted() if e.type == "order.received.v1"]
    assert len(first) == min(2 * (dies_at - 1), 4)
    assert await world.value("SELECT count(*) FROM poll_state WHERE cursor_at IS NOT NULL") == 0
    second = [e.key for e in await world.poll() if e.type == "order.received.v1"]
    assert len({*first, *second}) == len(first) + len(second) == len(references)


async def test_connections_of_one_credential_are_polled_one_after_the_other(make_world: Any, quiet: Any) -> None:
    world = await make_world()
    for _ in range(5):
        await world.connect(connector="quiet", connector_settings={}, credentials=None, credential_ref="shared")
    await at_once(world, quiet, 1)
    assert quiet.listings == 5
    assert quiet.most == 1


async def test_a_lease_lost_in_the_middle_ends_the_listing(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.connect(connector_settings={"page_limit": "2"})
    world.orders(7)

    async def taken_while_the_lease_goes(tx: Any, batch: Any) -> Any:
        await world.h.runtime.leases.release()
        return await intake.take(tx, batch)

    monkeypatch.setattr(reader, "take", taken_while_the_lease_goes)
    await world.pollers.run_due()
    assert await world.value("SELECT count(*) FROM orders") == 4
    assert await world.value("SELECT count(*) FROM poll_state WHERE last_attempt_at IS NOT NULL") == 0
    monkeypatch.undo()
    await world.poll()
    assert await world.value("SELECT count(*) FROM orders") == 7


async def test_the_call_budget_outlives_its_holder(world: Any) -> None:
    connection = await world.connect(budgets={"list_orders": 60})
    for _ in range(10):
        world.clock.advance(0.001)
        await world.pollers.reader.poll(world.h.runtime.connections.get(connection.connection_id), _open)
    await world.h.runtime.leases.release()
    other = await world.replica("b")
    await other.lease()
    await pollers_of(other.runtime).book(force=True)
    manifest = other.runtime.book.manifest(connection.connection_id)
    known = other.runtime.connections.get(connection.connection_id)
    budget = other.runtime.callers.budget(known, manifest)
    assert budget.available("list_orders", 1) == 0


async def _open() -> None:
    return None


async def test_the_running_service_polls_without_a_broker_and_stops_in_order(make_world: Any, quiet: Any) -> None:
    world = await make_world()
    await many(world, 3)
    settings = world.h.settings.model_copy(update={"instance": "running"})
    runtime = Runtime(SPEC, settings)
    await runtime.start()
    try:
        async with asyncio.timeout(20):
            while await world.value("SELECT count(*) FROM poll_state WHERE last_success_at IS NOT NULL") < 3:
                continue
        assert runtime.health().ok
        quiet.open.clear()
        await world.h.runtime.pool.execute("UPDATE poll_state SET run_requested_at = now() - interval '1 day'")
        async with asyncio.timeout(20):
            while quiet.now < 3:
                await world.value("SELECT 1")
        stopping = asyncio.create_task(runtime.stop())
        async with asyncio.timeout(20):
            while not runtime.stopping:
                await world.value("SELECT 1")
            quiet.open.set()
            await stopping
    finally:
        await runtime.stop()
    assert not pollers_of(runtime)._jobs
    assert quiet.now == 0
    assert await world.value("SELECT count(*) FROM leases WHERE until > now() AND name LIKE 'poll:%'") == 0


async def test_a_connection_switched_off_is_forgotten(world: Any) -> None:
    connection = await world.connect()
    await world.poll()
    gone = world.connection(connection_id=connection.connection_id, state=ConnectionState.INACTIVE)
    await world.tell(gone)
    await world.poll()
    assert not world.pollers._pollers
    assert world.pollers.lease_names() == set()
    assert str(connection.connection_id) not in world.h.runtime.metrics.render().decode()
