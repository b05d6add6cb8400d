"""All prices of one offer at any instant: its own, its channels', and discounts that begin and end: pure.

A discount sent a day early is money given away, one that stays a day too long as well. So a price is always asked for
at an instant, and says itself when it will be another one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Price:
    """What an offer costs, taxes included. `discount` is only set when it is one.

    `since` is the first instant of the discount, `until` the first after it; None = it holds, it never ends.
    `channels` are the prices that hold in one sales channel only, by name; they have no channels themselves.
    """

    amount: Decimal
    discount: Decimal | None
    currency: str
    since: datetime | None = None
    until: datetime | None = None
    channels: tuple[tuple[str, Price], ...] = ()

    @property
    def paid(self) -> Decimal:
        """What a buyer pays for one unit, outside channels, at the instant that the price was brought to (`at`)."""
        return self.amount if self.discount is None or self.since is not None else self.discount

    def at(self, now: datetime) -> Price:
        """The price as it stands now: a discount that is over is gone, one that has begun simply holds."""
        over = self.discount is None or (self.until is not None and self.until <= now)
        later = not over and self.since is not None and self.since > now
        return replace(
            self,
            discount=None if over else self.discount,
            since=self.since if later else None,
            until=None if over else self.until,
            channels=tuple((name, price.at(now)) for name, price in self.channels),
        )

    def begun(self) -> Price:
        """Without discounts that are yet to begin: for marketplaces that know no dates."""
        channels = tuple((name, price.begun()) for name, price in self.channels)
        if self.since is None:
            return replace(self, channels=channels)
        return replace(self, discount=None, since=None, until=None, channels=channels)

    def next_change(self) -> datetime | None:
        """When it becomes another price by itself; None when never. Only meaningful of a price from `at`."""
        moments = [self.since or self.until, *(price.next_change() for _, price in self.channels)]
        return min((moment for moment in moments if moment is not None), default=None)


@dataclass(frozen=True, slots=True)
class PriceTerms:
    """What a connection's marketplace takes in prices."""

    channels: frozenset[str] = frozenset()
    """Sales channels that may have prices of their own there."""
    has_channels: bool = False
    """The marketplace knows such channels at all."""
    takes_dates: bool = False
    """It begins and ends discounts itself; otherwise the price is sent again at that instant."""


NO_TERMS = PriceTerms()


def sound_price(
    amount: Decimal,
    discount: Decimal | None,
    currency: str,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Price | None:
    """The price as it may be sent; None for one that would give the goods away.

    A discount that is not above 0 and below the price is none (marketplaces refuse it), nor is one that ends before it
    begins, so the price alone counts.
    """
    if amount <= 0:
        return None
    never = since is not None and until is not None and since >= until
    if discount is None or not 0 < discount < amount or never:
        return Price(amount, None, currency)
    return Price(amount, discount, currency, since, until)


def full_price(
    own: Price | None, stated: Mapping[str, Price | None], terms: PriceTerms, before: Price | None, now: datetime
) -> Price | None:
    """The full set of prices now; None without a price of the offer's own, which every marketplace asks for.

    `stated` are the shop's channel prices, None for one that may not be sent: what was sent `before` stays then. A
    channel whose price disappears gets the offer's own price: marketplaces keep prices of channels that are not named.
    """
    if own is None:
        return None
    known = dict(before.channels) if before is not None and before.currency == own.currency else {}
    found: dict[str, Price] = {}
    for name in sorted(terms.channels):
        price = (stated[name] or known.get(name)) if name in stated else (own if name in known else None)
        if price is not None and price.currency == own.currency:
            found[name] = price
    return replace(own, channels=tuple(found.items())).at(now)


def channel_obstacle(name: str, stated: Price | None, own: Price | None, terms: PriceTerms) -> str | None:
    """Why the price that a shop states for a channel is not sent; None when it is. For people."""
    if not terms.has_channels:
        return "this marketplace has no prices per channel"
    if name not in terms.channels:
        return f"channel {name} is none of the channels that the connection or its operator's profile names"
    if stated is None:
        return "it is not above 0"
    if own is None:
        return "the offer has no sound price of its own to go with it"
    if stated.currency != own.currency:
        return f"it is in {stated.currency}, the offer's own price in {own.currency}"
    return None


def terms_text(price: Price | None) -> str:
    """Dates and channels of a price as one text to store; empty when there are none."""
    if price is None or not (price.channels or price.since or price.until):
        return ""
    channels = {name: {**_dates(each), **_amounts(each)} for name, each in price.channels}
    return json.dumps({**_dates(price), "channels": channels}, sort_keys=True)


def price_from(amount: Decimal, discount: Decimal | None, currency: str, terms: str) -> Price:
    """The price that was stored."""
    more: dict[str, Any] = json.loads(terms) if terms else {}
    channels = tuple(
        (name, Price(Decimal(each["price"]), _decimal(each.get("discount")), currency, *_moments(each)))
        for name, each in more.get("channels", {}).items()
    )
    return Price(amount, discount, currency, *_moments(more), channels)


def unsound(stated: Mapping[str, Price | None], channels: Collection[str]) -> bool:
    """Whether one of these channels has a price that may not be sent."""
    return any(name in channels and price is None for name, price in stated.items())


def _dates(price: Price) -> dict[str, str]:
    named = {"from": price.since, "until": price.until}
    return {name: moment.isoformat() for name, moment in named.items() if moment is not None}


def _amounts(price: Price) -> dict[str, str]:
    discount = {} if price.discount is None else {"discount": f"{price.discount:f}"}
    return {"price": f"{price.amount:f}", **discount}


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _moments(more: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    since, until = more.get("from"), more.get("until")
    return (datetime.fromisoformat(since) if since else None), (datetime.fromisoformat(until) if until else None)
