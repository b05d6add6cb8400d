"""Reading capabilities as data: how each is read from end to end, and what its items are called."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from connector_kit.capabilities import OrderWindow
from connector_kit.conformance.subject import Held
from connector_kit.manifest import Capability
from connector_kit.reading import ExportState

if TYPE_CHECKING:
    from connector_kit.conformance.world import World

HOUR = timedelta(hours=1)
WAIT_SECONDS = 60
MOST_WAITS = 120
"""Two hours of simulated time: an export that is not ready by then never is."""
UNPAGED = 3
"""How many of a thing that comes in one answer."""


@dataclass(frozen=True)
class Reading:
    """One capability that reads things."""

    name: str
    capability: Capability
    ask: Callable[[World, Sequence[Held], bool], Awaitable[Any]]
    """What reading needs: an instant, SKUs, a ticket. The last argument: everything there is, or these things only."""
    pages: Callable[[World, Any], AsyncIterator[Sequence[Any]]]
    reference: Callable[[Any], str]
    paged: bool = True
    """False: given in one piece, so one that cannot be read may end the whole reading with an error."""
    raw: bool = False
    """Items are handed on as they came and interpreted later."""


async def facts(world: World, reading: Reading, count: int) -> list[Held]:
    """Put things into the simulated outside, with no call counted. Fails with words where nobody says how."""
    made = world.subject.facts.get(reading.name)
    if made is None and reading.name == "order_export":
        return [Held(reference) for reference in world.orders("new", count)]
    if made is None:
        pytest.fail(
            f"the manifest declares {reading.capability.value}: say in Subject.facts[{reading.name!r}] how such things "
            f"come to be at the simulated outside, or in not_applicable['*[{reading.name}]'] why not"
        )
    held = list(await made(world, count))
    world.forget()
    assert len({each.reference for each in held}) >= count, f"Subject.facts[{reading.name!r}] made fewer than {count}"
    return held


def filling(world: World, reading: Reading) -> int:
    """How many things fill three pages."""
    subject = world.subject
    if reading.name in subject.one_page:
        return UNPAGED
    return subject.many_of.get(reading.name, subject.many if reading.paged else UNPAGED)


def comes_in_pages(world: World, reading: Reading) -> bool:
    """Whether one answer does not hold everything."""
    subject = world.subject
    return reading.name not in subject.one_page and (reading.paged or reading.name in subject.many_of)


async def ended(world: World, ticket: str) -> ExportState:
    """The state of an export when it is not pending any more; simulated time passes meanwhile."""
    state = await world.connection.export_state(ticket)
    for _ in range(MOST_WAITS):
        if state is not ExportState.PENDING:
            break
        world.clock.forward(seconds=WAIT_SECONDS)
        state = await world.connection.export_state(ticket)
    return ExportState(state)


async def _since(world: World, held: Sequence[Held], chosen: bool) -> Any:
    return world.subject.start - HOUR if chosen else None


async def _skus(world: World, held: Sequence[Held], chosen: bool) -> Any:
    return [each.reference for each in held] if chosen else []


async def _orders(world: World, held: Sequence[Held], chosen: bool) -> Any:
    orders = list(dict.fromkeys(each.order_reference for each in held))
    assert None not in orders, "Subject.facts['documents'] must name the order of each document"
    return orders or world.orders("new", 1)


async def _ticket(world: World, held: Sequence[Held], chosen: bool) -> Any:
    window = OrderWindow(updated_from=world.subject.start - HOUR) if chosen else OrderWindow()
    ticket = await world.connection.start_export(window)
    state = await ended(world, ticket)
    assert state is ExportState.READY, f"an export in good order ended as {state.value}"
    world.forget()
    return ticket


def _returns(world: World, asked: Any) -> AsyncIterator[Sequence[Any]]:
    return world.connection.list_returns(asked)  # type: ignore[no-any-return]


def _threads(world: World, asked: Any) -> AsyncIterator[Sequence[Any]]:
    return world.connection.list_threads(asked)  # type: ignore[no-any-return]


def _offers(world: World, asked: Any) -> AsyncIterator[Sequence[Any]]:
    return world.connection.list_offers(asked)  # type: ignore[no-any-return]


async def _documents(world: World, asked: Any) -> AsyncIterator[Sequence[Any]]:
    for order in asked:
        yield await world.connection.list_documents(order)


def _export(world: World, asked: Any) -> AsyncIterator[Sequence[Any]]:
    return world.connection.read_export(asked)  # type: ignore[no-any-return]


_ALL = (
    Reading("returns", Capability.RETURNS, _since, _returns, lambda item: str(item.return_reference)),
    Reading("messages", Capability.MESSAGES, _since, _threads, lambda item: str(item.thread_reference)),
    Reading("offers", Capability.OFFERS, _skus, _offers, lambda item: str(item.offer_sku)),
    Reading("documents", Capability.DOCUMENTS, _orders, _documents, lambda item: str(item.document_reference), False),
    Reading("order_export", Capability.ORDER_EXPORT, _ticket, _export, lambda item: str(item.reference), raw=True),
)
READINGS = {reading.name: reading for reading in _ALL}
