"""Leases on a real database: one holder at a time, fair shares, fences that grow, release at once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from hub_common.clock import ManualClock
from hub_common.leases import LeaseKeeper
from hub_common.testing import Harness
from hub_common.testing.probe.main import SPEC

NAMES = [f"poll:{number}" for number in range(10)]


@pytest.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool[asyncpg.Record]]:
    async with Harness(SPEC, database) as running:
        yield running.runtime.pool


def keeper(pool: asyncpg.Pool[asyncpg.Record], owner: str, clock: ManualClock | None = None) -> LeaseKeeper:
    made = LeaseKeeper(pool, owner=owner, seconds=30, clock=clock or ManualClock())
    made.want(NAMES)
    return made


async def expire(pool: asyncpg.Pool[asyncpg.Record], owner: str) -> None:
    await pool.execute("UPDATE leases SET until = now() - interval '1 s' WHERE owner = $1", owner)


async def test_a_lone_replica_takes_everything(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    one = keeper(pool, "one")
    await one.step()
    assert {lease.name for lease in one.held()} == set(NAMES)


async def test_two_replicas_share_and_never_hold_the_same(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    one, two = keeper(pool, "one"), keeper(pool, "two")
    await one.step()
    await two.step()
    assert two.held() == []
    await one.step()
    await two.step()
    first, second = {lease.name for lease in one.held()}, {lease.name for lease in two.held()}
    assert first | second == set(NAMES)
    assert first & second == set()
    assert len(first) == len(second) == 5


async def test_a_dead_replicas_leases_are_taken_over_with_a_higher_fence(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    one, two = keeper(pool, "one"), keeper(pool, "two")
    await one.step()
    fences = {lease.name: lease.fence for lease in one.held()}
    await expire(pool, "one")
    await two.step()
    assert {lease.name: lease.fence for lease in two.held()} == {name: fence + 1 for name, fence in fences.items()}
    await one.step()
    assert one.held() == [], "a lease that expired is not renewed"


async def test_a_holder_stops_believing_before_the_lease_ends(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    clock = ManualClock()
    one = keeper(pool, "one", clock)
    await one.step()
    clock.advance(22)
    assert one.holds(NAMES[0]) is not None
    clock.advance(1)
    assert one.holds(NAMES[0]) is None


async def test_released_leases_are_free_at_once_and_keep_their_state(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    one, two = keeper(pool, "one"), keeper(pool, "two")
    await one.step()
    await one.save_state({NAMES[0]: {"tokens": 3}})
    await one.release()
    await two.step()
    assert {lease.name for lease in two.held()} == set(NAMES)
    state = {lease.name: lease.state for lease in two.held()}
    assert state[NAMES[0]] == {"tokens": 3}


async def test_ten_thousand_leases_are_held_with_a_handful_of_statements(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    one = LeaseKeeper(pool, owner="one", seconds=30, clock=ManualClock())
    one.want(f"poll:{number}" for number in range(10_000))
    assert len(await one.step()) == 10_000
    assert await one.step() == []
    assert len(one.held()) == 10_000
