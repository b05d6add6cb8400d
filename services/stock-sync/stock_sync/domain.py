"""How many units of an offer may be sold, at which price, and whether the marketplace must be told: pure.

Selling a unit twice costs the seller a cancellation, hiding one costs a sale. Both come from sums that nobody can
retrace, so every figure here is kept with what it was made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hub_contracts.connections import StockSettings
from hub_contracts.status import OPEN, OrderStatus
from stock_sync.prices import Price


class Claim(StrEnum):
    """What a status says about the units of an order or of one line."""

    HOLD = "hold"
    """They will leave and have not: other buyers must not get them."""
    KEEP = "keep"
    """It says nothing: a refund may come before or after the parcel."""
    CONSUMED = "consumed"
    """They left."""
    RELEASED = "released"
    """They stay."""


def claim_of(status: OrderStatus) -> Claim:
    """Unpaid orders hold units too: a buyer who pays later must find them."""
    if status in OPEN:
        return Claim.HOLD
    if status in (OrderStatus.REFUSED, OrderStatus.CANCELLED):
        return Claim.RELEASED
    return Claim.KEEP if status is OrderStatus.REFUNDING else Claim.CONSUMED


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is known of one shop SKU. `on_hand` is None until the shop has stated it."""

    on_hand: int | None = None
    stated_at: datetime | None = None
    reserved: int = 0
    price: Price | None = None
    price_invalid: bool = False
    priced_at: datetime | None = None
    channels: Mapping[str, Price | None] = field(default_factory=dict)
    """Prices that the shop states for one channel; None for one that may not be sent."""


EMPTY_SHELF = Shelf()


@dataclass(frozen=True, slots=True)
class Figures:
    """An offer's figures. `known` tells a stated 0 from a stock that nobody ever stated."""

    known: bool
    on_hand: int
    reserved: int
    buffer: int
    available: int
    price: Price | None
    price_invalid: bool


def calculate(shelf: Shelf, rules: StockSettings) -> Figures:
    """available = on hand − reserved at all connections − buffer, never below 0, never above what may be listed."""
    on_hand = shelf.on_hand or 0
    buffer = max(0, rules.buffer)
    available = max(0, on_hand - shelf.reserved - buffer)
    if rules.max_listed is not None:
        available = min(available, max(0, rules.max_listed))
    return Figures(
        shelf.on_hand is not None, on_hand, shelf.reserved, buffer, available, shelf.price, shelf.price_invalid
    )


def withdrawn(before: Figures) -> Figures:
    """Figures of an offer whose link was taken away: no shop serves it, so nothing may be sold."""
    return Figures(before.known, 0, 0, before.buffer, 0, before.price, before.price_invalid)


@dataclass(frozen=True, slots=True)
class Pushing:
    """Whether a connection's offers are told to the marketplace; `why_not` is for people, empty when they are."""

    quantity_why_not: str
    price_why_not: str


def quantity_to_push(figures: Figures, planned: int | None, pushing: Pushing, *, again: bool = False) -> int | None:
    """The quantity that must be sent now, or None.

    A stock that was never stated is never sent as 0, and what was sent (or will be) is not sent again.
    """
    if pushing.quantity_why_not or not figures.known or (figures.available == planned and not again):
        return None
    return figures.available


def price_to_push(figures: Figures, planned: Price | None, pushing: Pushing, *, again: bool = False) -> Price | None:
    """The price that must be sent now, or None."""
    if pushing.price_why_not or figures.price is None or (figures.price == planned and not again):
        return None
    return figures.price


def says_missing(reason: str, answer: dict[str, object]) -> bool:
    """True when a marketplace's refusal means that it does not have the offer (yet)."""
    said = reason.lower()
    return answer.get("http_code") == 404 or any(
        words in said for words in ("not found", "not_found", "no such offer", "no existing offer", "does not exist")
    )


def next_version(last: int, now: datetime) -> int:
    """Business version of the next push: above the last one, and above any from before the tables were rebuilt."""
    return max(last + 1, int(now.timestamp() * 1000))
