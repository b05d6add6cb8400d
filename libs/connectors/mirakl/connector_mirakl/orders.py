"""Listing and reading orders (OR11). Offset pages shift while they are read; this is where an order could get lost.

Three guards: no filter is sent that an order can fall out of while we page (no state, no end of the update window);
each page overlaps the one before, and a page that does not show the overlap restarts the listing at 0; a listing whose
total changed meanwhile is read again. Repeats are harmless, the hub de-duplicates.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Sequence

from connector_kit.capabilities import OrderWindow, RawOrder
from connector_kit.http import BadAnswer
from connector_mirakl.client import MiraklClient
from connector_mirakl.wire import Json, as_object, objects, query_instant, split_list, text

PAGE = 100
"""Mirakl General Notes: offset pagination allows `max` up to 100."""
OVERLAP = 5
"""Rows shared by two pages. Up to so many orders may leave the list between two pages without a fresh start."""
MAX_PASSES = 5
"""A list that keeps moving is read at most so often; then the listing fails and the poller tries again later."""

Query = list[tuple[str, str]]


def window_query(window: OrderWindow) -> Query:
    """Query of a window. The end of the update window is left out: an order updated while we page would leave it."""
    query: Query = []
    if window.updated_from is not None:
        query.append(("start_update_date", query_instant(window.updated_from)))
    if window.created_from is not None:
        query.append(("start_date", query_instant(window.created_from)))
    if window.created_until is not None:
        query.append(("end_date", query_instant(window.created_until, up=True)))
    return query


class OrderReader:
    """Reads orders of one connection."""

    def __init__(self, client: MiraklClient) -> None:
        self._client = client

    async def listing(self, window: OrderWindow) -> AsyncIterator[Sequence[RawOrder]]:
        """Pages of orders not yet given out in this listing, or changed since. Raises `CallError`."""
        query = window_query(window)
        given: set[tuple[str, str]] = set()
        for attempt in range(MAX_PASSES):
            walk = _Walk(self._client, query, first=attempt == 0)
            async for page in walk.pages():
                fresh = [order for order in page if _fingerprint(order) not in given]
                given.update(_fingerprint(order) for order in fresh)
                if fresh:
                    yield fresh
            if walk.stable:
                return
        if walk.broken:
            raise BadAnswer("OR11: the list of orders kept moving while it was read; nothing is assumed complete")

    async def read(self, reference: str, operation: str) -> RawOrder | None:
        """One order through `order_ids` (OR12 is deprecated); None when Mirakl does not show it. Raises `CallError`."""
        answer = await self._client.read(operation, "/api/orders", [("order_ids", reference)])
        for order in _orders(answer.body):
            if order.reference == reference:
                return order
        return None

    async def read_json(self, reference: str, operation: str) -> Json | None:
        """One order parsed, for probes."""
        answer = await self._client.read_object(operation, "/api/orders", [("order_ids", reference)])
        for order in objects(answer.get("orders")):
            if text(order.get("order_id")) == reference:
                return order
        return None


class _Walk:
    """One pass over the list from offset 0 to its end."""

    def __init__(self, client: MiraklClient, query: Query, *, first: bool) -> None:
        self._client = client
        self._query = query
        self._first = first
        self._totals: set[int] = set()
        self.broken = False

    @property
    def stable(self) -> bool:
        return not self.broken and len(self._totals) <= 1

    async def pages(self) -> AsyncIterator[list[RawOrder]]:
        offset = 0
        previous: list[RawOrder] = []
        while True:
            page, total = await self._page(offset)
            self._totals.add(total)
            yield page
            if previous and not _overlap(previous, page):
                self.broken = True
                return
            end = offset + len(page)
            if len(page) < PAGE and end >= total:
                return
            if len(page) <= OVERLAP:
                self.broken = bool(total > end)
                return
            previous, offset = page, end - OVERLAP

    async def _page(self, offset: int) -> tuple[list[RawOrder], int]:
        operation = "list_orders" if self._first and offset == 0 else "list_orders_page"
        paging = [("max", str(PAGE)), ("offset", str(offset)), ("sort", "dateCreated"), ("order", "asc")]
        answer = await self._client.read(operation, "/api/orders", [*self._query, *paging])
        total = as_object(answer.json(), "OR11").get("total_count")
        orders = _orders(answer.body)
        return orders, total if isinstance(total, int) else offset + len(orders)


def _overlap(previous: Sequence[RawOrder], page: Sequence[RawOrder]) -> bool:
    """Whether a page shows the end of the one before it, so that nothing slipped between the two.

    One row of the overlap is enough. OR11 sorts by creation date and then by order id, which never change, and a page
    is a run of rows without gaps: an order that stays in the list and sorts after that row is in this page or a later
    one; one that sorts before it was in an earlier page. What enters the list behind us was updated after the listing
    began, so the next window, which starts no later than this listing did, shows it.
    """
    tail = {_identity(order) for order in previous[-OVERLAP:]}
    return any(_identity(order) in tail for order in page)


def _orders(body: bytes) -> list[RawOrder]:
    return [RawOrder(reference=reference_of(element), body=element) for element in split_list(body, "orders")]


def _identity(order: RawOrder) -> str | bytes:
    """What a row is recognised by; one without a readable reference by its bytes."""
    return order.reference or order.body


def reference_of(element: bytes) -> str:
    """Mirakl's order id in the bytes of one order, "" when it cannot be read."""
    order = json.loads(element)
    return (text(order.get("order_id")) or "") if isinstance(order, dict) else ""


def _fingerprint(order: RawOrder) -> tuple[str, str]:
    return order.reference, hashlib.sha256(order.body).hexdigest()
