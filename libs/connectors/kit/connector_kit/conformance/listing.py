"""Cases of reading: no order is lost, whatever happens to the pages; an error is never taken for the end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from connector_kit.capabilities import OrderWindow
from connector_kit.conformance.base import CaseBase
from connector_kit.conformance.kinds import answer_order
from connector_kit.conformance.subject import Subject
from connector_kit.conformance.troubles import JSON, PAGE, echo
from connector_kit.conformance.world import World
from connector_kit.http import Answer, Call, CallError
from connector_kit.manifest import Capability
from connector_kit.testing.interference import Trouble

HOUR = timedelta(hours=1)
WINDOWS: dict[str, Callable[[World], OrderWindow]] = {
    "unbounded": lambda world: OrderWindow(),
    "updated": lambda world: OrderWindow(updated_from=world.subject.start - HOUR),
    "updated_between": lambda world: OrderWindow(
        updated_from=world.subject.start - HOUR, updated_until=world.subject.start + HOUR
    ),
    "created": lambda world: OrderWindow(
        created_from=world.subject.start - 24 * HOUR, created_until=world.subject.start + HOUR
    ),
}
ERRORS: dict[str, tuple[Trouble, Answer | Callable[[Call], Answer] | None]] = {
    "http_429": (Trouble.ANSWER_INSTEAD, Answer(429, {**JSON, "retry-after": "37"}, b"{}")),
    "http_500": (Trouble.ANSWER_INSTEAD, Answer(500, JSON, b'{"message": "internal error"}')),
    "http_401": (Trouble.ANSWER_INSTEAD, echo(401)),
    "http_302": (Trouble.ANSWER_INSTEAD, Answer(302, {"location": "https://example.invalid/"}, b"")),
    "page": (Trouble.ANSWER_INSTEAD, PAGE),
    "half_json": (Trouble.ANSWER_INSTEAD, Answer(200, JSON, b'{"orders": [{"id"')),
    "no_answer": (Trouble.LOST_REQUEST, None),
    "not_sent": (Trouble.NOT_SENT, None),
}


class ListingCases(CaseBase):
    """Reading orders."""

    @pytest.mark.parametrize("window", WINDOWS)
    async def test_every_order_is_listed(self, world: World, window: str) -> None:
        """More orders than two pages hold: each at least once, none lost."""
        made = world.orders("new", world.subject.many)
        listed = await world.listed(WINDOWS[window](world))
        missing = set(made) - {order.reference for order in listed}
        assert not missing, f"{len(missing)} of {len(made)} orders are not in the listing"
        assert len(world.http.calls) >= 3, "one or two calls listed them all: Subject.many does not fill three pages"

    async def test_empty_listing_ends(self, world: World) -> None:
        """No orders, no error."""
        assert await world.listed(OrderWindow(updated_from=world.subject.start)) == []

    async def test_no_order_is_lost_while_others_come(self, world: World) -> None:
        """New orders push rows on: rows seen twice are fine, rows not seen are not."""
        made = world.orders("new", world.subject.many)
        option = world.subject.created_at_option
        late = {} if option is None else {option: world.subject.start - HOUR / 2}

        def push(call: Call) -> None:
            if 2 <= len(world.http.calls) <= 4:
                world.orders("new", 2, **late)

        world.http.before = push
        listed = await world.listed(OrderWindow(updated_from=world.subject.start - HOUR))
        missing = set(made) - {order.reference for order in listed}
        assert not missing, f"{len(missing)} orders slipped through while others came"

    async def test_no_order_is_lost_while_others_change(self, world: World, subject: Subject) -> None:
        """An order of the first page is answered by somebody else while the second is read."""
        self.require(subject, Capability.ACCEPT)
        made = world.orders("new", world.subject.many)
        other = world.connect()
        first = other.map_order(await world.raw(made[0]))
        world.forget()

        async def change(call: Call) -> None:
            if len(world.http.calls) == 2:
                world.clock.forward(seconds=1)
                await other.accept([answer_order(first, accepted=True)])

        world.http.before = change
        listed = await world.listed(OrderWindow(updated_from=world.subject.start - HOUR))
        missing = set(made) - {order.reference for order in listed}
        assert not missing, f"{len(missing)} orders slipped through while one changed"

    @pytest.mark.parametrize("times", [1, 2, None], ids=["once", "twice", "always"])
    async def test_no_order_is_lost_when_pages_shift(self, world: World, times: int | None) -> None:
        """The simulator moves rows between two pages. A list that never rests may end in an error, never in silence."""
        fault = world.subject.faults.page_shift
        assert fault is not None, "name the simulator's fault in FaultNames.page_shift, or say why pages cannot shift"
        made = world.orders("new", world.subject.many)
        world.fault(fault, times=times)
        found: set[str] = set()

        async def read() -> None:
            async for page in world.connection.list_orders(OrderWindow(updated_from=world.subject.start - HOUR)):
                found.update(order.reference for order in page)

        error = await world.error_of(read())
        if error is not None:
            assert times is None, f"gave up although the pages shifted {times} times only: {error!r}"
            assert isinstance(error, CallError), f"raised {error!r}"
            return
        missing = set(made) - found
        assert not missing, f"{len(missing)} orders slipped through between two pages"

    @pytest.mark.parametrize("kind_of_error", ERRORS)
    @pytest.mark.parametrize("at", [0, 1], ids=["first_call", "second_call"])
    async def test_error_is_not_the_end_of_the_list(self, world: World, kind_of_error: str, at: int) -> None:
        """A listing that cannot be read raises `CallError`; a quiet end would lose the rest until somebody notices."""
        world.orders("new", world.subject.many)
        trouble, answer = ERRORS[kind_of_error]
        world.trouble(trouble, answer=answer, skip=at)
        error = await world.error_of(world.listed(OrderWindow(updated_from=world.subject.start - HOUR)))
        assert error is not None, f"{kind_of_error}: the listing ended without an error"
        assert isinstance(error, CallError), f"{kind_of_error}: raised {error!r}"

    @pytest.mark.parametrize("kind_of_error", ERRORS)
    async def test_order_that_cannot_be_read_is_not_unknown(self, world: World, kind_of_error: str) -> None:
        """`read_order` gives None for an order that does not exist, never for an answer that failed."""
        [reference] = world.orders("new", 1)
        trouble, answer = ERRORS[kind_of_error]
        world.trouble(trouble, answer=answer)
        error = await world.error_of(world.connection.read_order(reference))
        assert error is not None, f"{kind_of_error}: read_order ended without an error"
        assert isinstance(error, CallError), f"{kind_of_error}: raised {error!r}"

    async def test_one_order_is_read(self, world: World) -> None:
        """The order as in the listing; None for one that does not exist."""
        made = world.orders("new", 3)
        for reference in made:
            raw = await world.raw(reference)
            assert raw.reference == reference, f"asked for {reference}, got {raw.reference}"
        assert await world.connection.read_order("NOT-THERE-0") is None, "an order that does not exist must be None"
