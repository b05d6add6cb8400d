"""What people can ask, close and have issued; statements day by day; metrics; the schema."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from hub_common.testing.harness import OPERATOR_TOKEN
from hub_common.testing.schema import schema_differences
from hub_contracts.catalog import OfferListed, ProductImportEnded
from hub_contracts.messages import MessageSent
from hub_contracts.reconciliations import StatementIssued
from reconciliation.gauges import Gauges
from reconciliation.statements import Statements
from reconciliation.tables import METADATA

from .conftest import CONNECTION, found, resolved

NOBODY = "6f1d1a52-6b0e-5a0c-9d3e-3a3c1f7b9e10"


async def call(world: Any, method: str, path: str, **options: Any) -> httpx.Response:
    if not hasattr(world, "served"):
        world.served = await world.h.serve()
    headers = {"Authorization": f"Bearer {options.pop('token', OPERATOR_TOKEN)}"}
    async with httpx.AsyncClient(base_url=world.served, headers=headers) as client:
        return await client.request(method, path, **options)


@pytest.fixture
async def differing(world: Any) -> Any:
    """Three orders, two of which do not agree; the events were taken out."""
    first, second, _ = await world.known(3, status="PREPARATION")
    world.sandbox.set_status(first, "SHIPPED")
    del world.sandbox.world.orders[11781522, second]
    world.told = found(await world.compare(2))
    assert len(world.told) == 2
    return world


async def test_differences_are_listed_by_age_filtered_and_paged(differing: Any) -> None:
    listed = (await call(differing, "GET", "/v1/differences")).json()
    assert {item["kind"] for item in listed["items"]} == {"status", "order_vanished"}
    assert all(item["age_seconds"] > 3000 and item["next_step"] for item in listed["items"])
    only = (await call(differing, "GET", "/v1/differences?repair=operator&owner=order-ingest")).json()["items"]
    assert [item["kind"] for item in only] == ["order_vanished"]
    assert (await call(differing, "GET", f"/v1/differences?connection_id={uuid4()}")).json()["items"] == []
    seen, after = [], ""
    for _ in range(2):
        page = (
            await call(differing, "GET", "/v1/differences", params={"limit": 1, **({"after": after} if after else {})})
        ).json()
        seen += [item["difference_id"] for item in page["items"]]
        after = page["next"]
    assert len(set(seen)) == 2
    one = (await call(differing, "GET", f"/v1/differences/{seen[0]}")).json()
    assert one["difference_id"] == seen[0]


async def test_a_suspicion_is_shown_to_nobody(world: Any) -> None:
    [reference] = await world.known(1, status="PREPARATION")
    world.sandbox.set_status(reference, "SHIPPED")
    await world.compare()
    assert (await call(world, "GET", "/v1/differences?state=all")).json()["items"] == []
    [row] = await world.rows("SELECT difference_id FROM differences")
    assert (await call(world, "GET", f"/v1/differences/{row['difference_id']}")).status_code == 404
    body = {"reason": "not yet told"}
    answer = await call(world, "POST", f"/v1/differences/{row['difference_id']}/close", json=body)
    assert answer.status_code == 404


async def test_a_person_closes_with_a_reason_and_it_stays_closed(differing: Any) -> None:
    gone = next(each for each in differing.told if each.kind == "order_vanished")
    path = f"/v1/differences/{gone.difference_id}/close"
    assert (await call(differing, "POST", path, json={})).status_code == 422
    answer = await call(differing, "POST", path, json={"reason": "void, they said"})
    assert answer.json()["closed_by"] == "tester"
    [event] = resolved(await differing.h.emitted())
    assert (event.resolution, event.actor) == ("void, they said", "tester")
    again = await call(differing, "POST", path, json={"reason": "void, they said"})
    assert (again.status_code, again.json()["type"]) == (409, "urn:hub:problem:difference-not-open")
    assert "order_vanished" not in {each.kind for each in found(await differing.compare(2))}
    [row] = (await call(differing, "GET", "/v1/differences?state=closed")).json()["items"]
    assert (row["resolution"], row["actor"]) == ("void, they said", "tester")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "slug"),
    [
        ("GET", f"/v1/differences/{NOBODY}", None, 404, "difference-unknown"),
        ("GET", "/v1/differences?kind=odd", None, 422, "invalid-request"),
        ("GET", "/v1/differences?after=odd", None, 422, "invalid-request"),
        ("GET", "/v1/differences?limit=0", None, 422, "invalid-request"),
        ("POST", f"/v1/differences/{NOBODY}/close", {"reason": "ab"}, 422, "invalid-request"),
        ("POST", f"/v1/differences/{NOBODY}/close", {"reason": "abc", "x": 1}, 422, "invalid-request"),
        ("POST", f"/v1/connections/{NOBODY}/comparisons", None, 404, "connection-unknown"),
        ("POST", f"/v1/connections/{NOBODY}/statements", None, 404, "connection-unknown"),
        ("POST", f"/v1/connections/{CONNECTION}/statements", {"day": "2031-01-01"}, 422, "invalid-request"),
        ("GET", f"/v1/statements/{NOBODY}", None, 404, "statement-unknown"),
        ("GET", f"/v1/statements/{NOBODY}.txt", None, 404, "statement-unknown"),
        ("GET", "/v1/statements?day=odd", None, 422, "invalid-request"),
        ("GET", f"/v1/statements?after=2026-99-99~{NOBODY}", None, 422, "invalid-request"),
    ],
)
async def test_wrong_questions_are_answered_with_problems(
    world: Any, method: str, path: str, body: Any, status: int, slug: str
) -> None:
    answer = await call(world, method, path, **({"json": body} if body is not None else {}))
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:hub:problem:{slug}")
    if status == 422:
        assert answer.json()["errors"][0]["pointer"]


async def test_nobody_without_a_token_learns_anything(world: Any) -> None:
    assert (await call(world, "GET", "/v1/differences", token="wrong")).status_code == 401


async def test_a_comparison_on_demand_begins_at_once(world: Any) -> None:
    await world.known(1)
    await world.compare()
    assert (await world.state())["round"] == 1
    answer = await call(world, "POST", f"/v1/connections/{CONNECTION}/comparisons")
    assert (answer.status_code, answer.json()["requested_by"]) == (202, "tester")
    await world.to_the_end()
    assert (await world.state())["round"] == 2
    assert (await world.state())["requested_at"] is None
    [row] = (await call(world, "GET", "/v1/comparisons")).json()["items"]
    assert (row["connection_id"], row["last_report"]["orders_compared"]) == (str(CONNECTION), 1)
    assert row["age_seconds"] < 60


async def test_a_paused_connection_is_not_compared_on_demand(world: Any) -> None:
    await world.connect(state="paused")
    answer = await call(world, "POST", f"/v1/connections/{CONNECTION}/comparisons")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:hub:problem:connection-not-compared")


async def test_todays_statement_on_demand_as_data_and_as_files(differing: Any) -> None:
    [reference] = await differing.known(1, status="PREPARATION")
    await differing.accepted(reference)
    await differing.compare()
    made = (await call(differing, "POST", f"/v1/connections/{CONNECTION}/statements")).json()
    assert (made["orders"], made["effects_by_kind"], made["differences_open"]) == (4, {"accept": 1}, 2)
    assert made["differences_by_kind"] == {"order_vanished": 1, "status": 1}
    assert (made["final"], made["headline"]) == (False, "4 orders, 1 effects, 2 differences")
    [event] = [e.data for e in await differing.h.emitted() if e.type == StatementIssued.TYPE]
    assert (str(event.statement_id), event.complete) == (made["statement_id"], True)
    listed = (await call(differing, "GET", f"/v1/statements?connection_id={CONNECTION}&day={made['day']}")).json()
    assert [item["statement_id"] for item in listed["items"]] == [made["statement_id"]]
    text = await call(differing, "GET", f"/v1/statements/{made['statement_id']}.txt")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert "4 orders, 1 effects, 2 differences" in text.text
    assert "order_vanished" in text.text
    page = await call(differing, "GET", f"/v1/statements/{made['statement_id']}.html")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert (await call(differing, "GET", f"/v1/statements/{made['statement_id']}")).json() == made


async def test_the_days_statement_is_issued_once_after_midnight_and_rests_on_a_comparison_after_it(world: Any) -> None:
    """From 9:00 to past midnight; the first round that begins after 00:15 lets it be issued."""
    await world.known(2)
    duty = Statements(world.h.runtime)
    issued = []
    for _ in range(17):
        issued += [e.data for e in await world.compare(minutes=60) if e.type == StatementIssued.TYPE]
        while await duty.step():
            continue
    issued += [e.data for e in await world.h.emitted() if e.type == StatementIssued.TYPE]
    [statement] = issued
    assert (statement.day.isoformat(), statement.orders, statement.orders_compared) == ("2026-11-02", 2, 2)
    assert (statement.complete, statement.differences_open, statement.differences_found) == (True, 0, 0)
    assert statement.compared_at is not None
    assert statement.compared_at >= datetime(2026, 11, 3, 0, 15, tzinfo=UTC)
    row = await world.row("SELECT final FROM statements")
    assert row["final"] is True
    again = await call(world, "POST", f"/v1/connections/{CONNECTION}/statements", json={"day": "2026-11-02"})
    assert (again.status_code, again.json()["type"]) == (409, "urn:hub:problem:statement-final")


async def test_a_day_without_a_comparison_gets_a_statement_that_says_so(world: Any) -> None:
    await world.known(2)
    world.clock.advance(timedelta(hours=30).total_seconds())
    await world.h.lease()
    duty = Statements(world.h.runtime)
    while await duty.step():
        continue
    [statement] = [e.data for e in await world.h.emitted() if e.type == StatementIssued.TYPE]
    assert (statement.complete, statement.orders_compared, statement.compared_at) == (False, 0, None)


async def test_an_order_that_changed_after_it_was_compared_is_not_counted_as_compared(world: Any) -> None:
    [reference] = await world.known(1)
    await world.compare()
    await world.learn(reference, again=True)
    made = (await call(world, "POST", f"/v1/connections/{CONNECTION}/statements")).json()
    assert (made["orders"], made["orders_compared"], made["complete"]) == (1, 0, False)
    assert made["not_compared"] == ["1 of 1 orders were not compared"]


async def test_test_orders_are_in_no_statement(world: Any) -> None:
    [reference] = world.buy()
    await world.learn(reference, is_test=True)
    await world.compare()
    made = (await call(world, "POST", f"/v1/connections/{CONNECTION}/statements")).json()
    assert (made["orders"], made["complete"]) == (0, True)


async def test_metrics_of_differences_and_freshness(differing: Any) -> None:
    await Gauges(differing.h.runtime).step()
    text = differing.h.runtime.metrics.render().decode()
    assert 'hub_differences_open{kind="status"} 1.0' in text
    assert 'hub_differences_open{kind="stock"} 0.0' in text
    assert f'hub_comparison_age_seconds{{connection="{CONNECTION}"}} 0.0' in text
    [oldest] = [line for line in text.splitlines() if line.startswith("hub_difference_oldest_seconds ")]
    assert 3660 <= float(oldest.split()[1]) < 3700


async def test_migrated_schema_is_the_declared_one(world: Any, database: str) -> None:
    assert await schema_differences(database, METADATA) == []


async def test_whatever_the_marketplace_took_counts_as_an_effect_of_the_day(world: Any) -> None:
    for data in (
        OfferListed(connection_id=CONNECTION, offer_sku="A", effect_id=uuid4(), confirmed_by="answer"),
        ProductImportEnded(
            import_id=uuid4(),
            connection_id=CONNECTION,
            effect_id=uuid4(),
            file_name="a.csv",
            rows_read=1,
            rows_taken=1,
            rows_failed=0,
        ),
        MessageSent(
            message_id=uuid4(), connection_id=CONNECTION, effect_id=uuid4(), written_by="ann", confirmed_by="answer"
        ),
        MessageSent(
            message_id=uuid4(),
            connection_id=CONNECTION,
            effect_id=uuid4(),
            is_test=True,
            written_by="ann",
            confirmed_by="answer",
        ),
    ):
        await world.h.feed((CONNECTION, data))
    made = (await call(world, "POST", f"/v1/connections/{CONNECTION}/statements")).json()
    assert made["effects_by_kind"] == {"publish_offer": 1, "import_products": 1, "send_message": 1}
