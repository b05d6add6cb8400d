"""message-service rebuilt: the same conversations and the same waiting, and not a word to any buyer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hub_common.replay import plan_problems
from hub_common.replay_digest import compare, digest, odd_rows
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_common.testing.history import History
from hub_contracts.orders import OrderChanged, OrderCustomerErased
from message_service.main import SPEC
from message_service.reading import ThreadReader, Upkeep
from message_service.replay import REPLAY

from .conftest import CONNECTION, HOURS, Stage

NewDatabase = Callable[[str | None], str]


async def read(stage: Stage, seconds: float = 600) -> None:
    """As `Stage.read`, with the outbox left alone; alarms are raised as well."""
    stage.clock.advance(seconds)
    await stage.harness.lease()
    await ThreadReader(stage.harness.runtime, stage.harness.settings).step()  # type: ignore[arg-type]
    await Upkeep(stage.harness.runtime).step()


async def send(stage: Stage) -> None:
    stage.clock.advance(60)
    await stage.harness.run_effects()


async def live(stage: Stage) -> History:
    """Questions answered, alarmed for, closed by a person, asked anew, linked late; answers refused or unsent."""
    history = History(stage.harness)
    await stage.connect()
    orders = [await stage.order() for _ in range(6)]
    late = await stage.order(told=False)
    answered, again, closed, refused, waiting, erased = [stage.asks(order, "Where is it?") for order in orders]
    unlinked = stage.asks(late, "Who are you?", sender="OPERATOR_USER")
    stage.asks(late, "Is it mine?", thread=unlinked)
    await read(stage)
    await stage.answer(answered, body="It left yesterday.")
    await stage.answer(refused, body="words")
    del stage.simulator.world.threads[refused]
    for _ in range(4):
        await send(stage)
        await stage.harness.make_due()
    assert (await stage.client.delete(f"/v1/orders/{orders[5].order_id}/messages")).json() == {"erased": 1}
    await read(stage, 18 * HOURS)  # alarms
    item = next(each for each in await stage.harness.parked() if each["subject_id"].endswith(closed))
    url = f"/v1/operations/parked/{item['parked_id']}/close"
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    assert (await stage.client.post(url, json={"resolution": "by phone"}, headers=headers)).status_code == 200
    stage.asks(orders[1], "Answered in the back office", thread=again, sender="SHOP_USER")
    stage.asks(orders[1], "And the other one?", thread=again)
    await read(stage)
    # Two words on one order in one batch, of which the later one says nothing of the language.
    await stage.tell(late.model_copy(update={"locale": None}))
    words = [late, late.model_copy(update={"locale": None, "order_number": "OTHER"})]
    changed = [OrderChanged(order=word, changed_fields=("locale",), snapshot_id=word.order_id) for word in words]
    await stage.harness.feed(*((late.order_id, event) for event in changed))
    await stage.client.post(f"/v1/orders/{orders[0].order_id}/messages", json={"body": "One more thing."})
    await send(stage)
    await read(stage)
    await stage.answer(waiting, body="Not sent yet.")
    assert erased != unlinked
    gone = OrderCustomerErased(
        order_id=orders[2].order_id, connection_id=CONNECTION, erased_at=stage.clock.now(), why="retention"
    )
    await stage.harness.feed((gone.order_id, gone))
    await stage.harness.runtime.inbox.process(history.heard[1:4])  # delivered again
    return history


def test_the_plan_speaks_of_every_table() -> None:
    assert plan_problems(SPEC) == []


async def test_conversations_are_rebuilt_from_the_topics(
    stage: Stage, database: str, new_database: NewDatabase
) -> None:
    history = await live(stage)
    pool = stage.harness.runtime.pool
    before, calls = await history.told(), len(stage.simulator.record.entries)
    for batch in (1, 500):
        shadow = new_database(None)
        verdicts = await history.verdicts(shadow, seed=batch, batch=batch)
        for table in REPLAY.tables:
            if not verdicts[table.name].equal:
                key = [column.name for column in SPEC.metadata.tables[table.name].primary_key]
                pytest.fail(f"{table.name}: {await odd_rows(database, shadow, table, key)}")
    assert all(verdict.rebuilt.rows for verdict in verdicts.values())
    report = history.report
    assert report is not None
    assert (report.dead, report.waiting, report.untold, report.fenced) == (0, 0, 0, 0)
    assert (await history.told(), len(stage.simulator.record.entries)) == (before, calls)
    # Else the comparison would prove less than it says.
    states = {row["state"] for row in await pool.fetch("SELECT DISTINCT state FROM messages")}
    assert states == {"received", "planned", "sent", "rejected"}
    alarms = await pool.fetch("SELECT waits_since IS NULL AS quiet, alarmed_at IS NULL AS calm FROM threads")
    assert {tuple(row) for row in alarms} == {(True, True), (False, True), (False, False)}
    assert await pool.fetchval("SELECT count(*) FROM parked WHERE actor IS NOT NULL") == 1
    assert await pool.fetchval("SELECT count(*) FROM messages WHERE order_id IS NULL") == 0
    # Somebody who waits and of whom nobody was told is seen.
    await pool.execute("UPDATE threads SET waits_since = NULL")
    await pool.execute("UPDATE messages SET state = 'sent' WHERE state = 'planned'")
    again = compare(await digest(database, REPLAY), await digest(shadow, REPLAY))
    assert [each.table for each in again if not each.equal] == ["threads", "messages"]
