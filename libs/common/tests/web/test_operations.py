"""What every service tells operators about itself: counts that agree with its tables, dead letters page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from hub_common.kafka.records import InRecord
from hub_common.migrate import revisions
from hub_common.testing import Harness
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_common.testing.probe.main import SPEC
from hub_common.web import hash_token
from hub_contracts.envelope import Metadata, encode_headers
from hub_contracts.shop_activity import StockReported
from hub_contracts.topics import SHOP_ACTIVITY

VIEWER = "hub_test_viewer"


@pytest.fixture
async def harness(database: str) -> AsyncIterator[Harness]:
    tokens = f"tester:admin:{hash_token(OPERATOR_TOKEN)},guest:viewer:{hash_token(VIEWER)}"
    async with Harness(SPEC, database, operator_tokens=tokens) as running:
        yield running


@pytest.fixture
async def api(harness: Harness) -> AsyncIterator[httpx.AsyncClient]:
    url = await harness.serve()
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    async with httpx.AsyncClient(base_url=f"{url}/v1/operations", headers=headers) as client:
        yield client


def bad(harness: Harness, offset: int, value: bytes) -> InRecord:
    meta = Metadata(harness.runtime.ids.new(), StockReported.TYPE, "test", harness.clock.now(), "A", "t", offset)
    return InRecord(SHOP_ACTIVITY, 0, offset, b"A", value, encode_headers(meta), 0)


async def get(api: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await api.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_summary_counts_what_lies_in_the_tables(harness: Harness, api: httpx.AsyncClient) -> None:
    empty = await get(api, "/summary")
    assert empty["schema"]["revision"] == empty["schema"]["head"] == revisions(SPEC.package)[1]
    assert (empty["dead_letters"], empty["outbox"]) == (0, {"rows": 0, "oldest_seconds": None})
    assert empty["credentials_key"] == "test"

    await harness.runtime.inbox.process([bad(harness, 1, b"<html>")])
    pool = harness.runtime.pool
    await pool.execute(
        "INSERT INTO effects (effect_id, kind, natural_key, connection_id, credential_ref, tenant, order_key, lane,"
        " request, state, needs_operator) SELECT gen_random_uuid(), 'k', n, gen_random_uuid(), 'c', 't', 'o', 1, '{}',"
        " s, true FROM (VALUES ('a', 'UNKNOWN'), ('b', 'PLANNED'), ('c', 'DONE')) AS t(n, s)"
    )
    await pool.execute("UPDATE alembic_version SET version_num = 'older'")

    found = await get(api, "/summary")
    assert found["dead_letters"] == 1
    assert found["outbox"]["rows"] == 1, "the dead letter is told on its topic"
    assert found["outbox"]["oldest_seconds"] >= 0
    assert found["doubts"] == {"count": 1, "for_operators": 1}
    assert {each["state"]: each["count"] for each in found["effects"]} == {"PLANNED": 1, "UNKNOWN": 1}
    assert found["schema"]["revision"] == "older"
    # The test's clock stands still in another year than the database's.
    assert abs(found["clock_skew_seconds"]) > 3600


async def test_dead_letters_come_page_by_page_and_one_with_its_bytes(harness: Harness, api: httpx.AsyncClient) -> None:
    records = [bad(harness, offset, f"<html>{offset}".encode()) for offset in range(1, 6)]
    await harness.runtime.inbox.process(records)
    everything = (await get(api, "/dead-letters"))["items"]
    assert sorted(each["record_offset"] for each in everything) == [1, 2, 3, 4, 5]

    seen: list[int] = []
    before: dict[str, str] = {}
    while page := (await get(api, "/dead-letters", limit=2, cause="undecodable", **before))["items"]:
        seen += [each["record_offset"] for each in page]
        before = {"before": page[-1]["dead_letter_id"]}
    assert seen == [each["record_offset"] for each in everything]
    assert (await get(api, "/dead-letters", cause="permanent"))["items"] == []
    assert (await get(api, "/dead-letters", topic="hub.orders"))["items"] == []

    path = f"/dead-letters/{everything[0]['dead_letter_id']}"
    assert (await get(api, path))["value"] == f"<html>{everything[0]['record_offset']}"
    refused = await api.get(path, headers={"Authorization": f"Bearer {VIEWER}"})
    assert refused.status_code == 403, "bytes may be personal data"
    assert (await api.get("/dead-letters/00000000-0000-0000-0000-000000000001")).status_code == 404
