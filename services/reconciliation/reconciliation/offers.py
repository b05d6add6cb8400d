"""What does not agree between an offer as the hub pushed it and as the marketplace shows it. Pure.

Selling what is not there, or below price, costs money each minute; both come from a value that an import report took
line by line and lost, or that somebody typed in at the marketplace.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from connector_kit.offers import ChannelPrice, MarketplaceOffer
from hub_contracts.base import Money
from hub_contracts.reconciliations import DifferenceKind, Repair
from reconciliation.domain import Rules, money
from reconciliation.steps import Finding, offer_finding


@dataclass(frozen=True, slots=True)
class Pushing:
    """Whether the hub tells this connection's marketplace quantities and prices at all."""

    stock: bool = True
    price: bool = True


@dataclass(frozen=True, slots=True)
class OfferBelief:
    """An offer as the hub holds it, from events. None = never told."""

    connection_id: UUID
    offer_sku: str
    fact_at: datetime
    available: int | None = None
    price: Money | None = None
    pushed_quantity: int | None = None
    pushed_price: Money | None = None
    rejected: str | None = None
    """The marketplace's last word was a refusal: a person knows already."""
    busy_since: datetime | None = None
    """Since when an effect on it is in doubt."""

    @property
    def on_its_way(self) -> bool:
        """The hub's newest figures were not taken yet and not refused either."""
        if self.rejected is not None:
            return False
        stock = self.pushed_quantity is not None and self.available not in (None, self.pushed_quantity)
        return stock or (self.pushed_price is not None and self.price not in (None, self.pushed_price))

    @property
    def sold_there(self) -> bool:
        """The marketplace once took a value of it, so it must be there."""
        return self.pushed_quantity is not None or self.pushed_price is not None


@dataclass(frozen=True, slots=True)
class Compared:
    """Which kinds a comparison looked at, and what it found. Kinds that were not looked at stay as they were."""

    kinds: frozenset[DifferenceKind]
    findings: tuple[Finding, ...]


def settled(belief: OfferBelief, rules: Rules) -> bool:
    """Whether the offer has been still for long enough to be compared."""
    since = belief.fact_at if belief.on_its_way else None
    waiting = min(filter(None, (since, belief.busy_since)), default=None)
    if belief.fact_at > rules.horizon:
        return False
    return waiting is None or waiting <= rules.at - rules.work


def compare_offer(belief: OfferBelief, seen: MarketplaceOffer | None, pushing: Pushing, at: datetime) -> Compared:
    """Stock, price and existence. `seen` None = asked for by its SKU and not shown."""
    if seen is None:
        gone = DifferenceKind.OFFER_MISSING
        found = _finding(belief, gone, "taken by the marketplace", "not shown") if belief.sold_there else None
        return Compared(frozenset({gone}), (found,) if found else ())
    kinds, findings = {DifferenceKind.OFFER_MISSING}, []
    if pushing.stock and belief.pushed_quantity is not None and seen.quantity is not None:
        kinds.add(DifferenceKind.STOCK)
        wanted = belief.pushed_quantity if belief.available is None else belief.available
        if wanted != seen.quantity:
            findings.append(_finding(belief, DifferenceKind.STOCK, str(wanted), str(seen.quantity)))
    paid = paid_price(seen, at)
    if pushing.price and belief.pushed_price is not None and paid is not None:
        kinds.add(DifferenceKind.PRICE)
        price = belief.price or belief.pushed_price
        if price != paid:
            findings.append(_finding(belief, DifferenceKind.PRICE, _money(price), _money(paid)))
    return Compared(frozenset(kinds), tuple(findings))


def paid_price(seen: MarketplaceOffer, at: datetime) -> Money | None:
    """What a buyer pays for one unit now, outside of particular channels; None when it is not shown."""
    own = next((each for each in seen.channel_prices if each.channel is None), None)
    if own is not None:
        return _running(own, at) or own.price
    return seen.discount_price or seen.price


def _running(price: ChannelPrice, at: datetime) -> Money | None:
    """The discount, if it runs now."""
    early = price.discount_from is not None and at < price.discount_from
    late = price.discount_until is not None and at >= price.discount_until
    return None if early or late else price.discount_price


def _finding(belief: OfferBelief, kind: DifferenceKind, hub: str, marketplace: str) -> Finding:
    pushable = kind is not DifferenceKind.OFFER_MISSING and belief.rejected is None
    if belief.rejected is not None:
        hub = f"{hub} (last push refused)"
    return offer_finding(
        kind,
        belief.connection_id,
        belief.offer_sku,
        hub=hub,
        marketplace=marketplace,
        repair=Repair.PUSH_AGAIN if pushable else Repair.OPERATOR,
    )


def _money(value: Money) -> str:
    return money(Decimal(value.amount), value.currency)
