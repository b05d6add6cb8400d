"""From a list of events to calls of handlers: as few calls as possible without ever swapping two events of one key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from hub_common.tx import Tx
from hub_contracts.base import EventData
from hub_contracts.envelope import Event

Handler = Callable[[Tx, Sequence[Event[Any]]], Awaitable[None]]
Routes = Mapping[type[EventData], Handler | tuple[Handler, ...]]
"""A service's routing table: which handlers an event type calls, in order."""


def stages(events: Sequence[Event[EventData]]) -> Iterator[tuple[type[EventData], list[Event[EventData]]]]:
    """Group events into calls `(type, events)` such that for each key the order of events is kept.

    An event goes to the earliest stage at or after that of its key's previous event in which its type comes no
    earlier; in the common case of one event per key all events of a type are one call.
    """
    position: dict[str, tuple[int, int]] = {}
    buckets: list[dict[type[EventData], list[Event[EventData]]]] = []
    for event in events:
        kind = type(event.data)
        stage, slot = position.get(event.key, (0, 0))
        while True:
            if stage == len(buckets):
                buckets.append({})
            order = list(buckets[stage])
            if kind not in buckets[stage]:
                buckets[stage][kind] = []
                order.append(kind)
            if order.index(kind) >= slot:
                break
            stage, slot = stage + 1, 0
        buckets[stage][kind].append(event)
        position[event.key] = (stage, order.index(kind))
    for bucket in buckets:
        yield from bucket.items()


def merge_routes(*tables: Routes) -> dict[type[EventData], tuple[Handler, ...]]:
    """One table from several (the runtime's own and the service's); earlier tables run first."""
    merged: dict[type[EventData], tuple[Handler, ...]] = {}
    for table in tables:
        for kind, handlers in table.items():
            merged[kind] = merged.get(kind, ()) + (handlers if isinstance(handlers, tuple) else (handlers,))
    return merged


async def dispatch(
    routes: Mapping[type[EventData], tuple[Handler, ...]], tx: Tx, events: Sequence[Event[EventData]]
) -> None:
    """Call the handlers for these events, inside the open transaction."""
    for kind, group in stages(events):
        tx.heard = {event.key: event.meta for event in group}
        if tx.spans is not None:
            tx.spans.hear(group)
        for handler in routes.get(kind, ()):
            await handler(tx, group)
