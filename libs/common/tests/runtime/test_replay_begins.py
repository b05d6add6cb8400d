"""A table of which people state one part and events tell the other: the one is given, the other is proven."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from hub_common.replay import Compared, ReplayPlan, plan_problems
from hub_common.replay_given import Given, GivenWritten
from hub_common.replay_parked import CONNECTIONS, PARKED, PARKED_ROUTES
from hub_common.testing.harness import Harness
from hub_common.testing.history import History
from hub_common.testing.probe.main import SPEC
from hub_common.tx import Tx
from hub_contracts.envelope import Event
from hub_contracts.shop_activity import StockReported

from .test_replay import stock

NewDatabase = Callable[[str | None], str]
MIXED = ReplayPlan(
    tables=(Compared("notes"), CONNECTIONS, PARKED),
    own=PARKED_ROUTES,
    given=(Given("notes", "people say which SKUs there are", begins={"quantity": "0", "times": "0"}),),
)


async def count(tx: Tx, events: Sequence[Event[StockReported]]) -> None:
    """Writes what events tell only."""
    for event in events:
        statement = "UPDATE notes SET quantity = $2, times = times + 1 WHERE sku = $1"
        await tx.conn.execute(statement, event.data.shop_sku, event.data.quantity)


async def forget(tx: Tx, events: Sequence[Event[StockReported]]) -> None:
    """A handler that has lost a column."""
    await tx.conn.execute("UPDATE notes SET times = times + 1 WHERE sku = ANY($1)", [e.data.shop_sku for e in events])


async def make(tx: Tx, events: Sequence[Event[StockReported]]) -> None:
    """Writes rows that people state."""
    await tx.conn.execute("INSERT INTO notes VALUES ('made', 1, 1) ON CONFLICT DO NOTHING")


async def test_columns_that_events_tell_are_proven_in_rows_that_are_given(
    database: str, new_database: NewDatabase
) -> None:
    spec = replace(SPEC, replay=MIXED, routes={StockReported: count})
    assert plan_problems(spec) == []
    async with Harness(spec, database) as harness:
        history = History(harness)
        await harness.runtime.pool.execute("INSERT INTO notes VALUES ('A', 0, 0), ('B', 0, 0)")
        await harness.feed(stock(harness, "A", 3), stock(harness, "B", 4))
        await harness.feed(stock(harness, "A", 5))
        assert (await history.verdicts(new_database(None)))["notes"].equal
        harness.runtime.spec = replace(spec, routes={StockReported: forget})
        assert not (await history.verdicts(new_database(None)))["notes"].equal
        harness.runtime.spec = replace(spec, routes={StockReported: make})
        with pytest.raises(GivenWritten, match="1 rows of notes"):
            await history.rebuild(new_database(None), batch=500)


def test_what_begins_anew_is_compared_and_is_no_key() -> None:
    bad = ReplayPlan(
        tables=(CONNECTIONS, PARKED, Compared("notes", where="quantity > 0")),
        given=(Given("notes", "people", begins={"sku": "''", "colour": "''"}),),
    )
    assert plan_problems(replace(SPEC, replay=bad)) == [
        "notes.sku: is part of the key, without which rows cannot be compared",
        "notes.colour: no such column",
        "notes: events tell sku, colour; compare the table, without where",
    ]
