"""Stating offers whole: read (OF21), merge, write (OF24, or OF01 for many), and read the report row by row.

An import id proves nothing: a refused row leaves the offer as it was, or missing. And Mirakl may answer with the id of
an earlier import when it takes the request for a repeated one, so the id is only trusted when the import is as young as
the request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from connector_kit.capabilities import MappingError, Now
from connector_kit.http import Answer, BadAnswer, CallError, FilePart, Lane
from connector_kit.offers import Problem, PublishOffer
from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from connector_mirakl.client import MiraklClient
from connector_mirakl.errors import outcome_of_error, outcome_of_refusal
from connector_mirakl.imports import OFFER, ImportBook, ImportResult, judge_import
from connector_mirakl.offer_rules import as_text, offer_problems, with_remedy
from connector_mirakl.offer_settings import OfferSettings
from connector_mirakl.offers import OfferReader, outcome_of_read
from connector_mirakl.price_dates import INSTANTS, DateStyle
from connector_mirakl.pricefile import CannotExpress
from connector_mirakl.publish_file import offer_row, offers_file
from connector_mirakl.publish_merge import differences, merged_offer
from connector_mirakl.wire import Json, as_object, instant, text

CLOCKS_DIFFER = timedelta(minutes=10)
"""An import this much older than our request is not ours; smaller differences may come from two clocks."""


class OfferPublisher:
    """Capability `publish_offers` of one connection."""

    def __init__(
        self, client: MiraklClient, book: ImportBook, offers: OfferReader, settings: OfferSettings, clock: Now
    ) -> None:
        self._client = client
        self._book = book
        self._offers = offers
        self._settings = settings
        self._clock = clock

    def check_offer(self, request: PublishOffer) -> list[Problem]:
        """What the operator would refuse, found before a call is spent on it. Pure."""
        return list(offer_problems(request, self._settings.rules, self._settings.profile))

    async def publish_offers(self, requests: Sequence[PublishOffer]) -> list[Outcome]:
        """State offers whole. Of two requests for one offer the last is sent."""
        outcomes: dict[str, Outcome] = {}
        last = {request.offer_sku: request for request in requests}
        for sku, request in last.items():
            errors = [problem for problem in self.check_offer(request) if problem.severity == "error"]
            if errors:
                outcomes[sku] = _rejected(errors)
        good = {sku: request for sku, request in last.items() if sku not in outcomes}
        try:
            present = await self._offers.read_some(list(good))
        except CallError as error:
            failed = outcome_of_read(error, "the present offers cannot be read")
            outcomes.update(dict.fromkeys(good, failed))
            return [outcomes[request.offer_sku] for request in requests]
        outcomes.update(await self._write(good, present))
        return [outcomes[request.offer_sku] for request in requests]

    async def _write(self, good: Mapping[str, PublishOffer], present: Mapping[str, Json]) -> dict[str, Outcome]:
        outcomes: dict[str, Outcome] = {}
        plain: dict[str, Json] = {}
        rows: dict[str, dict[str, str]] = {}
        many = len(good) >= self._settings.import_threshold
        for sku, request in good.items():
            if request.withdraw and sku not in present:
                outcomes[sku] = Outcome.done(note="Mirakl shows no such offer")
                continue
            try:
                row = offer_row(self._merged(present.get(sku), request, self._settings.dates)) if many else None
                if row is None:
                    plain[sku] = self._merged(present.get(sku), request, INSTANTS)
                else:
                    rows[sku] = row
            except (CannotExpress, MappingError) as error:
                field, _, rule = str(error).partition(": ")
                problem = Problem(field=field, rule=rule, offer_sku=sku)
                outcomes[sku] = _rejected([with_remedy(problem, self._settings.profile)])
        if plain:
            outcomes.update(dict.fromkeys(plain, await self._send_json(list(plain.values()))))
        if rows:
            outcomes.update(dict.fromkeys(rows, await self._send_file(list(rows.values()))))
        return outcomes

    def _merged(self, present: Json | None, request: PublishOffer, dates: DateStyle) -> Json:
        return merged_offer(present, request, dates, keep_discounts=self._settings.keep_discounts)

    async def _send_json(self, offers: Sequence[Json]) -> Outcome:
        call = self._client.send(
            "publish_offer", "POST", "/api/offers", json={"offers": list(offers)}, idempotent=True, lane=Lane.STOCK
        )
        try:
            return self._taken(await call)
        except CallError as error:
            return outcome_of_error(error, idempotent=True)

    async def _send_file(self, rows: Sequence[Mapping[str, str]]) -> Outcome:
        parts = [FilePart("file", offers_file(rows), "offers.csv", "text/csv"), FilePart("import_mode", b"NORMAL")]
        call = self._client.send(
            "import_offers", "POST", OFFER.imports_path, parts=parts, idempotent=True, lane=Lane.STOCK
        )
        try:
            return self._taken(await call)
        except CallError as error:
            return outcome_of_error(error, idempotent=True)

    def _taken(self, answer: Answer) -> Outcome:
        """201 with an import id. The whole offer is stated, so what is unclear may be sent again."""
        if answer.status != 201:
            return outcome_of_refusal(answer, self._client.explain(answer), idempotent=True)
        import_id = text(as_object(answer.json(), "publish_offer").get("import_id"))
        if import_id is None:
            return Outcome.retry("the import was taken without an import_id, so its end could not be read")
        sent_at = self._clock.now().isoformat()
        return Outcome.sent(check_after=OFFER.check_seconds, import_id=import_id, sent_at=sent_at)

    async def probe(self, request: PublishOffer, answer: Mapping[str, Any]) -> ProbeResult:
        """How the import ended for this offer; without one of ours, what the offer shows. Raises `CallError`."""
        import_id = text(answer.get("import_id"))
        result = None if import_id is None else await self._book.result(OFFER, import_id)
        if result is not None and not _older(result, answer):
            return judge_import(result, OFFER, request.offer_sku, profile=self._settings.profile)
        shown = await self._offers.read(request.offer_sku)
        try:
            found = differences(shown, request)
        except MappingError as error:
            raise BadAnswer(f"the offer cannot be read: {error}") from None
        if not found:
            return ProbeResult(ProbeState.APPLIED, "Mirakl shows the offer as stated")
        if result is not None:
            why = f"import {import_id} is older than the request and the offer is not as stated: {'; '.join(found)}"
            return ProbeResult(ProbeState.UNDECIDED, why[:500])
        return ProbeResult(ProbeState.NOT_APPLIED, "; ".join(found)[:500])


def _older(result: ImportResult, answer: Mapping[str, Any]) -> bool:
    """Whether the import was made well before the request that is said to have made it."""
    sent_at: datetime | None = instant(answer.get("sent_at"), "sent_at")
    return sent_at is not None and result.created is not None and result.created < sent_at - CLOCKS_DIFFER


def _rejected(problems: Sequence[Problem]) -> Outcome:
    return Outcome.rejected(as_text(problems), problems=[problem.model_dump(mode="json") for problem in problems])
