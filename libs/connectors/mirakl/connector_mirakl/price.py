"""Prices of offers (PRI01). The import deletes every price of a listed offer that the file does not carry.

So the offer is read first (OF21) and its other prices are sent along: other channels, planned periods, volume prices.
Prices that the file cannot express (for one customer or group) would be deleted; such an offer is rejected instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from connector_kit.capabilities import MappingError
from connector_kit.http import BadAnswer, CallError
from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from connector_kit.requests import SetPrice
from connector_mirakl.client import MiraklClient, Unavailable
from connector_mirakl.csvfile import write_csv
from connector_mirakl.errors import ATTENTION_SECONDS, outcome_of_error
from connector_mirakl.imports import PRICE, ImportBook, judge_import
from connector_mirakl.offers import OfferReader
from connector_mirakl.pricefile import CannotExpress, PriceRow, file_columns, merged_rows, read_rows
from connector_mirakl.stock import send_file
from connector_mirakl.wire import Json, amount, text

MAX_PRICES = 50
"""Mirakl PRI01: at most 50 prices per offer."""


class PricePusher:
    """Capability `price` of one connection."""

    def __init__(self, client: MiraklClient, book: ImportBook, offers: OfferReader) -> None:
        self._client = client
        self._book = book
        self._offers = offers

    async def set_price(self, requests: Sequence[SetPrice]) -> list[Outcome]:
        """Send all prices as one import; the lines of one offer stand together."""
        by_sku: dict[str, list[int]] = {}
        for index, request in enumerate(requests):
            by_sku.setdefault(request.offer_sku, []).append(index)
        outcomes: dict[int, Outcome] = {}
        ready: dict[str, list[PriceRow]] = {}
        for sku, indexes in by_sku.items():
            rows = await self._full_set(sku, [requests[index] for index in indexes])
            if isinstance(rows, Outcome):
                outcomes.update(dict.fromkeys(indexes, rows))
            else:
                ready[sku] = rows
        if ready:
            sent = await self._import(ready)
            outcomes.update({index: sent for sku in ready for index in by_sku[sku]})
        return [outcomes[index] for index in range(len(requests))]

    async def _full_set(self, sku: str, requests: Sequence[SetPrice]) -> list[PriceRow] | Outcome:
        """Every price of the offer with ours put in, or why it cannot be sent."""
        try:
            offer = await self._offers.read(sku)
            if offer is None:
                return Outcome.rejected("offer_sku: Mirakl shows no such offer")
            rows = merged_rows(read_rows(offer), requests)
        except CannotExpress as error:
            return Outcome.rejected(str(error))
        except MappingError as error:
            return Outcome.rejected(f"the offer's present prices cannot be read: {error}")
        except Unavailable as error:
            wait = ATTENTION_SECONDS if error.status in (401, 403) else error.retry_after
            return Outcome.retry(f"the offer's present prices cannot be read: {error}", after=wait)
        except CallError as error:
            return outcome_of_error(error, idempotent=True)
        currency = text(offer.get("currency_iso_code"))
        other = next((r.price.currency for r in requests if currency not in (None, r.price.currency)), None)
        if other is not None:
            return Outcome.rejected(f"price: is in {other}, the offer is in {currency}")
        if len(rows) > MAX_PRICES:
            return Outcome.rejected(f"price: the offer would have {len(rows)} prices, {MAX_PRICES} are allowed")
        return rows

    async def _import(self, ready: Mapping[str, list[PriceRow]]) -> Outcome:
        columns = file_columns([row for rows in ready.values() for row in rows])
        lines = [[row.cell(sku, column) for column in columns] for sku, rows in ready.items() for row in rows]
        content = write_csv(columns, lines)
        return await send_file(
            self._client, "set_price", PRICE.imports_path, "prices.csv", content, PRICE.check_seconds
        )

    async def probe_price(self, request: SetPrice, answer: Mapping[str, Any]) -> ProbeResult:
        """How the import ended for this offer; without an import, what the offer shows. Raises `CallError`."""
        import_id = text(answer.get("import_id"))
        if import_id is not None:
            result = await self._book.result(PRICE, import_id)
            if result is not None:
                return judge_import(result, PRICE, request.offer_sku)
        offer = await self._offers.read(request.offer_sku)
        if offer is None:
            return ProbeResult(ProbeState.UNDECIDED, "Mirakl does not show the offer")
        shown = shown_price(offer, request.channel)
        state = ProbeState.APPLIED if shown == request.price.amount else ProbeState.NOT_APPLIED
        return ProbeResult(state, f"the offer shows price {shown}")


def shown_price(offer: Json, channel: str | None) -> Decimal | None:
    """Undiscounted price of an offer, for a channel or for all. Raises `BadAnswer` for amounts that are no numbers."""
    try:
        for row in read_rows(offer):
            if row.channels == ((channel,) if channel else ()) and not row.start and not row.end:
                return row.price
        return amount(offer.get("price"), "price") if channel is None else None
    except (MappingError, CannotExpress) as error:
        raise BadAnswer(f"the offer's prices cannot be read: {error}") from None
