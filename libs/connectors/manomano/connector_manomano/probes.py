"""Re-reads an order and says what it proves about an effect in doubt. Never guesses.

ManoMano shows neither parcels nor refunds, only the order's status. Where the status cannot tell, the answer is
UNDECIDED and an operator looks: a second refund or a lost parcel costs more than a minute of a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector_kit.capabilities import MappingError
from connector_kit.outcome import ProbeResult, ProbeState
from connector_kit.requests import RefundOrder, ShipParcel
from connector_manomano.fulfilment import REASON, is_fulfilled_there
from connector_manomano.manifest import STATUS_MAP
from connector_manomano.values import identity, parse, whole
from hub_contracts.status import OrderStatus as S

BEFORE_ANSWER = frozenset({S.WAITING_PAYMENT, S.REMORSE_PERIOD, S.PENDING})
AFTER_ACCEPT = frozenset({S.PREPARATION, S.SHIPPED, S.REFUNDING, S.REFUNDED})
MONEY_BACK = frozenset({S.REFUNDING, S.REFUNDED})


class Seen:
    """What a re-read showed: status word and units per SKU."""

    def __init__(self, body: bytes) -> None:
        try:
            order = parse(body)
        except MappingError:
            order = None
        self._order: Mapping[str, Any] = order if isinstance(order, dict) else {}
        word = self._order.get("status")
        self.status = STATUS_MAP.get(word) if isinstance(word, str) else None
        self.fulfilled_there = is_fulfilled_there(self._order)
        self.evidence = f"the order shows status {str(word)[:60]!r}"

    def units(self) -> dict[str, int] | None:
        """Ordered units per SKU, None when they cannot be read."""
        found: dict[str, int] = {}
        try:
            for product in self._order["products"]:
                sku = identity(product.get("seller_sku"), "seller_sku")
                found[sku] = found.get(sku, 0) + whole(product.get("quantity"), "quantity")
        except (MappingError, KeyError, TypeError, AttributeError):
            return None
        return found or None


GONE = ProbeResult(ProbeState.UNDECIDED, "the marketplace does not show the order under this contract")


def _say(state: ProbeState, seen: Seen, why: str) -> ProbeResult:
    return ProbeResult(state, f"{seen.evidence}: {why}", {"status": seen.status.value if seen.status else None})


def accept_shown(seen: Seen) -> ProbeResult:
    """Accepting leads from PENDING to PREPARATION, so that or anything later proves it."""
    if seen.fulfilled_there:
        return _say(ProbeState.REJECTED, seen, REASON)
    if seen.status in AFTER_ACCEPT:
        return _say(ProbeState.APPLIED, seen, "it was accepted")
    if seen.status in BEFORE_ANSWER:
        return _say(ProbeState.NOT_APPLIED, seen, "it was not accepted")
    if seen.status == S.REFUSED:
        return _say(ProbeState.REJECTED, seen, "it was refused and can no longer be accepted")
    return _say(ProbeState.UNDECIDED, seen, "the hub does not know this status")


def refuse_shown(seen: Seen) -> ProbeResult:
    """Refusing leads from PENDING to REFUSED."""
    if seen.fulfilled_there:
        return _say(ProbeState.REJECTED, seen, REASON)
    if seen.status == S.REFUSED:
        return _say(ProbeState.APPLIED, seen, "it was refused")
    if seen.status in BEFORE_ANSWER:
        return _say(ProbeState.NOT_APPLIED, seen, "it was not refused")
    if seen.status in AFTER_ACCEPT:
        return _say(ProbeState.REJECTED, seen, "it was accepted and can no longer be refused")
    return _say(ProbeState.UNDECIDED, seen, "the hub does not know this status")


def ship_shown(seen: Seen, request: ShipParcel, *, shipped_when_complete: bool) -> ProbeResult:
    """PREPARATION becomes SHIPPED when every unit is covered [assumed; `shipped_when_complete` switches it off].

    A parcel that leaves units behind keeps the order in PREPARATION, so there the status proves nothing.
    """
    if seen.fulfilled_there:
        return _say(ProbeState.REJECTED, seen, REASON)
    alone = request.whole_order
    if seen.status in BEFORE_ANSWER:
        return _say(ProbeState.NOT_APPLIED, seen, "an order that is not accepted holds no parcel")
    if seen.status == S.REFUSED:
        return _say(ProbeState.REJECTED, seen, "it was refused and takes no parcel")
    if seen.status == S.SHIPPED and (alone or shipped_when_complete):
        return _say(ProbeState.APPLIED, seen, "every unit is covered")
    if seen.status == S.PREPARATION and (alone or (shipped_when_complete and request.completes_order)):
        return _say(ProbeState.NOT_APPLIED, seen, "units are still to be shipped")
    return _say(ProbeState.UNDECIDED, seen, "the status does not show single parcels")


def refund_shown(seen: Seen, request: RefundOrder) -> ProbeResult:
    """Only the clear ends prove something: REFUNDED for all units asked for, or a status that no refund leads to."""
    if seen.status in BEFORE_ANSWER or seen.status == S.PREPARATION:
        return _say(ProbeState.NOT_APPLIED, seen, "a refund starts from SHIPPED and leads on from there")
    if seen.status == S.REFUSED:
        return _say(ProbeState.REJECTED, seen, "a refused order has nothing to refund")
    asked: dict[str, int] = {}
    for line in request.lines:
        asked[line.offer_sku] = asked.get(line.offer_sku, 0) + line.quantity
    if seen.status == S.REFUNDED and asked == seen.units():
        return _say(ProbeState.APPLIED, seen, "every unit asked for is refunded")
    if seen.status in MONEY_BACK:
        return _say(ProbeState.UNDECIDED, seen, "it may be this refund or another one")
    return _say(ProbeState.UNDECIDED, seen, "a refund may have been completed or never have arrived")
