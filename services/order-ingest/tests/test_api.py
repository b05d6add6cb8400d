"""What people can ask, and what they are told when they ask wrongly."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from hub_common.config import ServiceSettings
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_common.web import hash_token
from hub_contracts.connections import BackfillRequested, ConnectionState
from hub_contracts.ids import order_id_for


async def call(world: Any, method: str, path: str, token: str = OPERATOR_TOKEN, **options: Any) -> httpx.Response:
    url = await world.h.serve()
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}) as client:
        return await client.request(method, path, **options)


def assert_problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"urn:hub:problem:{slug}"
    return body


async def test_raw_snapshots_are_given_as_they_came(world: Any) -> None:
    connection = await world.connect()
    (reference,) = world.orders()
    await world.poll()
    world.sandbox.set_status(reference, "PREPARATION")
    await world.poll()
    order_id = order_id_for(connection.connection_id, reference)
    items = (await call(world, "GET", f"/v1/orders/{order_id}/raw")).json()["items"]
    assert ["PREPARATION" in item["body"] for item in items] == [True, False]
    assert all(reference in item["body"] for item in items)


async def test_raw_snapshots_are_not_for_viewers(make_world: Any) -> None:
    world = await make_world(operator_tokens=f"v:viewer:{hash_token('see')},o:operator:{hash_token('act')}")
    assert isinstance(world.h.settings, ServiceSettings)
    assert_problem(await call(world, "GET", f"/v1/orders/{uuid4()}/raw", "see"), 403, "role-too-low")


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/v1/orders/6f1d1a52-6b0e-5a0c-9d3e-3a3c1f7b9e10/raw", 404, "order-unknown"),
        ("GET", "/v1/orders/nonsense/raw", 422, "invalid-request"),
        ("GET", "/v1/pollers?limit=0", 422, "invalid-request"),
        ("GET", "/v1/backfills?state=odd", 422, "invalid-request"),
        ("POST", "/v1/pollers/6f1d1a52-6b0e-5a0c-9d3e-3a3c1f7b9e10/run", 404, "connection-unknown"),
    ],
)
async def test_wrong_questions_are_answered_with_problems(
    world: Any, method: str, path: str, status: int, slug: str
) -> None:
    body = assert_problem(await call(world, method, path), status, slug)
    if slug == "invalid-request":
        assert body["errors"][0]["pointer"]
        assert body["errors"][0]["detail"]


async def test_nobody_without_a_token_learns_anything(world: Any) -> None:
    assert_problem(await call(world, "GET", "/v1/pollers", "wrong"), 401, "unauthorised")


async def test_freshness_of_pollers(world: Any) -> None:
    connection = await world.connect()
    world.orders()
    await world.poll()
    world.clock.advance(90)
    (poller,) = (await call(world, "GET", "/v1/pollers")).json()["items"]
    assert poller["connection_id"] == str(connection.connection_id)
    assert poller["age_seconds"] == 90
    assert (poller["polls"], poller["orders_received"], poller["consecutive_failures"]) == (1, 1, 0)
    await world.h.lease()
    await world.pollers.book(force=True)
    assert (
        f'poller_age_seconds{{connection="{connection.connection_id}"}} 90.0'
        in world.h.runtime.metrics.render().decode()
    )


async def test_a_poll_on_demand_is_made_and_recorded(world: Any) -> None:
    connection = await world.connect()
    await world.poll()
    world.orders()
    answer = await call(world, "POST", f"/v1/pollers/{connection.connection_id}/run")
    assert answer.status_code == 202
    assert answer.json()["requested_by"] == "tester"
    assert "order.received.v1" in [event.type for event in await world.poll(1)]
    row = await world.row("SELECT * FROM poll_state")
    assert (row["last_manual_by"], row["run_requested_at"], row["polls"]) == ("tester", None, 2)
    assert await world.pollers.run_due() == 0


async def test_a_paused_connection_cannot_be_polled_on_demand(world: Any) -> None:
    connection = await world.connect(state=ConnectionState.PAUSED)
    answer = await call(world, "POST", f"/v1/pollers/{connection.connection_id}/run")
    assert "paused" in assert_problem(answer, 409, "connection-not-active")["detail"]


async def test_backfills_tell_how_far_they_are(world: Any) -> None:
    connection = await world.connect()
    await world.poll()
    now = world.clock.now()
    wish = BackfillRequested(
        backfill_id=uuid4(),
        connection_id=connection.connection_id,
        created_from=now - timedelta(days=2),
        created_until=now,
        requested_at=now,
    )
    await world.h.feed((f"backfill:{wish.backfill_id}", wish))
    await world.poll()
    (item,) = (await call(world, "GET", f"/v1/backfills?connection_id={connection.connection_id}&state=open")).json()[
        "items"
    ]
    assert (item["percent"], item["chunks_done"], item["state"]) == (25, 1, "open")


async def test_a_number_leads_back_to_the_full_reference(world: Any) -> None:
    await world.connect(orders={"shorten_order_number": True})
    (reference,) = world.orders()
    (number,) = [e.data.order.order_number for e in await world.poll() if e.type == "order.received.v1"]
    (item,) = (await call(world, "GET", f"/v1/orders/by-number/{number}")).json()["items"]
    assert item["reference"] == reference
