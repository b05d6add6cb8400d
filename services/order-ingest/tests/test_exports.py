"""Backfills by export: one at a time, over restarts, given up for the listing in the end. A real Mirakl simulator."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from hub_common.testing.harness import OPERATOR_TOKEN
from hub_contracts.connections import BackfillRequested, HubSettings, ImportSettings
from hub_contracts.envelope import Origin
from order_ingest.planned import planned_calls
from order_ingest.pollers import pollers_of
from order_ingest.windows import look_again_after

OLD = datetime(2026, 10, 1, tzinfo=UTC)
BUDGETS = dict.fromkeys(("list_orders", "list_orders_page", "read_order", "start_export", "export_state"), 1_000_000)


class Operator:
    """A hub with one connection to a Mirakl operator, and what it has to do with exports."""

    def __init__(self, world: Any) -> None:
        self.world = world

    async def connect(self, **changes: Any) -> Any:
        off = changes.pop("off", ())
        connection_id = uuid4()
        values: dict[str, Any] = {
            "connection_id": connection_id,
            "connector": "mirakl",
            "credentials": self.world.h.runtime.keyring.seal(connection_id, {"api_key": "mirakl-sandbox-key"}),
            "settings": HubSettings(orders=ImportSettings(import_from=self.world.clock.now()), capabilities_off=off),
            "budgets": BUDGETS,
        }
        made = self.world.connection(**(values | changes))
        made = made.model_copy(update={"connector_settings": {}})  # the fixture's are another marketplace's
        await self.world.tell(made)
        await self.world.poll()
        return made

    async def ask(self, connection_id: UUID, days: float = 2, start: datetime = OLD) -> UUID:
        wish = BackfillRequested(
            backfill_id=uuid4(),
            connection_id=connection_id,
            created_from=start,
            created_until=start + timedelta(days=days),
            requested_at=self.world.clock.now(),
        )
        await self.world.h.feed((f"backfill:{wish.backfill_id}", wish), origin=Origin.LIVE)
        return wish.backfill_id

    def old(self, count: int = 1, hours: float = 1) -> list[str]:
        at = OLD + timedelta(hours=hours)
        return list(self.world.sandbox.create_orders(count, {"created_at": at, "status": "SHIPPED"}))

    async def row(self) -> Any:
        return await self.world.row("SELECT * FROM backfills ORDER BY requested_at DESC LIMIT 1")

    async def polls(self, rounds: int = 4) -> list[Any]:
        """Polls, and time between them in which a listing in bulk has its turn."""
        seen: list[Any] = []
        for _ in range(rounds):
            seen += await self.world.poll(120)
            seen += await self.world.poll(5)
        return seen

    def calls(self, operation: str, runtime: Any = None) -> int:
        """HTTP calls that were answered."""
        found = (runtime or self.world.h.runtime).metrics.registry.collect()
        samples = [sample for metric in found for sample in metric.samples if sample.name == "hub_http_calls_total"]
        return int(sum(each.value for each in samples if each.labels["operation"] == operation))


@pytest.fixture
async def operator(make_world: Any) -> Operator:
    return Operator(await make_world(market="mirakl", sandbox={"export_file_orders": 2}, export_attempts=2))


def received(events: list[Any]) -> list[str]:
    return [e.data.order.marketplace_reference for e in events if e.type == "order.received.v1"]


async def test_a_backfill_is_exported_and_fenced_without_a_listing_call(operator: Operator) -> None:
    connection = await operator.connect()
    made = operator.old(5)
    await operator.ask(connection.connection_id)
    assert await operator.world.poll(1) == []
    row = await operator.row()
    assert row["export_ticket"]
    assert (row["exports_asked"], row["state"]) == (1, "open")
    assert await operator.world.poll(11) == []
    assert operator.calls("export_state") == 1
    events = await operator.world.poll(11)
    assert sorted(received(events)) == sorted(made)
    assert {event.headers["origin"] for event in events} == {"backfill"}
    row = await operator.row()
    assert (row["state"], row["exports_read"], row["exports_failed"], row["chunks_done"]) == ("done", 1, 0, 1)
    assert (row["orders_seen"], row["orders_received"], row["export_ticket"]) == (5, 5, None)
    assert operator.calls("read_export") == 3
    assert operator.calls("list_orders") == 1, "the first poll's"


async def test_a_ticket_survives_a_restart_and_another_replica_goes_on(operator: Operator) -> None:
    connection = await operator.connect()
    made = operator.old()
    await operator.ask(connection.connection_id)
    await operator.world.poll(1)
    await operator.world.h.runtime.leases.release()
    other = await operator.world.replica("b")
    operator.world.clock.advance(30)
    await other.lease()
    await pollers_of(other.runtime).run_due()
    assert received(await other.emitted()) == made
    assert (operator.calls("start_export"), operator.calls("start_export", other.runtime)) == (1, 0)


async def test_a_long_window_is_a_row_of_exports(operator: Operator) -> None:
    connection = await operator.connect()
    made = [operator.old(hours=hours)[0] for hours in (1, 24 * 40)]
    await operator.ask(connection.connection_id, days=60, start=OLD)
    seen: list[str] = []
    for _ in range(8):
        seen += received(await operator.world.poll(30))
    assert seen == made
    row = await operator.row()
    assert (row["state"], row["exports_asked"], row["exports_read"]) == ("done", 2, 2)


async def test_one_export_at_a_time_for_all_connections_of_a_credential(operator: Operator) -> None:
    first = await operator.connect(credential_ref="same")
    second = await operator.connect(credential_ref="same")
    operator.old()
    await operator.ask(first.connection_id)
    await operator.ask(second.connection_id)
    await operator.world.poll(1)
    await operator.world.poll(1)
    assert operator.calls("start_export") == 1
    for _ in range(6):
        await operator.world.poll(15)
    assert await operator.world.value("SELECT count(*) FROM backfills WHERE state = 'done'") == 2
    assert await operator.world.value("SELECT sum(exports_failed) FROM backfills") == 0
    assert operator.calls("start_export") == 2


async def test_a_failed_export_is_asked_for_again(operator: Operator) -> None:
    connection = await operator.connect()
    made = operator.old()
    operator.world.fault("export_failed")
    await operator.ask(connection.connection_id)
    await operator.world.poll(1)
    first = (await operator.row())["export_ticket"]
    operator.world.no_faults()
    await operator.world.poll(30)
    row = await operator.row()
    assert (row["export_ticket"], row["exports_failed"], row["export_given_up"]) == (None, 1, False)
    assert "could not make" in row["last_error"]
    await operator.world.poll(60)
    row = await operator.row()
    assert row["export_ticket"] not in (None, first)
    assert received(await operator.world.poll(30)) == made
    row = await operator.row()
    assert (row["state"], row["export_attempts"], row["exports_asked"], row["last_error"]) == ("done", 0, 2, "")


async def test_exports_that_fail_again_and_again_give_way_to_the_listing(operator: Operator) -> None:
    connection = await operator.connect()
    made = operator.old()
    operator.world.fault("export_failed")
    await operator.ask(connection.connection_id, days=0.5)
    assert received(await operator.polls(8)) == made
    row = await operator.row()
    assert (row["state"], row["exports_failed"], row["export_given_up"], row["exports_read"]) == ("done", 2, True, 0)
    assert operator.calls("start_export") == 2


async def test_an_export_that_never_gets_ready_counts_as_failed(make_world: Any) -> None:
    operator = Operator(await make_world(market="mirakl", sandbox={"export_seconds": 1e9}, export_patience_hours=1))
    connection = await operator.connect()
    await operator.ask(connection.connection_id)
    await operator.world.poll(1)
    await operator.world.poll(3500)
    assert (await operator.row())["exports_failed"] == 0
    await operator.world.poll(400)
    row = await operator.row()
    assert (row["exports_failed"], row["export_ticket"]) == (1, None)
    assert "not ready in time" in row["last_error"]


async def test_files_that_fail_to_come_are_read_again_from_the_same_ticket(operator: Operator) -> None:
    connection = await operator.connect()
    made = operator.old(3)
    await operator.ask(connection.connection_id)
    await operator.world.poll(1)
    operator.world.fault("html_answer", operation="read_export")
    await operator.world.poll(30)
    row = await operator.row()
    assert row["export_ticket"]
    assert row["last_error"]
    operator.world.no_faults()
    assert sorted(received(await operator.world.poll(60))) == sorted(made)
    assert operator.calls("start_export") == 1


async def test_a_ticket_whose_files_never_come_is_dropped(operator: Operator) -> None:
    connection = await operator.connect()
    operator.old(3)
    await operator.ask(connection.connection_id)
    await operator.world.poll(1)
    operator.world.fault("html_answer", operation="read_export")
    for _ in range(3):
        await operator.world.poll(300)
    assert (await operator.row())["exports_failed"] == 1


async def test_without_calls_left_the_export_waits_and_loses_no_attempt(make_world: Any) -> None:
    operator = Operator(await make_world(market="mirakl", export_days=1))
    connection = await operator.connect(budgets={**BUDGETS, "start_export": 1})
    await operator.ask(connection.connection_id, days=2)
    for _ in range(5):
        await operator.world.poll(60)
    row = await operator.row()
    assert (row["exports_asked"], row["exports_read"], row["exports_failed"], row["export_attempts"]) == (1, 1, 0, 0)
    await operator.world.poll(3600)
    assert (await operator.row())["exports_asked"] == 2


async def test_a_connection_that_switches_exports_off_is_listed(operator: Operator) -> None:
    connection = await operator.connect(off=("order_export",))
    made = operator.old()
    await operator.ask(connection.connection_id, days=0.5)
    assert received(await operator.polls()) == made
    assert operator.calls("start_export") == 0


async def test_switched_off_in_the_middle_the_listing_goes_on_where_it_was(operator: Operator) -> None:
    connection = await operator.connect()
    made = operator.old()
    await operator.ask(connection.connection_id, days=0.5)
    await operator.world.poll(1)
    assert (await operator.row())["export_ticket"]
    settings = connection.settings.model_copy(update={"capabilities_off": ("order_export",)})
    await operator.world.tell(connection.model_copy(update={"settings": settings}))
    assert received(await operator.polls()) == made
    assert (await operator.row())["state"] == "done"


async def test_an_export_is_as_old_as_its_asking(operator: Operator) -> None:
    """What a poll reads while the export is being made is newer than the export's files, whenever they are read."""
    connection = await operator.connect()
    operator.old()
    await operator.ask(connection.connection_id)
    await operator.world.poll(1)
    asked_at = (await operator.row())["export_asked_at"]
    await operator.world.poll(600)
    assert await operator.world.value("SELECT fetched_at FROM orders") == asked_at


async def test_exports_are_shown_and_are_not_in_the_forecast_of_listings(operator: Operator) -> None:
    connection = await operator.connect()
    await operator.ask(connection.connection_id, days=30)
    await operator.world.poll(1)
    url = await operator.world.h.serve()
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"}) as client:
        (item,) = (await client.get("/v1/backfills?state=open")).json()["items"]
    shown = (item["export_pending"], item["exports_asked"], item["exports_failed"], item["export_given_up"])
    assert shown == (True, 1, 0, False)
    (line,) = await planned_calls(operator.world.h.runtime)
    assert line.bulk == 0
    await operator.world.h.runtime.pool.execute("UPDATE backfills SET export_given_up = true")
    (line,) = await planned_calls(operator.world.h.runtime)
    assert line.bulk == 60


@pytest.mark.parametrize(("age", "seconds"), [(0, 10), (100, 10), (600, 60), (3600, 300), (86_400, 300)])
def test_looking_slows_down_with_the_age_of_the_export(age: float, seconds: float) -> None:
    assert look_again_after(age) == seconds


async def test_the_budget_of_exports_does_not_hold_up_a_listing_in_bulk(operator: Operator) -> None:
    """One export per five minutes is no call that a listing would make."""
    settings = HubSettings(
        orders=ImportSettings(import_from=operator.world.clock.now(), poll_seconds=200),
        capabilities_off=("order_export",),
    )
    budgets = {name: calls for name, calls in BUDGETS.items() if name != "start_export"}
    connection = await operator.connect(settings=settings, budgets=budgets)
    made = operator.old()
    await operator.ask(connection.connection_id, days=0.5)
    assert received(await operator.polls()) == made


async def test_a_backfill_that_is_listed_leaves_one_that_is_being_exported_alone(make_world: Any) -> None:
    operator = Operator(await make_world(market="mirakl", sandbox={"export_seconds": 1e6}))
    connection = await operator.connect()
    operator.old()
    exported = await operator.ask(connection.connection_id, days=0.5)
    await operator.world.poll(1)
    listed = await operator.ask(connection.connection_id, days=0.5)
    await operator.world.h.runtime.pool.execute(
        "UPDATE backfills SET export_given_up = true WHERE backfill_id = $1", listed
    )
    await operator.polls()
    rows = await operator.world.h.runtime.pool.fetch("SELECT backfill_id, state, chunks_done FROM backfills")
    assert {tuple(row) for row in rows} == {(exported, "open", 0), (listed, "done", 1)}
