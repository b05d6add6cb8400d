"""A backfill beside live polls on a tight budget: polls come when they would have come without it. Virtual time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest

from connector_kit.http import Lane
from hub_contracts.connections import BackfillRequested
from order_ingest.planned import planned_calls
from order_ingest.reader import Reader

OLD = datetime(2026, 9, 1, tzinfo=UTC)
POLL_SECONDS = 120
STEP = 2.0
HOUR = 3600


class Listings:
    """Listings in their order: when each ended, its lane, and what it failed for."""

    def __init__(self, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.polls: list[tuple[float, Any]] = []
        self.parts: list[tuple[float, Any]] = []
        real, clock = Reader._read, world.clock

        async def read(reader: Any, batch: Any, window: Any, lane: Lane, *more: Any) -> Any:
            failure = await real(reader, batch, window, lane, *more)
            (self.polls if window.updated_from else self.parts).append((clock.monotonic(), failure))
            return failure

        monkeypatch.setattr(Reader, "_read", read)


async def live(world: Any, seconds: float) -> None:
    """Time passes; polls end within the step in which they began, parts in bulk may wait for calls meanwhile."""
    pollers = world.pollers
    for _ in range(int(seconds / STEP)):
        world.clock.advance(STEP)
        await pollers.book(force=True)
        pollers._dispatch()
        for _ in range(2):
            await world.value("SELECT 1")
        while pollers._busy:
            await world.value("SELECT 1")
        await world.h.lease()
        await world.h.runtime.board.refresh()


async def wish(world: Any, connection_id: UUID, days: float) -> None:
    asked = BackfillRequested(
        backfill_id=uuid4(),
        connection_id=connection_id,
        created_from=OLD,
        created_until=OLD + timedelta(days=days),
        requested_at=world.clock.now(),
    )
    await world.h.feed((f"backfill:{asked.backfill_id}", asked))


def calls_made(world: Any) -> float:
    labels = {"connector": "manomano", "operation": "list_orders", "status": "2xx"}
    return world.h.runtime.metrics.registry.get_sample_value("hub_http_calls_total", labels) or 0.0


async def test_a_backfill_never_delays_a_poll_and_uses_what_polls_leave(
    make_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await make_world(lease_seconds=600)
    budgets = {"list_orders": 45, "read_order": 100}
    connection = await world.connect(
        budgets=budgets, orders={"poll_seconds": POLL_SECONDS}, connector_settings={"page_limit": "2"}
    )
    for day in range(20):
        at = OLD + timedelta(days=day, hours=1)
        world.orders(5, created_at=at, updated_at=at, status="SHIPPED")
    await world.poll()
    listings = Listings(world, monkeypatch)
    await wish(world, connection.connection_id, days=30)
    before = calls_made(world)
    await live(world, 2 * HOUR)
    assert [failure for _, failure in listings.polls if failure is not None] == []
    instants = [at for at, _ in listings.polls]
    gaps = [later - earlier for earlier, later in pairwise(instants)]
    assert max(gaps) <= POLL_SECONDS * 1.1 + 2 * STEP, "no poll came later than it would have come alone"
    spare = 2 * 45 - len(instants)
    in_bulk = calls_made(world) - before - len(instants)
    assert in_bulk >= 0.6 * spare, f"bulk work uses what polls leave: {in_bulk} of {spare}"
    assert calls_made(world) - before <= 2 * 45 + 10


async def test_what_a_backfill_still_needs_is_in_the_forecast(world: Any) -> None:
    connection = await world.connect(orders={"poll_seconds": POLL_SECONDS})
    await world.poll()
    (alone,) = await planned_calls(world.h.runtime)
    assert (alone.credential_ref, alone.operation) == (connection.credential_ref, "list_orders")
    assert (alone.per_hour, alone.bulk) == (30, 0)
    await wish(world, connection.connection_id, days=30)
    (busy,) = await planned_calls(world.h.runtime)
    assert (busy.per_hour, busy.bulk) == (30, 60)
    await world.h.runtime.board.refresh()
    line = next(each for each in await world.h.runtime.board.all_lines() if each.operation == "list_orders")
    assert line.forecast.bulk == 60
