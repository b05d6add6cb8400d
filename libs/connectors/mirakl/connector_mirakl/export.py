"""Orders of the past in bulk (OR13, OR14, OR15), without spending the calls that new orders need.

The files are fetched from the connection's own address, whatever host OR14 names: an answer must never decide where
the API key is sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

from connector_kit.capabilities import Now, OrderWindow, RawOrder
from connector_kit.http import BadAnswer, Lane
from connector_kit.reading import ExportState
from connector_mirakl.client import MiraklClient, Unavailable
from connector_mirakl.orders import reference_of
from connector_mirakl.wire import Json, as_object, query_instant, split_list, text

STATES = {
    "PENDING": ExportState.PENDING,
    "COMPLETED": ExportState.READY,
    "FAILED": ExportState.FAILED,
    "CANCELED": ExportState.FAILED,
}
"""Mirakl OR14. Another word is an answer that cannot be understood: asking again later is safe."""
EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
"""Start of a window that names only its end: before any Mirakl order (the platform is younger)."""
MEGABYTES_PER_FILE = 10
"""The least that OR13 takes: a file is read as one answer, and the runtime's answers are limited."""


def export_body(window: OrderWindow, now: datetime) -> Json:
    """OR13's body. A window of dates needs both its ends there, so a missing one is now, or before all orders."""
    created = (window.created_from, window.created_until)
    updated = (window.updated_from, window.updated_until)
    if created == (None, None) and updated == (None, None):
        created = (EARLIEST, now)
    body: Json = {"megabytes_per_chunk": MEGABYTES_PER_FILE}
    for (start, end), names in ((created, ("start_date", "end_date")), (updated, _UPDATED)):
        if start is not None or end is not None:
            body[names[0]] = query_instant(start or EARLIEST)
            body[names[1]] = query_instant(end or now, up=True)
    return body


_UPDATED = ("start_update_date", "end_update_date")


class OrderExport:
    """Capability `order_export` of one connection. Mirakl works on one export per shop at a time."""

    def __init__(self, client: MiraklClient, clock: Now) -> None:
        self._client = client
        self._clock = clock

    async def start(self, window: OrderWindow) -> str:
        """OR13. Raises `CallError`, also while another export of the shop is being worked on."""
        body = export_body(window, self._clock.now())
        answer = await self._client.send(
            "start_export", "POST", "/api/orders/async-export", json=body, idempotent=True, lane=Lane.BULK
        )
        if answer.status != 200:
            raise Unavailable(self._client.explain(answer), answer.retry_after)
        ticket = text(as_object(answer.json(), "OR13").get("tracking_id"))
        if ticket is None:
            raise BadAnswer("OR13: the answer has no tracking_id")
        return ticket

    async def state(self, ticket: str) -> ExportState:
        """OR14. An export that Mirakl does not know (any more) will never be ready. Raises `CallError`."""
        try:
            told = await self._status(ticket)
        except Unavailable as error:
            if error.status != 404:
                raise
            return ExportState.FAILED
        status = text(told.get("status")) or ""
        if status not in STATES:
            raise BadAnswer(f"OR14: the status {status[:60]!r} is not known")
        return STATES[status]

    async def read(self, ticket: str) -> AsyncIterator[Sequence[RawOrder]]:
        """OR15, file by file. Raises `CallError`; an export without its files is never an empty one."""
        told = await self._status(ticket)
        urls = told.get("urls")
        if text(told.get("status")) != "COMPLETED" or not isinstance(urls, list):
            raise BadAnswer("OR14: the export shows no files")
        for url in urls:
            parts = urlsplit(str(url))
            if not parts.path.startswith("/"):
                raise BadAnswer("OR14: the address of a file has no path")
            params = parse_qsl(parts.query, keep_blank_values=True)
            answer = await self._client.read("read_export", parts.path, params, lane=Lane.BULK)
            orders = [RawOrder(reference_of(body), body) for body in split_list(answer.body, "orders")]
            if orders:
                yield orders

    async def _status(self, ticket: str) -> Json:
        path = f"/api/orders/async-export/status/{quote(ticket, safe='')}"
        return await self._client.read_object("export_state", path, lane=Lane.BULK)
