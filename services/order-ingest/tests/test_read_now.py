"""A person asks for one order: read at once, however often asked once, within the budget, as every snapshot is."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from connector_kit.http import Lane
from connector_kit.simulator import FaultRule
from hub_common.web import hash_token
from hub_contracts.connections import ConnectionState, HubSettings, ImportSettings
from hub_contracts.ids import order_id_for
from hub_contracts.orders import OrderReceived, OrderStatusChanged
from order_ingest.pollers import pollers_of
from order_ingest.rereads import BETWEEN_READINGS

from .conftest import IMPORT_FROM
from .test_api import assert_problem, call
from .test_rereads import Desk
from .test_wishes import feed, wish

SOON = BETWEEN_READINGS + 1


class Caller(Desk):
    """A person on the phone with the buyer of one order, and the calls that this costs."""

    reference: str
    calls: int

    @property
    def path(self) -> str:
        return f"/v1/orders/{order_id_for(self.connection_id, self.reference)}/read"

    @property
    def there(self) -> Any:
        """The order at the marketplace."""
        [found] = [each for each in self.world.sandbox.world.orders.values() if each.reference == self.reference]
        return found

    async def press(self) -> dict[str, Any]:
        answer = await call(self.world, "POST", self.path)
        assert answer.status_code == 202, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def look(self) -> dict[str, Any]:
        body: dict[str, Any] = (await call(self.world, "GET", self.path)).json()
        return body

    def changed(self, status: str) -> None:
        """Another state at the marketplace under an old update time: no poll ever lists it."""
        self.world.sandbox.set_status(self.reference, status)
        self.there.updated_at = IMPORT_FROM + timedelta(hours=1)

    def watch(self, reading: Any = None) -> None:
        """Count the calls for single orders; `reading` happens when the marketplace has answered."""
        speaker = pollers_of(self.world.h.runtime).reader.book.connector(self.connection_id, Lane.LIVE)
        real, self.calls = speaker.read_order, 0

        async def counted(reference: str) -> Any:
            self.calls += 1
            answer = await real(reference)
            if reading is not None:
                await reading()
            return answer

        speaker.read_order = counted


async def caller_of(world: Any, **changes: Any) -> Caller:
    made = Caller(world, (await world.connect(**changes)).connection_id)
    [made.reference] = world.orders()
    await world.poll()
    return made


@pytest.fixture
async def caller(world: Any) -> Caller:
    return await caller_of(world)


async def test_what_changed_behind_the_polls_back_is_told_and_nothing_twice(caller: Caller) -> None:
    world = caller.world
    caller.changed("PREPARATION")
    assert await world.poll() == [], "no poll sees it"
    assert (await caller.look())["state"] == "never"
    asked = await caller.press()
    assert (asked["reference"], asked["requested_by"], asked["joined"]) == (caller.reference, "tester", False)
    assert "within seconds" in asked["then"]
    assert await caller.read() == [OrderStatusChanged.TYPE]
    assert (await caller.look())["state"] == "done"
    bodies = await world.value("SELECT count(*) FROM raw_orders")
    assert bodies == 2
    again = await caller.press()
    assert (again["last_outcome"], again["joined"]) == ("done", False)
    assert await caller.read(SOON) == []
    assert await world.value("SELECT count(*) FROM raw_orders") == bodies
    assert await world.value("SELECT state FROM rereads") == "done"


async def test_ten_clicks_are_one_reading_on_a_wake(caller: Caller) -> None:
    caller.watch()
    wake = pollers_of(caller.world.h.runtime).reread_wake
    assert not (await caller.press())["joined"]
    others = await asyncio.gather(*(caller.press() for _ in range(9)))
    assert all(told["joined"] for told in others)
    await asyncio.wait_for(wake.wait(60), 5)
    await caller.read()
    await caller.read(SOON)
    assert caller.calls == 1
    assert (await caller.look())["state"] == "done"


async def test_a_click_soon_after_a_reading_is_kept_for_the_next_one(caller: Caller) -> None:
    caller.watch()
    await caller.press()
    await caller.read()
    caller.changed("PREPARATION")
    for _ in range(5):
        told = await caller.press()
    assert "read just now" in told["then"] or "being read" in told["then"]
    assert await caller.read(BETWEEN_READINGS - 2) == []
    assert caller.calls == 1
    assert await caller.read(2) == [OrderStatusChanged.TYPE]
    assert caller.calls == 2


async def test_a_click_while_it_is_being_read_is_not_lost_and_waits_its_time(caller: Caller) -> None:
    async def meanwhile() -> None:
        if caller.calls == 1:
            caller.changed("PREPARATION")
            assert "once more" in (await caller.press())["then"]

    caller.watch(meanwhile)
    await caller.press()
    assert await caller.read() == []
    assert await caller.read() == []
    assert caller.calls == 1
    assert await caller.read(BETWEEN_READINGS) == [OrderStatusChanged.TYPE]
    assert caller.calls == 2


async def test_asking_again_never_makes_more_calls_than_the_budget_has(make_world: Any) -> None:
    caller = await caller_of(await make_world(), budgets={"list_orders": 1_000_000, "read_order": 4})
    runtime = caller.world.h.runtime
    connection = runtime.connections.get(caller.connection_id)
    budget = runtime.callers.budget(connection, runtime.book.manifest(caller.connection_id))
    while budget.available("read_order", Lane.LIVE) >= 1:
        budget.try_take("read_order", Lane.LIVE)
    caller.changed("PREPARATION")
    await caller.press()
    assert await caller.read() == []
    waiting = await caller.state()
    assert (waiting["state"], waiting["attempts"]) == ("open", 0)
    told = await caller.press()
    assert told["joined"]
    assert "waits to be read (read_order: call budget is used up); it is tried again within 60 min" in told["then"]
    assert (await caller.state())["next_at"] == waiting["next_at"], "asking again does not shorten it"
    assert await caller.duty.step() is False
    assert await caller.read(3600) == [OrderStatusChanged.TYPE]


async def test_in_an_outage_a_click_brings_the_next_try_forward_and_keeps_the_count(caller: Caller) -> None:
    caller.world.sandbox.faults.set([FaultRule(fault="html_answer")])
    for _ in range(3):
        await caller.press()
        await caller.read(3600)
    assert (await caller.state())["attempts"] == 3
    told = await caller.press()
    assert "tried again within 10 s" in told["then"]
    caller.world.no_faults()
    caller.watch()
    await caller.read(5)
    assert caller.calls == 0
    await caller.read(5)
    assert (caller.calls, (await caller.look())["state"]) == (1, "done")


async def test_what_nobody_understood_is_kept_and_read_anew_once_it_is_mended_there(caller: Caller) -> None:
    world = caller.world
    [caller.reference] = world.orders(unknown_status=True)
    assert OrderReceived.TYPE not in [event.type for event in await world.poll()]
    order = caller.there
    order.options = order.options.model_copy(update={"unknown_status": False})
    await caller.press()
    assert OrderReceived.TYPE in await caller.read()
    assert await world.h.parked() == []


async def test_what_cannot_be_understood_now_is_stored_before_it_is_parked(caller: Caller) -> None:
    world = caller.world
    order = caller.there
    order.options = order.options.model_copy(update={"unknown_status": True})
    await caller.press()
    assert await caller.read() == ["work.parked.v1"]
    assert await world.value("SELECT count(*) FROM raw_orders") == 2


async def test_an_order_that_its_marketplace_forgot_is_said_to_be_unknown_there(caller: Caller) -> None:
    caller.world.sandbox.world.orders.clear()
    await caller.press()
    assert await caller.read() == []
    assert (await caller.look())["state"] == "unknown_there"
    assert "the marketplace did not know it" in (await caller.press())["then"]


@pytest.mark.parametrize(
    ("change", "slug", "to_do"),
    [
        ({"state": ConnectionState.PAUSED}, "connection-not-active", "Resume the connection"),
        ({"state": ConnectionState.INACTIVE}, "connection-not-active", "Activate the connection"),
        (
            {"settings": HubSettings(orders=ImportSettings(), capabilities_off=("orders",))},
            "connection-not-polled",
            "switched off",
        ),
        ({"connector": "not_installed"}, "connection-not-polled", "cannot"),
        ({"connector": "quiet"}, "order-not-read-alone", "/v1/pollers/{}/run"),
    ],
)
async def test_an_order_that_cannot_be_read_is_refused_with_what_to_do(
    caller: Caller, quiet: Any, change: dict[str, Any], slug: str, to_do: str
) -> None:
    await caller.world.tell(caller.world.connection(connection_id=caller.connection_id, **change))
    problem = assert_problem(await call(caller.world, "POST", caller.path), 409, slug)
    assert to_do.format(caller.connection_id) in problem["detail"]
    assert await caller.state() is None


async def test_an_invented_order_has_no_marketplace_to_ask(caller: Caller) -> None:
    await feed(caller.world, wish(caller.world, caller.connection_id))
    invented: UUID = await caller.world.value("SELECT order_id FROM orders WHERE is_test")
    assert_problem(await call(caller.world, "POST", f"/v1/orders/{invented}/read"), 409, "order-invented")
    assert await caller.state() is None


async def test_strangers_viewers_and_unknown_orders(make_world: Any) -> None:
    world = await make_world(operator_tokens=f"v:viewer:{hash_token('see')},o:operator:{hash_token('act')}")
    path = f"/v1/orders/{uuid4()}/read"
    assert_problem(await call(world, "POST", path, "see"), 403, "role-too-low")
    assert_problem(await call(world, "POST", path, "wrong"), 401, "unauthorised")
    for method in ("POST", "GET"):
        assert_problem(await call(world, method, path, "act"), 404, "order-unknown")
    assert_problem(await call(world, "GET", path, "see"), 404, "order-unknown")
