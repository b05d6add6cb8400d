"""What the hub believes, rebuilt from the topics in other orders of delivery: the same, and nothing is told or sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from hub_common.replay import plan_problems
from hub_common.replay_digest import odd_rows
from hub_common.testing.history import History
from hub_contracts.refunds import CancellationConfirmed, RefundConfirmed, RefundLine, RefundRejected, RefundRequested
from hub_contracts.shipments import InvoiceUploaded
from hub_contracts.stock import OfferRejected
from hub_contracts.work import EffectInDoubt, EffectSettled
from reconciliation.main import REPLAY, SPEC

from .conftest import CONNECTION, found

NewDatabase = Callable[[str | None], str]


async def live(world: Any) -> History:
    """Something on every topic, a comparison in between."""
    history = History(world.h)
    await world.connect()
    first, second, third = await world.known(3, status="PREPARATION")
    line = RefundLine(line_id="1", quantity=1, amount="1.00", shipping_amount="0", reason_code="X")
    money = {"currency": "EUR", "lines": (line,)}
    given, refused = uuid4(), uuid4()
    for reference in (first, second):
        await world.accepted(reference)
        world.clock.advance(60)
        await world.shipped(reference)
    world.sandbox.set_status(third, "SHIPPED")
    await world.compare(2)
    await world.tell(first, RefundRequested, refund_id=given, requested_by="tester", **money)
    await world.tell(second, RefundRequested, refund_id=refused, requested_by="tester", **money)
    world.clock.advance(60)
    sure = {"effect_id": uuid4(), "confirmed_by": "answer"}
    await world.tell(first, RefundConfirmed, refund_id=given, refund_references=("R1", "R2"), **money, **sure)
    await world.tell(second, RefundRejected, refund_id=refused, reason="too late")
    await world.tell(third, CancellationConfirmed, cancellation_id=uuid4(), effect_id=uuid4(), confirmed_by="answer")
    await world.tell(first, InvoiceUploaded, effect_id=uuid4())
    doubt = {"effect_id": uuid4(), "owner": "x", "kind": "ship", "natural_key": "ship:1"}
    await world.tell(third, EffectInDoubt, reason="time-out", needs_operator=False, **doubt)
    world.clock.advance(60)
    await world.tell(third, EffectSettled, state="DONE", evidence="", settled_by="probe", **doubt)
    await world.offer("A", 5, "10.00")
    rejected = OfferRejected(connection_id=CONNECTION, offer_sku="A", effect_id=uuid4(), reason="no")
    await world.h.feed((f"{CONNECTION}:A", rejected))
    await world.offer("B", 5, "10.00")
    await world.learn(second, again=True)
    return history


def test_the_plan_speaks_of_every_table() -> None:
    assert plan_problems(SPEC) == []


@pytest.mark.parametrize(("seed", "batch"), [(1, 1), (2, 7), (3, 500)])
async def test_the_belief_is_rebuilt_from_the_topics(
    world: Any, database: str, new_database: NewDatabase, seed: int, batch: int
) -> None:
    history, shadow = await live(world), new_database(None)
    verdicts = await history.verdicts(shadow, seed=seed, batch=batch)
    for table in REPLAY.tables:
        if not verdicts[table.name].equal:
            key = [column.name for column in SPEC.metadata.tables[table.name].primary_key]
            pytest.fail(f"{table.name}: {await odd_rows(database, shadow, table, key)}")
    assert all(verdict.rebuilt.rows for verdict in verdicts.values())
    report = history.report
    assert report is not None
    assert (report.dead, report.waiting, report.untold, report.fenced) == (0, 0, 0, 0)
    assert found(await world.h.emitted()) == []
