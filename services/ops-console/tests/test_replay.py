"""The console's tables follow from the topics alone: rebuilt from them, in whatever order they come, they are equal."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid5

import pytest

from hub_common.kafka.records import InRecord
from hub_common.replay import plan_problems
from hub_common.replay_digest import odd_rows
from hub_common.testing import Harness
from hub_common.testing.history import History, interleaved
from hub_contracts.envelope import Origin, encode_headers
from hub_contracts.examples import EXAMPLE_BY_TYPE, EXAMPLES
from hub_contracts.examples.world import MANOMANO, PIXMANIA, SHOP
from hub_contracts.topics import TOPIC_BY_NAME
from ops_console.handlers import OWN_TOPICS
from ops_console.main import REPLAY, SPEC

NewDatabase = Callable[[str | None], str]
UUID_TEXT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SHARED = {str(each) for each in (MANOMANO, PIXMANIA, SHOP)}
ORDERS = 8


def life(number: int) -> list[InRecord]:
    """Every event of one order's life, and what goes with it, under ids of its own; the last order is backfilled."""

    def own(text: str) -> str:
        return UUID_TEXT.sub(lambda m: m[0] if m[0] in SHARED else str(uuid5(UUID(m[0]), str(number))), text)

    records = []
    for example in EXAMPLES:
        meta = example.metadata(EXAMPLE_BY_TYPE[example.after] if example.after else None)
        meta = replace(
            meta,
            event_id=uuid5(meta.event_id, str(number)),
            key=own(meta.key) if str(meta.key) not in SHARED else meta.key,
            causation_id=own(meta.causation_id) if meta.causation_id else None,
            aggregate_version=meta.aggregate_version + number * 100,
            origin=Origin.BACKFILL if number == ORDERS - 1 else Origin.LIVE,
        )
        topic = example.data.TOPIC or OWN_TOPICS[meta.source]
        body = own(example.data.model_dump_json()).encode()
        records.append(InRecord(topic, 0, 0, meta.key.encode(), body, encode_headers(meta), 0))
    return records


async def live(harness: Harness) -> History:
    """Some orders at the same time, fed in small batches, some records delivered twice."""
    history = History(harness)
    records = interleaved([record for number in range(ORDERS) for record in life(number)], seed=7)
    draw = random.Random(7)
    while records:
        size = draw.choice((1, 2, 5, 20))
        await harness.runtime.inbox.process(records[:size])
        records = records[size - draw.choice((0, 0, 1)) or size :]
    return history


def test_the_plan_speaks_of_every_table() -> None:
    assert plan_problems(SPEC) == []


@pytest.mark.parametrize(("seed", "batch"), [(1, 1), (2, 50), (3, 500)])
async def test_the_console_is_rebuilt_from_the_topics(
    database: str, new_database: NewDatabase, seed: int, batch: int
) -> None:
    async with Harness(SPEC, database) as harness:
        history = await live(harness)
        shadow = new_database(None)
        verdicts = await history.verdicts(shadow, seed=seed, batch=batch)
        for table in REPLAY.tables:
            if not verdicts[table.name].equal:
                key = [column.name for column in SPEC.metadata.tables[table.name].primary_key]
                pytest.fail(f"{table.name}: {await odd_rows(database, shadow, table, key)}")
    assert verdicts["orders"].rebuilt.rows == ORDERS
    assert all(verdict.rebuilt.rows for verdict in verdicts.values())
    kept = [e for e in EXAMPLES if not TOPIC_BY_NAME.get(e.data.TOPIC) or not TOPIC_BY_NAME[e.data.TOPIC].compacted]
    assert verdicts["story_events"].rebuilt.rows == ORDERS * len(kept)
    assert history.report is not None
    assert (history.report.dead, history.report.waiting, history.report.untold) == (0, 0, 0)


async def test_an_event_that_was_never_heard_is_missed(database: str, new_database: NewDatabase) -> None:
    async with Harness(SPEC, database) as harness:
        history = await live(harness)
        await harness.runtime.pool.execute("DELETE FROM story_events WHERE type = 'order.routed.v1'")
        await harness.runtime.pool.execute(
            "UPDATE story_events SET origin = 'backfill' WHERE type = 'order.refused.v1'"
        )
        await harness.runtime.pool.execute("UPDATE orders SET status = 'PENDING'")
        verdicts = await history.verdicts(new_database(None))
    assert sorted(name for name, verdict in verdicts.items() if not verdict.equal) == ["orders", "story_events"]
    assert verdicts["story_events"].rebuilt.rows - verdicts["story_events"].present.rows == ORDERS
