"""ops-console on a real database: the story of an order, whatever order the topics come in, and no personal data."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from hub_common.kafka.records import InRecord
from hub_common.testing import Harness
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_common.testing.schema import schema_differences
from hub_contracts.envelope import encode_headers
from hub_contracts.examples import EXAMPLE_BY_TYPE, EXAMPLES
from hub_contracts.orders import OrderCustomerRecorded
from hub_tools.run.api import Api, ApiError
from ops_console.domain import masked, timeline
from ops_console.main import SPEC

TABLES = ("story_events", "orders", "tracking_numbers", "parked_items", "doubts")


def records() -> list[InRecord]:
    """One record of every event type, from the contracts' own examples."""
    found = []
    for number, example in enumerate(EXAMPLES):
        body = example.data.model_dump_json().encode()
        topic = example.data.TOPIC or "hub.acceptances"
        meta = example.metadata(EXAMPLE_BY_TYPE[example.after] if example.after else None)
        found.append(InRecord(topic, 0, number, meta.key.encode(), body, encode_headers(meta), 0))
    return found


@pytest.fixture
async def harness(database: str) -> AsyncIterator[Harness]:
    async with Harness(SPEC, database) as running:
        yield running


async def digest(harness: Harness) -> dict[str, list[str]]:
    found = {}
    for table in TABLES:
        rows = await harness.runtime.pool.fetch(
            f"SELECT to_jsonb(t) - '{{received_at,seq}}'::text[] AS row FROM {table} t"
        )
        found[table] = sorted(row["row"] for row in rows)
    return found


async def test_migrated_schema_is_what_the_code_believes(harness: Harness) -> None:
    dsn = harness.settings.database_dsn.get_secret_value()
    assert await schema_differences(dsn, SPEC.metadata) == []


async def test_every_event_type_is_kept(harness: Harness) -> None:
    result = await harness.runtime.inbox.process(records())
    assert (result.handled, result.dead, result.ignored) == (len(records()), 0, 0)
    kept = await harness.runtime.pool.fetchval("SELECT count(DISTINCT type) FROM story_events")
    assert kept == len({example.data.TYPE for example in EXAMPLES})


async def test_topics_may_interleave_in_any_way(harness: Harness) -> None:
    """Order is kept per topic and key only; the read model must not depend on anything else."""
    await harness.runtime.inbox.process(records())
    before = await digest(harness)
    for seed in range(4):
        for table in (*TABLES, "inbox"):
            await harness.runtime.pool.execute(f"DELETE FROM {table}")
        queues: dict[tuple[str, bytes | None], list[InRecord]] = {}
        for record in records():
            queues.setdefault((record.topic, record.key), []).append(record)
        draw = random.Random(seed)
        while queues:
            key = draw.choice(sorted(queues, key=str))
            await harness.runtime.inbox.process([queues[key].pop(0)])
            if not queues[key]:
                del queues[key]
        assert await digest(harness) == before


async def test_no_personal_data_gets_in(harness: Harness) -> None:
    await harness.runtime.inbox.process(records())
    customer = next(e.data for e in EXAMPLES if isinstance(e.data, OrderCustomerRecorded))
    assert customer.shipping is not None
    assert customer.shipping.last_name
    everything = str(await digest(harness))
    for value in (customer.shipping.last_name, customer.shipping.street_1, customer.shipping.email):
        if value:
            assert value not in everything
    assert "shipping.street_1" in masked(customer)["fields_present"]


async def test_the_story_of_an_order(harness: Harness) -> None:
    await harness.runtime.inbox.process(records())
    row = await harness.runtime.pool.fetchrow("SELECT * FROM orders ORDER BY created_at LIMIT 1")
    assert row is not None
    api = Api(await harness.serve(), OPERATOR_TOKEN)
    story = await asyncio.to_thread(api.get, f"/v1/orders/{row['order_id']}/story")
    types = [event["type"] for event in story["timeline"]]
    assert types[0] == "order.received.v1"
    assert "shipment.notified.v1" in types
    assert story["parcels"][0]["tracking_number"]
    assert story["decisions"][0]["rules"]
    found = await asyncio.to_thread(api.get, f"/v1/orders?q={row['reference'].lower()}")
    assert [item["order_id"] for item in found["items"]] == [str(row["order_id"])]
    tracked = await asyncio.to_thread(api.get, f"/v1/orders?q={story['parcels'][0]['tracking_number']}")
    assert [item["order_id"] for item in tracked["items"]] == [str(row["order_id"])]
    early = story["timeline"][0]["at"].replace("+", "%2B")
    then = await asyncio.to_thread(api.get, f"/v1/orders/{row['order_id']}/story?as_of={early}")
    assert [event["type"] for event in then["timeline"]] == ["order.received.v1"]
    today = await asyncio.to_thread(api.get, "/v1/today")
    assert sum(entry["count"] for entry in today["orders"]) >= 1


async def test_bad_questions_get_clear_answers(harness: Harness) -> None:
    api = Api(await harness.serve(), OPERATOR_TOKEN)
    for path, text in (
        (f"/v1/orders/{UUID(int=5)}/story", "Nothing is known"),
        ("/v1/orders?cursor=nonsense", "cursor"),
        ("/v1/orders?status=SENT", "422"),
        ("/v1/orders?limit=0", "422"),
    ):
        with pytest.raises(ApiError, match=text):
            await asyncio.to_thread(api.get, path)


def event(name: str, at: int, cause: str | None = None) -> dict[str, Any]:
    return {"event_id": name, "at": at, "topic": "t", "version": 1, "causation_id": cause, "type": name}


def test_causes_stand_before_what_they_caused_even_when_clocks_disagree() -> None:
    line = timeline([event("shipped", 1, "mapped"), event("mapped", 2, "handed"), event("handed", 3)])
    assert [entry["event_id"] for entry in line] == ["handed", "mapped", "shipped"]
    assert [entry["caused_by"] for entry in line] == [None, 1, 2]


def test_a_cause_outside_the_story_holds_nothing_up() -> None:
    line = timeline([event("b", 2, "elsewhere"), event("a", 1)])
    assert [(entry["event_id"], entry["caused_by"]) for entry in line] == [("a", None), ("b", None)]
