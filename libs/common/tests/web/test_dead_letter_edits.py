"""A corrected copy of a dead letter: checked against the event's type, sent once, the original kept and linked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest

from hub_common.kafka.records import InRecord
from hub_common.parked import Park, park
from hub_common.testing import Harness
from hub_common.testing.harness import OPERATOR_TOKEN, TENANT
from hub_common.testing.probe.main import SPEC
from hub_common.tx import Cause
from hub_common.web import hash_token
from hub_contracts.envelope import Metadata, encode_headers
from hub_contracts.examples import EXAMPLES
from hub_contracts.shop_activity import ParcelHandedOver, StockReported
from hub_contracts.topics import SHOP_ACTIVITY

VIEWER = "hub_test_viewer"
STOCK = next(one.data for one in EXAMPLES if isinstance(one.data, StockReported))
PARCEL = next(one.data for one in EXAMPLES if isinstance(one.data, ParcelHandedOver))
GOOD = STOCK.model_dump_json()
BROKEN = GOOD.replace('"shop_connection_id"', '"shop_connection"')


@pytest.fixture
async def harness(database: str) -> AsyncIterator[Harness]:
    tokens = f"tester:admin:{hash_token(OPERATOR_TOKEN)},guest:viewer:{hash_token(VIEWER)}"
    async with Harness(SPEC, database, operator_tokens=tokens) as running:
        await running.runtime.pool.execute(
            "INSERT INTO connections (connection_id, tenant, version, body) VALUES ($1, $2, 1, $3)",
            STOCK.shop_connection_id,
            TENANT,
            _connection(STOCK.shop_connection_id),
        )
        await running.runtime.connections.refresh()
        yield running


def _connection(connection_id: UUID) -> str:
    data = next(one.data for one in EXAMPLES if one.data.TYPE == "connection.changed.v1")
    return data.model_copy(update={"connection_id": connection_id}).model_dump_json()


@pytest.fixture
async def api(harness: Harness) -> AsyncIterator[httpx.AsyncClient]:
    url = await harness.serve()
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    async with httpx.AsyncClient(base_url=f"{url}/v1/operations", headers=headers) as client:
        yield client


def record(
    harness: Harness, offset: int, value: str, *, tenant: str = TENANT, key: str = "A", kind: str = StockReported.TYPE
) -> InRecord:
    meta = Metadata(harness.runtime.ids.new(), kind, "test", harness.clock.now(), key, tenant, offset)
    return InRecord(SHOP_ACTIVITY, 0, offset, key.encode(), value.encode(), encode_headers(meta), 0)


async def letter(harness: Harness, api: httpx.AsyncClient, value: str = BROKEN, **options: Any) -> str:
    await harness.runtime.inbox.process([record(harness, 1, value, **options)])
    return str((await api.get("/dead-letters")).json()["items"][0]["dead_letter_id"])


async def edit(api: httpx.AsyncClient, letter_id: str, value: str = GOOD, **more: Any) -> httpx.Response:
    body = {"value": value, "reason": "the shop's export was broken"} | more
    return await api.post(f"/dead-letters/{letter_id}/edit", json=body)


async def test_an_edited_copy_is_handled_and_the_original_keeps_its_bytes(
    harness: Harness, api: httpx.AsyncClient
) -> None:
    letter_id = await letter(harness, api)
    pool = harness.runtime.pool
    tried = await edit(api, letter_id, dry_run=True)
    assert (tried.status_code, tried.json()["copy_id"]) == (200, None)
    assert await pool.fetchval("SELECT count(*) FROM inbox_retry") == 0, "a dry run moves nothing"

    answer = await edit(api, letter_id)
    assert answer.status_code == 200, answer.text
    copy_id = answer.json()["copy_id"]
    original = await pool.fetchrow("SELECT * FROM dead_letters WHERE dead_letter_id = $1", UUID(letter_id))
    assert original is not None
    assert (original["value"], original["state"], original["settled_by"]) == (BROKEN.encode(), "redriven", "tester")
    assert copy_id in original["settled_reason"]
    copy = (await api.get(f"/dead-letters/{copy_id}")).json()
    assert (copy["value"], copy["cause"], copy["state"]) == (GOOD, "edited", "redriven")
    assert copy["headers"]["edited_from"] == letter_id
    assert copy["headers"]["edited_by"] == "tester"
    assert "export was broken" in copy["headers"]["edited_reason"]
    waiting = (await api.get("/retries")).json()["items"]
    assert [(one["edited_from"], one["tenant"]) for one in waiting] == [(letter_id, TENANT)]

    assert (await edit(api, letter_id)).status_code == 409, "not twice"
    await pool.execute("UPDATE inbox_retry SET next_at = now()")
    assert await harness.runtime.retrier.step()
    handled = await pool.fetchval("SELECT count(*) FROM inbox WHERE event_id = $1", original["event_id"])
    assert (handled, await pool.fetchval("SELECT count(*) FROM inbox_retry")) == (1, 0)


@pytest.mark.parametrize(
    ("value", "pointer", "rule"),
    [
        ("{half", "#/", "JSON"),
        (BROKEN, "#/shop_connection_id", "required"),
        (GOOD.replace(str(STOCK.shop_connection_id), str(uuid4())), "#/shop_connection_id", "record's tenant"),
    ],
    ids=["no JSON", "a field is missing", "another connection"],
)
async def test_what_is_not_the_event_any_more_is_refused(
    harness: Harness, api: httpx.AsyncClient, value: str, pointer: str, rule: str
) -> None:
    letter_id = await letter(harness, api)
    answer = await edit(api, letter_id, value)
    assert answer.status_code == 422
    assert [(one["pointer"], rule in one["detail"]) for one in answer.json()["errors"]] == [(pointer, True)]
    assert await harness.runtime.pool.fetchval("SELECT count(*) FROM inbox_retry") == 0


async def test_an_edit_cannot_move_an_event_to_another_order(harness: Harness, api: httpx.AsyncClient) -> None:
    body = orjson.loads(PARCEL.model_dump_json())
    body |= {"shop_connection_id": str(STOCK.shop_connection_id), "connection_id": str(STOCK.shop_connection_id)}
    text = orjson.dumps(body).decode()
    letter_id = await letter(harness, api, "{half", key=str(PARCEL.order_id), kind=ParcelHandedOver.TYPE)
    moved = await edit(api, letter_id, text.replace(str(PARCEL.order_id), str(uuid4())))
    assert (moved.json()["errors"][0]["pointer"], moved.status_code) == ("#/order_id", 422)
    assert (await edit(api, letter_id, text, dry_run=True)).status_code == 200


async def test_an_event_that_came_again_and_was_handled_is_not_handled_twice(
    harness: Harness, api: httpx.AsyncClient
) -> None:
    letter_id = await letter(harness, api)
    event_id = await harness.runtime.pool.fetchval("SELECT event_id FROM dead_letters")
    await harness.runtime.pool.execute("INSERT INTO inbox (event_id) VALUES ($1)", event_id)
    assert (await edit(api, letter_id)).status_code == 409


async def test_others_tenants_letters_are_not_seen_and_not_touched(harness: Harness, api: httpx.AsyncClient) -> None:
    letter_id = await letter(harness, api)
    await harness.runtime.inbox.process([record(harness, 2, "<html>", tenant="other")])
    mine = (await api.get("/dead-letters", params={"tenants": TENANT})).json()["items"]
    assert [one["dead_letter_id"] for one in mine] == [letter_id]
    assert (await api.get("/dead-letters", params={"tenants": ""})).json()["items"] == []
    groups = (await api.get("/dead-letters/causes", params={"tenants": "other"})).json()["items"]
    assert [(one["count"], one["redrivable"]) for one in groups] == [(1, 1)]
    inside = (await api.get("/dead-letters", params={"group": groups[0]["group"]})).json()["items"]
    assert [one["headers"]["tenant"] for one in inside] == ["other"]
    past = (await api.get("/dead-letters", params={"until": "2001-01-01T00:00:00Z"})).json()["items"]
    assert past == []

    assert (await edit(api, letter_id, tenants=["other"])).status_code == 404
    body = {"ids": [letter_id, inside[0]["dead_letter_id"]], "tenants": ["other"]}
    tried = (await api.post("/dead-letters/redrive", json=body | {"dry_run": True})).json()
    assert tried["redriven"] == [inside[0]["dead_letter_id"]]
    closed = (await api.post("/dead-letters/discard", json=body | {"reason": "rubbish"})).json()
    assert closed["discarded"] == [inside[0]["dead_letter_id"]]
    guest = {"Authorization": f"Bearer {VIEWER}"}
    assert (
        await api.post(f"/dead-letters/{letter_id}/edit", json={"value": "{}", "reason": "xxx"}, headers=guest)
    ).status_code == 403


async def test_a_copy_that_fails_again_says_what_it_came_from(harness: Harness, api: httpx.AsyncClient) -> None:
    letter_id = await letter(harness, api)
    await edit(api, letter_id)
    pool = harness.runtime.pool
    await pool.execute("UPDATE inbox_retry SET next_at = now(), value = '<'::bytea")
    assert await harness.runtime.retrier.step()
    again = (await api.get("/dead-letters")).json()["items"]
    assert [(one["headers"]["edited_from"], one["cause"]) for one in again] == [(letter_id, "permanent")]


async def test_the_error_of_a_retry_quotes_nothing_of_the_record(harness: Harness, api: httpx.AsyncClient) -> None:
    letter_id = await letter(harness, api, BROKEN.replace('"shop_sku"', '"buyer":"Anna Example","shop_sku"'))
    await api.post("/dead-letters/redrive", json={"ids": [letter_id]})
    await harness.runtime.pool.execute("UPDATE inbox_retry SET next_at = now()")
    assert await harness.runtime.retrier.step()
    again = (await api.get("/dead-letters")).json()["items"]
    assert [one["error"] for one in again] == ["ValidationError: shop_connection_id: Field required"]
    told = await harness.runtime.pool.fetchval("SELECT string_agg(headers::text, ' ') FROM outbox")
    assert "Anna" not in told


async def test_parked_items_are_closed_together(harness: Harness, api: httpx.AsyncClient) -> None:
    parts = [
        Park("order", str(n), "sku_unlinked", "A SKU has no link.", "Link it.", "A", Cause(tenant=TENANT))
        for n in range(3)
    ]
    async with harness.runtime.transactions.begin() as tx:
        await park(tx, parts)
    ids = [str(one["parked_id"]) for one in await harness.parked()]
    answer = await api.post("/parked/close", json={"ids": [*ids, str(uuid4())], "resolution": "linked by hand"})
    assert sorted(answer.json()["closed"]) == sorted(ids)
    assert await harness.parked() == []
    assert (await api.post("/parked/close", json={"ids": ids, "resolution": "again"})).json()["closed"] == []
