"""Offset paging against a list that changes between two pages, in both directions, at random.

What is proven: an order that is in the list during the whole listing is given out, or the listing fails. An order that
enters behind the reader was updated after the listing began and belongs to the next window.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from connector_kit.capabilities import ConnectionContext, OrderWindow
from connector_kit.http import Answer, BadAnswer, Call
from connector_mirakl.connector import CONNECTOR
from hub_contracts.orders import Environment

from .asgi_caller import START, ManualClock
from .stage import Stage


class MovingList:
    """OR11 as Mirakl describes it: a run of rows of a list sorted by creation date, then id. After each page the list
    changes as planned."""

    def __init__(self, rows: list[int], changes: list[tuple[set[int], set[int]]]) -> None:
        self.rows = set(rows)
        self.stable = set(rows)
        self._changes = list(changes)

    async def call(self, call: Call) -> Answer:
        params = dict(call.params)
        offset, size = int(params["offset"]), int(params["max"])
        rows = sorted(self.rows)
        page = [{"order_id": f"{row:06d}"} for row in rows[offset : offset + size]]
        body = json.dumps({"orders": page, "total_count": len(rows)}).encode()
        if self._changes:
            leave, enter = self._changes.pop(0)
            self.rows = (self.rows - leave) | enter
            self.stable -= leave
        return Answer(200, {"content-type": "application/json"}, body)


async def listed(outside: Any) -> set[str]:
    context = ConnectionContext(
        connection_id=UUID(int=1),
        tenant="t",
        environment=Environment.SANDBOX,
        settings={},
        credentials={"api_key": SecretStr("a-key")},
        http=outside,
        clock=ManualClock(),
    )
    connection = CONNECTOR.connect(context)
    return {order.reference async for page in connection.list_orders(OrderWindow()) for order in page}


@st.composite
def moving(draw: st.DrawFn) -> MovingList:
    count = draw(st.integers(min_value=0, max_value=450))
    rows = list(range(0, 2 * count, 2))
    changes: list[tuple[set[int], set[int]]] = []
    for _ in range(draw(st.integers(min_value=0, max_value=12))):
        start = draw(st.integers(min_value=0, max_value=max(2 * count, 1)))
        length = draw(st.sampled_from((0, 1, 3, 4, 5, 6, 20, 130)))
        inward = draw(st.integers(min_value=0, max_value=max(2 * count, 1)))
        entering = draw(st.sampled_from((0, 1, 3, 5, 6, 20, 130)))
        if draw(st.booleans()):
            entering = length
        changes.append((set(range(start, start + 2 * length)), {inward + 2 * k + 1 for k in range(entering)}))
    return MovingList(rows, changes)


@settings(max_examples=300, deadline=None)
@given(moving())
def test_orders_that_stay_are_listed_whatever_moves_around_them(outside: MovingList) -> None:
    try:
        found = asyncio.run(listed(outside))
    except BadAnswer:
        return
    missing = {f"{row:06d}" for row in outside.stable} - found
    assert missing == set()


@pytest.mark.parametrize("count", [1, 4, 5, 6, 20])
@pytest.mark.parametrize("enters_at", [101, 301])
async def test_as_many_leave_as_enter_and_the_total_betrays_nothing(count: int, enters_at: int) -> None:
    """The second page begins after orders of the first left, and as many entered before or behind its beginning."""
    leave, enter = set(range(100, 100 + 2 * count, 2)), set(range(enters_at, enters_at + 2 * count, 2))
    outside = MovingList(list(range(0, 500, 2)), [(leave, enter)])
    assert {f"{row:06d}" for row in outside.stable - leave} <= await listed(outside)


async def test_rows_without_a_readable_reference_are_recognised_by_their_bytes() -> None:
    """Twenty of 250 leave after the first page and twenty enter at the end: the pages no longer join."""
    rows = [f"C{number}" for number in range(250)]
    bodies: list[bytes] = []

    class Nameless:
        async def call(self, call: Call) -> Answer:
            offset = int(dict(call.params)["offset"])
            page = [{"order_id": None, "commercial_id": row} for row in rows[offset : offset + 100]]
            body = json.dumps({"orders": page, "total_count": len(rows)}).encode()
            if len(rows) == 250 and rows[0] == "C0":
                rows[:] = [*rows[20:], *(f"D{number}" for number in range(20))]
            bodies.append(body)
            return Answer(200, {}, body)

    assert await listed(Nameless()) == {""}
    assert all(any(f'"C{number}"'.encode() in body for body in bodies) for number in range(250))


async def test_an_old_order_updated_behind_the_reader_pushes_rows_on_and_none_is_lost(stage: Stage) -> None:
    """Rows move right: the touched order enters the window at its old place, before the offset."""
    old = stage.orders(30, lines=1, created_at=START - timedelta(days=9))
    for reference in old:
        stage.simulator.world.orders[reference].updated = START - timedelta(days=9)
    fresh = stage.orders(250, lines=1)

    def touch(call: Call) -> None:
        if call.operation == "list_orders_page" and old:
            for reference in old[:7]:
                stage.simulator.world.orders[reference].touch(stage.clock.now())
            del old[:7]

    stage.http.before = touch
    found = {order.reference for order in await stage.listed(OrderWindow(updated_from=START - timedelta(hours=1)))}
    assert set(fresh) <= found
    later = {order.reference for order in await stage.listed(OrderWindow(updated_from=START))}
    assert found <= later


async def test_orders_leaving_the_creation_window_pull_rows_back_and_none_is_lost(stage: Stage) -> None:
    """Rows move left: an operator's clean-up takes orders of the first page out of the list."""
    references = stage.orders(260, lines=1)
    taken = references[:40]

    def clean(call: Call) -> None:
        if call.operation == "list_orders_page":
            for reference in taken:
                stage.simulator.world.orders.pop(reference, None)

    stage.http.before = clean
    assert set(references) - set(taken) <= {order.reference for order in await stage.listed()}
