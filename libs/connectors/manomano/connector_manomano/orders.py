"""Lists and reads orders so that none is lost while the pages shift under the reader.

Paging is by page number only. When an order leaves the listing between two pages, everything behind it moves up and one
order slips through between them. A listing of several pages is therefore read again until a whole reading shows
nothing new; orders already handed out are not handed out twice.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connector_kit.capabilities import MappedOrder, OrderWindow, RawOrder, Verification
from connector_kit.http import Answer, BadAnswer, CallError
from connector_manomano.manifest import MANIFEST, STATUS_MAP
from connector_manomano.mapping import map_order
from connector_manomano.part import Part
from connector_manomano.slices import content_slices
from hub_contracts.status import OPEN, OrderStatus

MAX_READINGS = 10
"""A listing that still shows new orders after so many readings is given up with an error, never ended quietly."""

OPEN_WORDS = tuple(word for word, status in STATUS_MAP.items() if status in OPEN)
"""In the order of an order's life, so that one that moves on while we list is met again in the next status."""

ONE_BY_ONE = tuple(
    word
    for status in STATUS_MAP
    for word in ((status, OrderStatus.SHIPPED.value) if status == OrderStatus.REFUNDING else (status,))
)
"""All words. SHIPPED comes again behind REFUNDING, since a partial refund leads back: an order that takes this step
while we list would be met in neither."""

Params = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing."""

    orders: list[RawOrder]
    last: bool
    counted: bool
    """The answer told how many pages there are."""


def _stamp(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _filters(window: OrderWindow) -> Params:
    """Query of a window in whole seconds, rounded outwards: more is harmless, less would lose an order."""
    found: Params = []
    for name, instant in (("created_at_start", window.created_from), ("status_updated_at_start", window.updated_from)):
        if instant is not None:
            found.append((name, _stamp(instant)))
    for name, instant in (("created_at_end", window.created_until), ("status_updated_at_end", window.updated_until)):
        if instant is not None:
            found.append((name, _stamp(instant + timedelta(seconds=1 if instant.microsecond else 0))))
    return found


def raw_order(body: bytes) -> RawOrder:
    """One order as sent, with its reference where that can be read."""
    try:
        order = json.loads(body)
    except (ValueError, RecursionError):
        order = None
    reference = order.get("order_reference") if isinstance(order, dict) else None
    if isinstance(reference, int) and not isinstance(reference, bool):
        reference = str(reference)
    return RawOrder(reference if isinstance(reference, str) else "", body)


def _count(pagination: Any, name: str) -> int | None:
    value = pagination.get(name) if isinstance(pagination, dict) else None
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_page(answer: Answer, page: int, limit: int) -> Page:
    """Orders of a page and whether it is the last one. Without `pages` a full page is taken for "there is more".

    Raises `BadAnswer` for a page that cannot be read.
    """
    orders = [raw_order(body) for body in content_slices(answer.body)]
    try:
        pagination = answer.json().get("pagination")
    except RecursionError:
        raise BadAnswer("the answer is nested too deeply") from None
    pages = _count(pagination, "pages")
    if pages is None:
        return Page(orders, len(orders) < (_count(pagination, "limit") or limit), False)
    return Page(orders, page >= pages, True)


class Orders(Part):
    """Capabilities `orders` and `verify`."""

    def list_orders(self, window: OrderWindow) -> AsyncIterator[Sequence[RawOrder]]:
        """Orders of a window, in any status. A window without any bound asks for what is open, status by status.

        Raises `CallError`; `NotSent` carries the wait after a 429. Whoever gets an error must ask again from the start.
        """
        return self._list(window)

    async def _list(self, window: OrderWindow) -> AsyncIterator[Sequence[RawOrder]]:
        filters = _filters(window)
        words: Sequence[str | None] = (None,)
        if not filters:
            words = OPEN_WORDS
        elif self.settings.list_by_status:
            words = ONE_BY_ONE
        seen: set[str | bytes] = set()
        for word in words:
            query = filters if word is None else [("status", word), *filters]
            async for fresh in self._settled(query, seen):
                yield fresh

    async def _settled(self, query: Params, seen: set[str | bytes]) -> AsyncIterator[list[RawOrder]]:
        """Read one listing until it is certain that nothing slipped through."""
        for reading in range(MAX_READINGS):
            found_new, page, last = False, 0, False
            before: list[RawOrder] = []
            while not last:
                page += 1
                got = await self._page(query, page)
                # Without a page count nothing else ends a listing whose pages are all the same full one.
                last = got.last or (not got.counted and got.orders == before)
                before = got.orders
                for order in got.orders:
                    self.fulfilled_there.note(order)
                fresh = [order for order in got.orders if (order.reference or order.body) not in seen]
                seen.update(order.reference or order.body for order in fresh)
                if fresh:
                    found_new = True
                    yield fresh
            if page == 1 or (reading > 0 and not found_new):
                return
        raise BadAnswer(f"the listing kept shifting through {MAX_READINGS} readings")

    async def _page(self, query: Params, page: int) -> Page:
        limit = self.settings.page_limit
        params = [*query, ("page", str(page)), ("limit", str(limit))]
        answer = await self.client.list_orders("list_orders", params)
        if answer.status == 404:
            raise BadAnswer(f"HTTP 404: {self.client.explain(answer)}")
        return read_page(answer, page, limit)

    async def read_order(self, reference: str) -> RawOrder | None:
        """One order, None when the connection's contract does not hold it. Raises `CallError`."""
        return await self.fetch("read_order", reference)

    async def fetch(self, operation: str, reference: str) -> RawOrder | None:
        """Read one order on the budget of `operation`; accepts `content` as an object and as a list."""
        answer = await self.client.one_order(operation, reference)
        if answer.status == 404:
            return None
        found = [raw_order(body) for body in content_slices(answer.body)]
        for order in found:
            if order.reference == reference:
                self.fulfilled_there.note(order)
                return order
        if found:
            raise BadAnswer("the answer is about another order than the one asked for")
        return None

    def map_order(self, raw: RawOrder) -> MappedOrder:
        """Pure; see `mapping.map_order`."""
        return map_order(
            raw,
            connection_id=self.context.connection_id,
            environment=self.context.environment,
            settings=self.settings,
        )

    async def verify(self) -> Verification:
        """List one order: proves key and contract and changes nothing."""
        try:
            answer = await self.client.list_orders("verify", [("page", "1"), ("limit", "1")])
            if answer.status != 200:
                return Verification(False, f"HTTP {answer.status}: {self.client.explain(answer)}")
            content_slices(answer.body)
        except CallError as error:
            return Verification(False, self.client.hide(str(error)) + self._hours())
        return Verification(True, f"key and contract {self.settings.contract} accepted")

    def _hours(self) -> str:
        for entry in MANIFEST.environments:
            if entry.environment == self.context.environment and entry.opening_hours:
                return f" (this environment is open {entry.opening_hours})"
        return ""
