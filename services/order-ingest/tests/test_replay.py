"""order-ingest rebuilt: orders follow from what was told of them, and no marketplace is asked for anything again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from hub_common.replay import plan_problems
from hub_common.replay_digest import compare, digest, odd_rows
from hub_common.testing.history import History
from hub_contracts.connections import ConnectionState
from hub_contracts.ids import order_id_for
from hub_contracts.status import OrderStatus
from order_ingest import erasure_store
from order_ingest.erasure import erase
from order_ingest.main import SPEC
from order_ingest.replay import REPLAY
from order_ingest.rereads import Rereads

from .test_api import call
from .test_bulk import ask, old
from .test_rereads import difference
from .test_wishes import wish

NewDatabase = Callable[[str | None], str]


async def poll(world: Any, seconds: float = 200) -> None:
    """As `World.poll`, with the outbox left alone."""
    world.clock.advance(seconds)
    await world.h.lease()
    await world.pollers.run_due()


async def live(world: Any) -> History:
    """Orders that go every way, that nobody understands for a while, that are passed over, backfilled and invented."""
    history = History(world.h)
    connection = await world.connect(orders={"shorten_order_number": True})
    passed_over = world.orders(created_at=datetime(2026, 10, 20, tzinfo=UTC))
    world.orders(status="SHIPPED")  # before the first run
    steps, back, blind = world.orders(
        3, skus=[{"sku": "A", "price": "10.10", "quantity": 2}, {"sku": "B", "price": "3.00"}]
    )
    world.orders(unknown_status=True)
    await poll(world)
    world.sandbox.set_status(steps, "SHIPPED")
    world.sandbox.set_status(passed_over[0], "PREPARATION")
    world.sandbox.set_status(back, "PREPARATION")
    await poll(world)
    world.sandbox.set_status(back, "PENDING")  # cannot follow
    for order in world.sandbox.world.orders.values():
        order.options = order.options.model_copy(update={"unknown_status": False})
        if order.reference == blind:
            order.updated_at = world.clock.now()  # read anew, and nothing to tell
    await poll(world)
    world.fault("null_address")
    world.orders(is_mmf=True)
    await poll(world)
    world.no_faults()
    await poll(world)  # the address is restated
    old(world, status="SHIPPED")
    old(world, hours=30)
    await ask(world, connection.connection_id)
    for _ in range(5):
        await poll(world)
    late = world.connection()
    for each in (wish(world, connection.connection_id), wish(world, late.connection_id)):
        await world.h.feed((f"test:{each.test_order_id}", each))
    await world.tell(late.model_copy(update={"state": ConnectionState.PAUSED}))
    again = difference(connection.connection_id, blind)
    await world.h.feed((again.order_id or "", again))
    asked_for = order_id_for(connection.connection_id, steps)
    assert (await call(world, "POST", f"/v1/orders/{asked_for}/read")).status_code == 202
    world.clock.advance(1)
    await Rereads(world.h.runtime).step()
    refused = await world.connect(api_key="revoked")
    await poll(world)
    await world.tell(world.connection(connection_id=refused.connection_id))
    await poll(world)
    await world.h.runtime.inbox.process(history.heard[:2])  # delivered again
    async with world.h.runtime.transactions.begin() as tx:
        gone = await tx.conn.fetch("SELECT order_id FROM orders WHERE reference = ANY($1)", [steps, *passed_over])
        known = await erasure_store.known(tx.conn, [row["order_id"] for row in gone])
        assert await erase(tx, known, "request", "tester", "asked for") == len(known) > 1
    return history


def test_the_plan_speaks_of_every_table() -> None:
    assert plan_problems(SPEC) == []


@pytest.mark.parametrize(("seed", "batch"), [(1, 1), (2, 500)])
async def test_order_ingest_is_rebuilt_from_the_topics(
    world: Any, database: str, new_database: NewDatabase, seed: int, batch: int
) -> None:
    history, shadow = await live(world), new_database(None)
    pool = world.h.runtime.pool
    before = await history.told()
    verdicts = await history.verdicts(shadow, seed=seed, batch=batch)
    for table in REPLAY.tables:
        if not verdicts[table.name].equal:
            key = [column.name for column in SPEC.metadata.tables[table.name].primary_key]
            pytest.fail(f"{table.name}: {await odd_rows(database, shadow, table, key)}")
    assert all(verdict.rebuilt.rows for verdict in verdicts.values())
    report = history.report
    assert report is not None
    assert (report.dead, report.waiting, report.untold, report.fenced) == (0, 0, 0, 0)
    assert await history.told() == before
    # Else the comparison would prove less than it says.
    assert {row["origin"] for row in await pool.fetch("SELECT origin FROM orders")} == {"live", "backfill"}
    assert {row["skip_reason"] for row in await pool.fetch("SELECT skip_reason FROM orders")} == {
        None,
        "before_import_from",
        "closed_before_import",
    }
    causes = {row["cause"] for row in await pool.fetch("SELECT cause FROM parked")}
    assert causes == {"status_unknown", "status_regressed", "connection_unknown", "credentials_refused"}
    kinds = {dict(record.headers)["ce_type"].decode() for record in before}
    assert kinds >= {"order.received.v1", "order.changed.v1", "order.status_changed.v1"}
    assert await pool.fetchval("SELECT count(*) FROM orders WHERE is_test") == 2
    # An order that came to be another one than was told is seen.
    await pool.execute("UPDATE orders SET status = 'REFUSED' WHERE status = $1", OrderStatus.SHIPPED.value)
    await pool.execute("UPDATE backfills SET created_until = now()")
    again = compare(await digest(database, REPLAY), await digest(shadow, REPLAY))
    assert [each.table for each in again if not each.equal] == ["orders", "backfills"]
