"""A comparison found a difference: the order is read again, once each time it is asked for, as every snapshot is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from connector_kit.simulator import FaultRule
from hub_contracts.envelope import Origin
from hub_contracts.ids import order_id_for
from hub_contracts.orders import OrderReceived, OrderStatusChanged
from hub_contracts.reconciliations import DifferenceFound, DifferenceKind, Repair
from order_ingest.rereads import MOST_ATTEMPTS, Rereads


def difference(connection_id: UUID, reference: str, repair: Repair = Repair.REREAD, **changes: Any) -> DifferenceFound:
    values: dict[str, Any] = {
        "difference_id": uuid4(),
        "connection_id": connection_id,
        "kind": DifferenceKind.ORDER_MISSING,
        "order_id": order_id_for(connection_id, reference),
        "marketplace_reference": reference,
        "hub_value": "not known",
        "marketplace_value": "PENDING (PENDING)",
        "owner": "order-ingest",
        "repair": repair,
        "next_step": "none",
        "found_at": "2026-11-02T08:00:00Z",
    }
    return DifferenceFound(**(values | changes))


class Desk:
    """Asks for orders and lets them be read."""

    def __init__(self, world: Any, connection_id: UUID) -> None:
        self.world, self.connection_id = world, connection_id
        self.duty = Rereads(world.h.runtime)

    async def ask(self, reference: str, *, origin: Origin = Origin.LIVE, **changes: Any) -> None:
        event = difference(self.connection_id, reference, **changes)
        await self.world.h.feed((event.order_id, event), origin=origin)

    async def read(self, seconds: float = 1) -> list[str]:
        """Let what is due be read; returns the types of events told."""
        self.world.clock.advance(seconds)
        await self.world.h.lease()
        await self.duty.step()
        return [event.type for event in await self.world.h.emitted()]

    async def state(self) -> Any:
        return await self.world.row("SELECT * FROM rereads")


@pytest.fixture
async def desk(world: Any) -> Desk:
    made = await world.connect()
    await world.poll()
    return Desk(world, made.connection_id)


async def test_a_missing_order_is_taken_in_as_a_live_one(desk: Desk) -> None:
    """It was created long before the cursor, so no poll would ever list it again."""
    old = desk.world.clock.now() - timedelta(hours=20)
    [reference] = desk.world.orders(created_at=old, updated_at=old)
    assert [event.type for event in await desk.world.poll()] == []
    await desk.ask(reference)
    desk.world.clock.advance(1)
    await desk.world.h.lease()
    assert await desk.duty.step()
    events = await desk.world.h.emitted()
    assert OrderReceived.TYPE in [event.type for event in events]
    assert {event.headers["origin"] for event in events} == {"live"}
    assert (await desk.state())["state"] == "done"
    assert await desk.read() == []


async def test_a_known_order_is_brought_up_to_date_and_an_unchanged_one_tells_nothing(desk: Desk) -> None:
    [reference] = desk.world.orders()
    await desk.world.poll()
    await desk.ask(reference)
    assert await desk.read() == []
    desk.world.sandbox.set_status(reference, "PREPARATION")
    await desk.ask(reference, kind=DifferenceKind.STATUS)
    assert await desk.read() == [OrderStatusChanged.TYPE]


async def test_what_a_person_or_another_service_repairs_is_left_alone(desk: Desk) -> None:
    [reference] = desk.world.orders()
    await desk.ask(reference, repair=Repair.OPERATOR)
    await desk.ask(reference, repair=Repair.PUSH_AGAIN)
    await desk.ask(reference, is_test=True)
    assert await desk.state() is None


@pytest.mark.parametrize("origin", [Origin.REPLAY, Origin.BACKFILL])
async def test_a_replayed_difference_makes_no_call(desk: Desk, origin: Origin) -> None:
    [reference] = desk.world.orders()
    await desk.ask(reference, origin=origin)
    assert await desk.state() is None


async def test_an_order_that_is_not_there_is_noted(desk: Desk) -> None:
    await desk.ask("M-UNKNOWN")
    assert await desk.read() == []
    assert (await desk.state())["state"] == "unknown_there"


async def test_a_marketplace_that_is_away_is_asked_again_and_given_up_in_the_end(desk: Desk) -> None:
    [reference] = desk.world.orders()
    await desk.ask(reference)
    desk.world.sandbox.faults.set([FaultRule(fault="html_answer")])
    await desk.read()
    first = await desk.state()
    assert (first["state"], first["attempts"]) == ("open", 1)
    assert await desk.read(5) == []
    assert (await desk.state())["attempts"] == 1
    for _ in range(MOST_ATTEMPTS):
        await desk.read(3600)
    assert (await desk.state())["state"] == "given_up"
    desk.world.sandbox.faults.set([])
    await desk.ask(reference)
    assert OrderReceived.TYPE in await desk.read()


async def test_without_calls_left_it_waits_and_counts_no_failure(make_world: Any) -> None:
    world = await make_world()
    made = await world.connect(budgets={"list_orders": 1_000_000, "read_order": 4})
    desk = Desk(world, made.connection_id)
    references = world.orders(6)
    for reference in references:
        await desk.ask(reference)
    await desk.read()
    rows = [dict(row) for row in await world.h.runtime.pool.fetch("SELECT * FROM rereads")]
    assert {row["state"] for row in rows} == {"open", "done"}
    assert {row["attempts"] for row in rows} == {0}
    for _ in range(10):
        await desk.read(1800)
    assert await world.value("SELECT count(*) FROM rereads WHERE state = 'open'") == 0


async def test_a_replica_that_does_not_poll_the_connection_does_not_read(desk: Desk) -> None:
    [reference] = desk.world.orders()
    await desk.ask(reference)
    await desk.world.h.runtime.leases.release()
    assert await desk.duty.step() is False
