"""order-router rebuilt from the topics: the same routes, taken by nobody a second time, and told to nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hub_common.replay import plan_problems
from hub_common.replay_digest import odd_rows
from hub_common.testing.history import History
from hub_contracts.connections import ConnectionState
from hub_contracts.envelope import Origin
from hub_contracts.orders import FulfilledBy
from hub_contracts.status import OrderStatus
from order_router.main import REPLAY, SPEC

NewDatabase = Callable[[str | None], str]
S = OrderStatus


async def live(world: Any) -> History:
    """Orders that are routed, wait, are chosen for by hand, cancelled before and after, refused, sent by others."""
    history, h = History(world.h), world.h

    async def hear(*facts: Any, origin: Origin = Origin.LIVE) -> None:
        h.clock.advance(61)
        await h.feed(*facts, origin=origin)

    orders = {name: world.order(world.line("A"), world.line("B", 2), reference=name) for name in "RSTUVWXYZ"}
    await hear(world.connection("linked"), world.shop(), world.shop(world.shop_b))
    await hear(world.link("A", world.shop_a, "SA"), world.link("B", world.shop_b, "SB"))
    await hear(
        world.link("OLD", world.shop_a, "SO"), world.offer(world.shop_a, "SA", 5), world.offer(world.shop_b, "SB", 3)
    )
    # Routed by the answer, by the status, with a line refused; the answer may come before the order.
    await hear(world.received(orders["R"]), world.accepted(orders["R"]))
    await hear(world.accepted(orders["S"], "L-B"))
    await hear(world.received(orders["S"]))
    await hear(world.received(orders["T"]), world.status(orders["T"], S.PREPARATION))
    # Cancelled: wholly after it was routed, in one line, before it was routed, refused by us.
    await hear(world.status(orders["R"], S.CANCELLED))
    await hear(world.status(orders["T"], S.PREPARATION, lines={"L-A": S.CANCELLED, "L-B": S.PREPARATION}))
    await hear(world.received(orders["U"]), world.status(orders["U"], S.CANCELLED), world.received(orders["V"]))
    await hear(world.refused(orders["V"]), world.link("OLD", world.shop_a, "SO", active=False))
    # Waits for a link, which comes; waits and is chosen for by hand; waits still.
    await hear(world.link("B", world.shop_b, "SB", active=False))
    await hear(*(fact for name in "WXY" for fact in (world.received(orders[name]), world.accepted(orders[name]))))
    async with await world.client() as api:
        body = {
            "lines": [{"line_id": "L-B", "shop_connection_id": str(world.shop_b), "shop_sku": "SB"}],
            "reason": "phone",
        }
        assert (await api.post(f"/v1/orders/{orders['X'].order_id}/reroute", json=body)).status_code == 200
        closed = await h.parked()
        url = f"/v1/operations/parked/{closed[-1]['parked_id']}/close"
        assert (await api.post(url, json={"resolution": "the buyer was told"})).status_code == 200
    await hear(world.received(orders["Z"]), origin=Origin.BACKFILL)
    await hear(world.changed(orders["Z"]), world.status(orders["Z"], S.PREPARATION))
    await hear(world.link("B", world.shop_b, "SB"), world.offer(world.shop_b, "SB", 9, minutes=5))
    late = world.order(reference="LATE")
    await hear(world.link("A", world.shop_a, "SA", active=False), world.received(late), world.accepted(late))
    other = world.order(reference="FBM", fulfilled_by=FulfilledBy.MARKETPLACE, status=S.SHIPPED)
    await hear(world.received(other), world.shop(state=ConnectionState.PAUSED), world.connection("linked"))
    await h.runtime.inbox.process(history.heard[5:20])  # delivered again
    return history


def test_the_plan_speaks_of_every_table() -> None:
    assert plan_problems(SPEC) == []


@pytest.mark.parametrize(("seed", "batch"), [(1, 1), (2, 7), (3, 500)])
async def test_the_router_is_rebuilt_from_the_topics(
    world: Any, database: str, new_database: NewDatabase, seed: int, batch: int
) -> None:
    history, shadow = await live(world), new_database(None)
    before = await history.told()
    verdicts = await history.verdicts(shadow, seed=seed, batch=batch)
    for table in REPLAY.tables:
        if not verdicts[table.name].equal:
            key = [column.name for column in SPEC.metadata.tables[table.name].primary_key]
            pytest.fail(f"{table.name}: {await odd_rows(database, shadow, table, key)}")
    assert all(verdict.rebuilt.rows for verdict in verdicts.values())
    report = history.report
    assert report is not None
    assert (report.dead, report.waiting, report.untold) == (0, 0, 0)
    assert await history.told() == before


async def test_the_history_has_all_that_can_happen(world: Any) -> None:
    """Else the comparison would prove less than it says."""
    await live(world)
    pool = world.h.runtime.pool
    assert await pool.fetchval("SELECT count(*) FROM orders WHERE routed_at IS NOT NULL") >= 5
    assert await pool.fetchval("SELECT count(*) FROM routes WHERE cancelled_at IS NOT NULL") >= 1
    assert await pool.fetchval("SELECT count(*) FROM orders WHERE refused") == 1
    assert await pool.fetchval("SELECT count(*) FROM orders WHERE routed_by = 'tester'") == 1
    assert await pool.fetchval("SELECT count(*) FROM orders WHERE NOT live") == 1
    assert await pool.fetchval("SELECT count(*) FROM parked WHERE resolved_at IS NULL") >= 1
    assert await pool.fetchval("SELECT count(*) FROM parked WHERE actor = 'tester'") >= 1


async def test_without_our_own_events_routes_are_missing(world: Any, new_database: NewDatabase) -> None:
    history = await live(world)
    await world.h.emitted()  # empties the outbox, and with it what the history knows of them
    verdicts = await history.verdicts(new_database(None))
    assert sorted(name for name, verdict in verdicts.items() if not verdict.equal) == ["orders", "parked", "routes"]
