"""Quantities of offers (STO01). OF24 is never used for stock: it resets every field that is left out.

An import is only taken when 201 comes back; how it ended is read later (STO02, STO03).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector_kit.http import CallError, FilePart, Lane
from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from connector_kit.requests import SetStock
from connector_mirakl.client import MiraklClient
from connector_mirakl.csvfile import write_csv
from connector_mirakl.errors import outcome_of_error, outcome_of_refusal
from connector_mirakl.imports import STOCK, ImportBook, judge_import
from connector_mirakl.offer_settings import OfferSettings
from connector_mirakl.offers import OfferReader
from connector_mirakl.wire import as_object, objects, text

HEADER = ("offer-sku", "quantity", "warehouse-code", "update-delete")
"""Mirakl STO01, one line per offer and warehouse, those of one offer together; empty `update-delete`: update."""


class StockPusher:
    """Capability `stock` of one connection."""

    def __init__(self, client: MiraklClient, book: ImportBook, offers: OfferReader, settings: OfferSettings) -> None:
        self._profile = settings.profile
        self._client = client
        self._book = book
        self._offers = offers

    async def set_stock(self, requests: Sequence[SetStock]) -> list[Outcome]:
        """Send all quantities as one import. Of two values for one offer and warehouse the last is sent."""
        wrong = {i: "quantity: must not be negative" for i, request in enumerate(requests) if request.quantity < 0}
        rows = {
            (request.offer_sku, request.warehouse or ""): str(request.quantity)
            for index, request in enumerate(requests)
            if index not in wrong
        }
        sent = await self._import(rows) if rows else Outcome.rejected("nothing to send")
        return [Outcome.rejected(wrong[i]) if i in wrong else sent for i in range(len(requests))]

    async def _import(self, rows: Mapping[tuple[str, str], str]) -> Outcome:
        first = {sku: at for at, (sku, _) in reversed(list(enumerate(rows)))}
        together = sorted(rows.items(), key=lambda row: first[row[0][0]])
        content = write_csv(HEADER, [(sku, quantity, place, "") for (sku, place), quantity in together])
        return await send_file(self._client, "set_stock", STOCK.imports_path, "stock.csv", content, STOCK.check_seconds)

    async def probe_stock(self, request: SetStock, answer: Mapping[str, Any]) -> ProbeResult:
        """How the import ended for this offer; without an import, what the offer shows. Raises `CallError`."""
        import_id = text(answer.get("import_id"))
        if import_id is not None:
            result = await self._book.result(STOCK, import_id)
            if result is not None:
                return judge_import(result, STOCK, request.offer_sku, request.warehouse, profile=self._profile)
        offer = await self._offers.read(request.offer_sku)
        if offer is None:
            return ProbeResult(ProbeState.UNDECIDED, "Mirakl does not show the offer")
        shown = offer.get("quantity")
        if request.warehouse is not None:
            places = {text(place.get("code")): place.get("quantity") for place in objects(offer.get("warehouses"))}
            shown = places.get(request.warehouse)
        state = ProbeState.APPLIED if shown == request.quantity else ProbeState.NOT_APPLIED
        return ProbeResult(state, f"the offer shows quantity {shown}")


async def send_file(
    client: MiraklClient, operation: str, path: str, filename: str, content: bytes, check_after: float
) -> Outcome:
    """Upload an import file. Absolute values: what is unclear may be sent again."""
    part = FilePart("file", content, filename, "text/csv")
    try:
        answer = await client.send(operation, "POST", path, parts=[part], idempotent=True, lane=Lane.STOCK)
        if answer.status != 201:
            return outcome_of_refusal(answer, client.explain(answer), idempotent=True)
        told = as_object(answer.json(), operation)
    except CallError as error:
        return outcome_of_error(error, idempotent=True)
    import_id = text(told.get("import_id")) or text(told.get("importId"))
    if import_id is None:
        return Outcome.retry("the import was taken without an import_id, so its end could not be read")
    return Outcome.sent(check_after=check_after, import_id=import_id)
