"""Small budgets, restarts, replicas: everything is covered in turn, and what was not is said."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connector_kit.http import Answer, Call, NotSent
from hub_common.clock import ManualClock
from reconciliation.recording import Recorder
from reconciliation.work import comparer_of

from .conftest import PLENTY, found, kinds

SMALL = {"audit_list_orders": 8, "audit_read_order": 3, "audit_read_offers": 3}
"""ManoMano's own shares: calls an hour."""


async def test_a_listing_that_runs_out_of_calls_goes_on_where_it_stopped(world: Any) -> None:
    """120 orders are six pages, read twice until the list stood still: 8 calls an hour must still get to the end."""
    await world.known(120)
    settings = world.connection().connector_settings | {"page_limit": "20"}
    rules = {"compare_offers": False, "every_minutes": 600}
    await world.connect(budgets=SMALL, connector_settings=settings, rules=rules)
    await world.pass_time(3600)
    assert await world.to_the_end() > 3
    report = await world.report()
    assert (report["orders_compared"], report["complete"]) == (120, True)


async def test_offers_are_covered_with_three_calls_an_hour(world: Any) -> None:
    """One listing of offers is two calls (online, offline); the lane of bulk reading gets one at a time."""
    await world.connect(budgets=SMALL, rules={"compare_orders": True, "every_minutes": 240})
    await world.known(1, skus=[{"sku": "A", "price": "10.00", "quantity": 1}])
    await world.offer("A", 77, "10.00")
    assert kinds(await world.compare(2, minutes=241)) == [("stock", "push_again")]
    assert (await world.report())["offers_compared"] == 1


async def test_single_orders_are_read_in_turn_and_the_report_says_how_many_are_left(world: Any) -> None:
    """Ten orders that the listing does not show, three calls an hour: each round reads others."""
    await world.connect(budgets=PLENTY)
    await world.known(10)
    await world.connect(budgets=SMALL, rules={"compare_offers": False})
    world.sandbox.world.listed = lambda contract: []
    await world.pass_time(1800)
    reports = [await world.hours(3) for _ in range(4)]
    assert all(0 < each["orders_left"] < 10 and not each["complete"] for each in reports), reports
    assert all(report["orders_compared"] + report["orders_left"] == 10 for report in reports)
    [row] = await world.rows("SELECT count(*) AS n FROM orders WHERE compared_at IS NULL")
    assert row["n"] == 0
    assert found(await world.h.emitted()) == []


async def test_another_replica_goes_on_with_a_round_in_the_middle(world: Any) -> None:
    """A replica dies after the listing; the next one neither begins again nor counts the same round twice."""
    [reference] = await world.known(1, status="PREPARATION")
    world.sandbox.set_status(reference, "SHIPPED")
    await world.compare()
    await world.pass_time(3700)
    await world.h.runtime.pool.execute("UPDATE comparisons SET next_at = $1", world.clock.now())
    comparer = comparer_of(world.h.runtime)
    original = comparer._rounds._list_offers

    async def dies(turn: Any) -> None:
        raise ConnectionError("the process is gone")

    comparer._rounds._list_offers = dies
    with pytest.raises(ConnectionError):
        await comparer.step()
    comparer._rounds._list_offers = original
    middle = await world.state()
    assert (middle["phase"], middle["round"]) == ("orders_rest", 2)
    await world.h.runtime.leases.release()
    other = await world.replica("b")
    await other.runtime.connections.refresh()
    world.h = other
    await world.pass_time(1)
    await world.to_the_end()
    after = await world.state()
    assert (after["phase"], after["round"]) == ("idle", 2)
    [row] = await world.rows("SELECT * FROM differences")
    assert (row["state"], row["comparisons"]) == ("open", 2)
    assert kinds(await world.h.emitted()) == [("status", "reread")]


async def test_two_replicas_do_not_compare_the_same_connection(world: Any) -> None:
    await world.pass_time(1)
    other = await world.replica("b")
    await other.runtime.connections.refresh()
    await other.runtime._lease_step()
    mine, theirs = comparer_of(world.h.runtime).mine(), comparer_of(other.runtime).mine()
    assert len(mine) + len(theirs) == 1


async def test_a_connection_that_is_paused_is_not_compared(world: Any) -> None:
    await world.connect(state="paused")
    await world.compare()
    assert (await world.state())["round"] == 0


async def test_open_orders_older_than_the_window_are_compared_too(world: Any) -> None:
    await world.connect(rules={"window_days": 1})
    [old] = world.sandbox.create_orders(1, {"created_at": world.clock.now() - timedelta(days=9)})
    await world.learn(old)
    world.sandbox.set_status(old, "SHIPPED")
    assert kinds(await world.compare(2)) == [("status", "reread")]


class Marketplace:
    """Answers with the number of the call; is out of calls after `allowed`."""

    def __init__(self, allowed: int) -> None:
        self.allowed, self.made = allowed, 0

    async def call(self, call: Call) -> Answer:
        if self.made >= self.allowed:
            raise NotSent("budget", 60)
        self.made += 1
        return Answer(200 if call.path != "/bad" else 500, {}, str(self.made).encode())


async def test_a_recorder_gives_answers_again_only_in_the_same_order() -> None:
    clock, outside = ManualClock(), Marketplace(4)
    recorder = Recorder(outside, clock)

    async def read(*paths: str) -> list[bytes]:
        recorder.rewind()
        return [(await recorder.call(Call("list", "GET", path))).body for path in paths]

    began = recorder.rewind()
    assert await read("/1", "/2") == [b"1", b"2"]
    clock.advance(60)
    assert await read("/1", "/2", "/1") == [b"1", b"2", b"3"]
    assert (recorder.began_at, recorder.age_seconds()) == (began, 60)
    assert await read("/1", "/other") == [b"1", b"4"]
    recorder.forget()
    assert recorder.rewind() == clock.now()


async def test_a_recorder_keeps_no_error() -> None:
    recorder = Recorder(Marketplace(9), ManualClock())
    for expected in (b"1", b"2"):
        recorder.rewind()
        assert (await recorder.call(Call("list", "GET", "/bad"))).body == expected
