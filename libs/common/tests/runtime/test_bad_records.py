"""Whatever lies on a topic: what cannot be an event of ours becomes a dead letter with its bytes, the rest goes on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from hub_common.kafka.records import InRecord
from hub_common.testing import Harness
from hub_common.testing.probe.main import SPEC
from hub_contracts.envelope import Metadata, encode_headers
from hub_contracts.shop_activity import StockReported
from hub_contracts.topics import SHOP_ACTIVITY

SHOP = UUID(int=1)
GOOD: dict[str, Any] = {
    "shop_connection_id": str(SHOP),
    "shop_sku": "A",
    "quantity": 5,
    "reported_at": "2026-11-02T08:00:00Z",
}


@pytest.fixture
async def harness(database: str) -> AsyncIterator[Harness]:
    async with Harness(SPEC, database) as running:
        yield running


def record(harness: Harness, offset: int, value: bytes) -> InRecord:
    meta = Metadata(harness.runtime.ids.new(), StockReported.TYPE, "test", harness.clock.now(), "A", "t", offset)
    return InRecord(SHOP_ACTIVITY, 0, offset, b"A", value, encode_headers(meta), 0)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (b"<html>502</html>", "Invalid JSON"),
        (b'{"quantity": 5', "Invalid JSON"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"[]", "object"),
        (GOOD | {"quantity": "many"}, "quantity"),
        (GOOD | {"quantity": [5]}, "quantity"),
        (GOOD | {"shop_sku": 7}, "shop_sku"),
        (GOOD | {"shop_connection_id": "the blue shop"}, "shop_connection_id"),
        (GOOD | {"reported_at": "2026-11-02T08:00:00"}, "reported_at"),
        ({name: value for name, value in GOOD.items() if name != "reported_at"}, "reported_at"),
    ],
)
async def test_what_is_no_event_is_buried_with_its_bytes_and_the_next_is_handled(
    harness: Harness, value: bytes | dict[str, Any], named: str
) -> None:
    bad = value if isinstance(value, bytes) else json.dumps(value).encode()
    good = json.dumps(GOOD).encode()
    result = await harness.runtime.inbox.process([record(harness, 1, bad), record(harness, 2, good)])
    assert (result.dead, result.handled) == (1, 1)
    (letter,) = await harness.runtime.pool.fetch("SELECT cause, error, value FROM dead_letters")
    assert (letter["cause"], letter["value"]) == ("undecodable", bad)
    assert named in letter["error"]
    assert await harness.runtime.pool.fetchval("SELECT quantity FROM notes WHERE sku = 'A'") == 5
