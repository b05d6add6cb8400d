"""Prices of offers (PRI01). The import deletes every price of a listed offer that the file does not carry.

So the offer is read first (OF21) and the prices that the hub does not state are sent along: other channels, planned
periods, customers, volume prices. An offer whose full set cannot be sent is rejected, because a part would delete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector_kit.capabilities import MappingError
from connector_kit.http import BadAnswer, CallError
from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from connector_kit.requests import SetPrice
from connector_mirakl.client import MiraklClient
from connector_mirakl.csvfile import write_csv
from connector_mirakl.imports import PRICE, ImportBook, judge_import
from connector_mirakl.offer_rules import as_text, price_problems
from connector_mirakl.offer_settings import OfferSettings
from connector_mirakl.offers import OfferReader, outcome_of_read
from connector_mirakl.pricefile import (
    CannotExpress,
    PriceRow,
    file_columns,
    merged_rows,
    price_differences,
    read_rows,
    stated_prices,
)
from connector_mirakl.stock import send_file
from connector_mirakl.wire import text


class PricePusher:
    """Capability `price` of one connection."""

    def __init__(self, client: MiraklClient, book: ImportBook, offers: OfferReader, settings: OfferSettings) -> None:
        self._profile = settings.profile
        self._client = client
        self._book = book
        self._offers = offers
        self._dates = settings.dates
        self._keep_discounts = settings.keep_discounts
        self._channels = settings.rules.channels

    async def set_price(self, requests: Sequence[SetPrice]) -> list[Outcome]:
        """Send all prices as one import. Of two requests for one offer the last is sent, as each states all prices."""
        last = {request.offer_sku: request for request in requests}
        outcomes: dict[str, Outcome] = {}
        ready: dict[str, list[PriceRow]] = {}
        for sku, request in last.items():
            rows = await self._full_set(request)
            if isinstance(rows, Outcome):
                outcomes[sku] = rows
            else:
                ready[sku] = rows
        if ready:
            outcomes.update(dict.fromkeys(ready, await self._import(ready)))
        return [outcomes[request.offer_sku] for request in requests]

    async def _full_set(self, request: SetPrice) -> list[PriceRow] | Outcome:
        """Every price of the offer with ours put in, or why it cannot be sent."""
        prices = stated_prices(request)
        problems = list(price_problems(prices, self._channels))
        if problems:
            return Outcome.rejected(as_text(problems), problems=[p.model_dump(mode="json") for p in problems])
        try:
            offer = await self._offers.read(request.offer_sku)
            if offer is None:
                return Outcome.rejected("offer_sku: Mirakl shows no such offer")
            rows = merged_rows(read_rows(offer), prices, self._dates, keep_discounts=self._keep_discounts)
        except CannotExpress as error:
            return Outcome.rejected(str(error))
        except MappingError as error:
            return Outcome.rejected(f"the offer's present prices cannot be read: {error}")
        except CallError as error:
            return outcome_of_read(error, "the offer's present prices cannot be read")
        currency = text(offer.get("currency_iso_code"))
        if currency not in (None, request.price.currency):
            return Outcome.rejected(f"price: is in {request.price.currency}, the offer is in {currency}")
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
                return judge_import(result, PRICE, request.offer_sku, profile=self._profile)
        offer = await self._offers.read(request.offer_sku)
        if offer is None:
            return ProbeResult(ProbeState.UNDECIDED, "Mirakl does not show the offer")
        try:
            wrong = price_differences(offer, stated_prices(request))
        except MappingError as error:
            raise BadAnswer(f"the offer's prices cannot be read: {error}") from None
        state = ProbeState.NOT_APPLIED if wrong else ProbeState.APPLIED
        return ProbeResult(state, "; ".join(wrong)[:500] or "the offer shows all stated prices")
