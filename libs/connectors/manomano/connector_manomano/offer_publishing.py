"""Creates offers and states them whole (PUT, at most 20 in a call).

The call replaces: what it does not state is gone. Price and quantity are therefore read and stated again where the
request leaves them open, and what can be neither read nor guessed must be in the request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from connector_kit.capabilities import MappingError
from connector_kit.http import Answer, BadAnswer, CallError, NotSent
from connector_kit.offers import MarketplaceOffer, Problem, PublishOffer
from connector_kit.outcome import Outcome, OutcomeState, ProbeResult, ProbeState
from connector_manomano.answers import code_of
from connector_manomano.batches import Delivery
from connector_manomano.client import ATTENTION_SECONDS, KEY_REFUSED, QUOTA_SECONDS, error_text
from connector_manomano.manifest import OFFERS_PER_PUT
from connector_manomano.offer_reading import errors_of, read_offer
from connector_manomano.offer_rules import ECO, check_offer, own_price, problem_from
from connector_manomano.offers import Offers, discount_holds
from hub_contracts.base import Money

READING = "read_offers_for_publishing"


def listed(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """Problems as JSON, for an outcome's answer."""
    return [problem.model_dump(mode="json") for problem in problems]


class Publishes(Offers):
    """Capability `publish_offers`."""

    def check_offer(self, request: PublishOffer) -> Sequence[Problem]:
        """Pure; see `offer_rules.check_offer`."""
        return check_offer(request, self.settings)

    async def publish_offers(self, requests: Sequence[PublishOffer]) -> Sequence[Outcome]:
        """Create or replace offers; `withdraw` sets the stock to 0, since there is no call that deletes an offer.

        Repeating states the same again, so a doubt is answered by sending again. A refusal's answer lists `problems`.
        """
        outcomes: dict[int, Outcome] = {}
        checked = [self.check_offer(request) for request in requests]
        for at, problems in enumerate(checked):
            errors = [problem for problem in problems if problem.severity == "error"]
            if errors:
                outcomes[at] = _refused(errors)
        gone = [at for at, request in enumerate(requests) if request.withdraw and at not in outcomes]
        stay = [at for at, request in enumerate(requests) if not request.withdraw and at not in outcomes]
        outcomes |= zip(gone, await self._withdraw([requests[at] for at in gone]), strict=True)
        outcomes |= zip(stay, await self._publish([requests[at] for at in stay]), strict=True)
        return [_with_warnings(outcomes[at], checked[at]) for at in range(len(requests))]

    async def _withdraw(self, requests: Sequence[PublishOffer]) -> list[Outcome]:
        items = [{"sku": request.offer_sku, "stock": {"quantity": 0}} for request in requests]
        return await self.patch("publish_offers", items, [None] * len(items))

    async def _publish(self, requests: Sequence[PublishOffer]) -> list[Outcome]:
        try:
            present = await self._present([each.offer_sku for each in requests if _needs_reading(each)])
        except CallError as error:
            wait = error.retry_after if isinstance(error, NotSent) else None
            failed = Outcome.retry(self.client.hide(f"the present offers could not be read: {error}"), after=wait)
            return [failed for _ in requests]
        bodies = [self._body(request, present.get(request.offer_sku)) for request in requests]
        sound = [body for body in bodies if isinstance(body, dict)]
        skus = [str(body["sku"]) for body in sound]

        async def send(batch: Sequence[int]) -> Answer:
            return await self.client.put_offers([sound[at] for at in batch])

        def read(answer: Answer, batch: Sequence[int]) -> list[Outcome]:
            return self._read_put(answer, [skus[at] for at in batch])

        sent = iter(await Delivery(self.judge(harmless=True), send, read).run(skus, OFFERS_PER_PUT))
        return [next(sent) if isinstance(body, dict) else _refused([body]) for body in bodies]

    async def _present(self, skus: Sequence[str]) -> dict[str, MarketplaceOffer]:
        """The offers as shown now, by SKU; nothing is read when nothing is asked for."""
        found: dict[str, MarketplaceOffer] = {}
        if skus:
            async for page, online in self.offer_pages(READING, list(dict.fromkeys(skus))):
                for offer in page:
                    try:
                        shown = read_offer(offer, self.settings.currency, asked_online=online)
                    except MappingError:
                        continue
                    found.setdefault(shown.offer_sku, shown)
        return found

    def _body(self, request: PublishOffer, present: MarketplaceOffer | None) -> dict[str, Any] | Problem:
        """The offer in ManoMano's words, or what is missing to state it whole."""
        paid, struck = self._asked(request, present)
        quantity = request.quantity if request.quantity is not None or present is None else present.quantity
        if paid is None or quantity is None:
            name = "prices" if paid is None else "quantity"
            return Problem(
                field=name, rule="must be stated: the marketplace shows none to keep", offer_sku=request.offer_sku
            )
        pricing: dict[str, Any] = {"price_vat_included": paid}
        if struck is not None:
            pricing["retail_price_vat_included"] = struck
        shipping: dict[str, Any] = {
            "carrier_grid": [
                {"name": name, "shipping_time_min": least, "shipping_time_max": most}
                for name, least, most in request.carrier_grids
            ]
        }
        if request.weight_kg is not None:
            shipping["display_weight"] = Decimal(request.weight_kg)
        body = {"sku": request.offer_sku, "stock": quantity, "pricing": pricing, "shipping": shipping}
        packaging = {"min_quantity": request.min_order_quantity, "increment": request.package_quantity}
        stated = {name: value for name, value in packaging.items() if value is not None}
        if stated:
            body["packaging"] = stated
        if ECO in request.attributes:
            place = pricing if self.settings.eco_participation_place == "pricing" else body
            place[ECO] = Decimal(request.attributes[ECO])
        return body

    def _asked(self, request: PublishOffer, present: MarketplaceOffer | None) -> tuple[Decimal | None, Decimal | None]:
        """What the buyer pays, and the struck price above it; from the present offer when no price is stated."""
        own = own_price(request)
        if own is None:
            return _paid_and_struck(present.price, present.discount_price) if present else (None, None)
        now = self.context.clock.now()
        holds = discount_holds(now, own.discount_from, own.discount_until)
        return _paid_and_struck(own.price, own.discount_price if holds else None)

    def _read_put(self, answer: Answer, skus: Sequence[str]) -> list[Outcome]:
        """Outcomes of a 2xx answer: the rejects are inside of it, and what is not listed is not known."""
        judge = self.judge(harmless=True)
        try:
            body = answer.json()
        except BadAnswer:
            body = None
        content = body.get("content") if isinstance(body, dict) else None
        if not isinstance(content, list):
            return [judge.unsure(f"HTTP {answer.status} with an unreadable body") for _ in skus]
        entries: dict[str, Any] = {}
        for entry in content:
            if isinstance(entry, dict):
                sku = str(entry.get("sku"))
                # Two verdicts on one offer contradict each other, so neither is believed.
                entries[sku] = {} if sku in entries else entry
        return [
            self._verdict(entries[sku], sku) if sku in entries else judge.unsure("the answer does not list the offer")
            for sku in skus
        ]

    def _verdict(self, entry: dict[str, Any], sku: str) -> Outcome:
        response = entry.get("response")
        code = code_of(response, "status")
        errors = [problem_from(words, sku) for words in self._words(entry.get("errors"))]
        warnings = [problem_from(words, sku, "warning") for words in self._words(entry.get("warnings"))]
        if code is None:
            return self.judge(harmless=True).unsure("the answer lists the offer without a readable status")
        phrase = response.get("reason_phrase") if isinstance(response, dict) else None
        reason = self.client.hide(f"offer {code}: {'; '.join(p.rule for p in errors) or phrase or 'no reason given'}")
        if 200 <= code < 300:
            if errors:
                return Outcome.unknown(reason, retry_if_not_applied=False, problems=listed(errors))
            return Outcome.done(http_code=code, **({"problems": listed(warnings)} if warnings else {}))
        if code in KEY_REFUSED:
            return Outcome.retry(f"{reason}; connection needs attention", after=ATTENTION_SECONDS)
        if code == 429 or code >= 500 or code < 400:
            return Outcome.retry(reason, after=QUOTA_SECONDS if code == 429 else None)
        problems = errors or [problem_from(self.client.hide(str(phrase or f"refused with {code}")), sku)]
        return Outcome.rejected(reason, http_code=code, problems=listed([*problems, *warnings]))

    def _words(self, given: Any) -> list[str]:
        """Errors or warnings as texts; their elements may be texts or objects."""
        return [self.client.hide(each if isinstance(each, str) else error_text(each)) for each in given or () if each]

    async def probe_publish_offer(self, request: PublishOffer, answer: Mapping[str, Any]) -> ProbeResult:
        """Does the marketplace show the offer as stated? Raises `CallError` when it cannot be read."""
        offer = await self.one_offer(READING, request.offer_sku)
        if offer is None:
            state = ProbeState.APPLIED if request.withdraw else ProbeState.NOT_APPLIED
            return ProbeResult(state, "the marketplace shows no offer of this SKU (publication may lag behind)")
        shown = read_offer(offer, self.settings.currency, asked_online=True)
        errors = [problem_from(self.client.hide(words), request.offer_sku) for words in errors_of(offer)]
        if request.withdraw:
            state = ProbeState.APPLIED if shown.quantity == 0 else ProbeState.NOT_APPLIED
            return ProbeResult(state, f"the offer shows stock {shown.quantity}")
        if errors and offer.get("status") == "ERROR":
            words = "; ".join(problem.rule for problem in errors)
            return ProbeResult(ProbeState.REJECTED, f"the offer is in error: {words}", {"problems": listed(errors)})
        asked = self._asked(request, shown)
        there = _paid_and_struck(shown.price, shown.discount_price)
        same = asked == there and request.quantity in (None, shown.quantity)
        evidence = f"the offer shows price {there[0]}, struck price {there[1]}, stock {shown.quantity}"
        return ProbeResult(ProbeState.APPLIED if same else ProbeState.NOT_APPLIED, evidence)


def _needs_reading(request: PublishOffer) -> bool:
    return own_price(request) is None or request.quantity is None


def _paid_and_struck(price: Money | None, discount: Money | None) -> tuple[Decimal | None, Decimal | None]:
    if price is None or discount is None:
        return (price.amount if price else None), None
    return discount.amount, price.amount


def _refused(problems: Sequence[Problem]) -> Outcome:
    reason = "; ".join(f"{problem.field}: {problem.rule}" for problem in problems)
    return Outcome.rejected(reason, problems=listed(problems))


def _with_warnings(outcome: Outcome, problems: Sequence[Problem]) -> Outcome:
    """The outcome with what was left out or could not be kept, where the offer was taken."""
    warnings = [problem for problem in problems if problem.severity == "warning"]
    if not warnings or outcome.state is not OutcomeState.DONE:
        return outcome
    return replace(
        outcome, answer=outcome.answer | {"problems": [*outcome.answer.get("problems", []), *listed(warnings)]}
    )
