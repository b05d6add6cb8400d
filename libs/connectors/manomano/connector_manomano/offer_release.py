"""Lets feeds overwrite an offer's price and stock again.

Every value that the hub sends is frozen against the seller's automatic feed. A seller who goes back to the feed, or
leaves the hub, would otherwise sell at the last price that the hub sent, for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector_kit.http import Answer
from connector_kit.offers import ReleaseOffer
from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from connector_manomano.batches import Delivery, send_sound
from connector_manomano.client import OFFERS_UNFREEZE
from connector_manomano.offers import Offers

FIELDS = {"price": "PRICE", "stock": "STOCK"}
Chosen = tuple[str, ...]


def _fields(request: ReleaseOffer) -> Chosen:
    """ManoMano's words, each once, always in the same order."""
    return tuple(word for name, word in FIELDS.items() if name in request.fields)


class Releases(Offers):
    """Capability `release_offers`."""

    async def release_offers(self, requests: Sequence[ReleaseOffer]) -> Sequence[Outcome]:
        """Unfreeze values. One call holds SKUs of the same fields. The answer names no SKU, so only reading back tells
        whether an offer existed."""
        return await send_sound(
            [None if request.fields else "fields: at least one of price, stock" for request in requests],
            lambda sound: self._release([requests[at] for at in sound]),
        )

    async def _release(self, requests: Sequence[ReleaseOffer]) -> list[Outcome]:
        groups: dict[Chosen, list[int]] = {}
        for at, request in enumerate(requests):
            groups.setdefault(_fields(request), []).append(at)
        outcomes: dict[int, Outcome] = {}
        for fields, positions in groups.items():
            skus = [requests[at].offer_sku for at in positions]
            outcomes |= zip(positions, await self._unfreeze(fields, skus), strict=True)
        return [outcomes[at] for at in range(len(requests))]

    async def _unfreeze(self, fields: Chosen, skus: Sequence[str]) -> list[Outcome]:
        async def send(batch: Sequence[int]) -> Answer:
            body: dict[str, Any] = {
                "seller_contract_id": self.settings.contract,
                "skus": [skus[at] for at in batch],
                "fields": list(fields),
            }
            return await self.client.call("release_offers", "PATCH", OFFERS_UNFREEZE, body=body, idempotent=True)

        def read(answer: Answer, batch: Sequence[int]) -> list[Outcome]:
            return self.read_results(answer, [skus[at] for at in batch])

        delivery = Delivery(self.judge(harmless=True), send, read)
        return await delivery.run(skus, self.settings.offers_per_call)

    async def probe_release_offer(self, request: ReleaseOffer, answer: Mapping[str, Any]) -> ProbeResult:
        """Does the offer show the values as released? Raises `CallError` when ManoMano cannot be read."""
        offer = await self.one_offer("read_offers_for_publishing", request.offer_sku)
        if offer is None:
            return ProbeResult(ProbeState.UNDECIDED, "the marketplace shows no offer of this SKU")
        shown = {name: offer.get(f"frozen_{name}") for name in request.fields}
        evidence = f"the offer shows {', '.join(f'frozen_{name} {str(value)[:20]}' for name, value in shown.items())}"
        if all(value is False for value in shown.values()):
            return ProbeResult(ProbeState.APPLIED, evidence)
        if any(value is True for value in shown.values()):
            return ProbeResult(ProbeState.NOT_APPLIED, evidence)
        return ProbeResult(ProbeState.UNDECIDED, evidence)
