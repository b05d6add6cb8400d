"""Why an offer's prices are what they are, for people: every stated price with what is sent of it, and what is shown.

Nothing that a shop states is dropped in silence: a price that does not go out stands here with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from connector_kit.offers import MarketplaceOffer
from stock_sync.prices import Price, PriceTerms, channel_obstacle
from stock_sync.store_offers import Offer, stated_price


def full_set(
    offer: Offer, rows: Sequence[asyncpg.Record], terms: PriceTerms, why_not: str | None, now: datetime
) -> list[dict[str, Any]]:
    """Every price that the shop states (rows of `shop_prices`) and every channel that was sent one, the offer's own
    first; `sent` says whether it goes to the marketplace now, `why` what holds it or its discount back."""
    stated = {row["channel"]: row for row in rows}
    own = stated_price(stated[""]) if "" in stated else None
    found = []
    for channel, row in sorted(stated.items()):
        price = stated_price(row)
        obstacle = channel_obstacle(channel, price, own, terms) if channel else _own_obstacle(price)
        reasons = [reason for reason in (obstacle or why_not, *_discount(row, price, terms, now)) if reason]
        found.append(
            {
                "channel": channel or None,
                "price": _money(row["price"], row["currency"]),
                "discount_price": _money(row["discount_price"], row["currency"]),
                "discount_from": row["discount_from"],
                "discount_until": row["discount_until"],
                "stated_at": row["reported_at"],
                "sent": obstacle is None and not why_not,
                "why": "; ".join(reasons) or None,
            }
        )
    return [*found, *_following(offer, stated.keys(), terms)]


def _own_obstacle(price: Price | None) -> str | None:
    return "it is not above 0" if price is None else None


def _discount(row: asyncpg.Record, price: Price | None, terms: PriceTerms, now: datetime) -> Iterator[str]:
    if row["discount_price"] is None or price is None:
        return
    if price.discount is None:
        yield "the discount is none: it is not above 0 and below the price, or ends before it begins"
    elif price.until is not None and price.until <= now:
        yield "the discount is over and is not sent"
    elif price.since is not None and price.since > now:
        yield "the discount is sent with its dates" if terms.takes_dates else "the discount is sent when it begins"
    elif price.until is not None and not terms.takes_dates:
        yield "the price is sent again without the discount when that ends"


def _following(offer: Offer, stated: Any, terms: PriceTerms) -> Iterator[dict[str, Any]]:
    """Channels that were sent a price which nobody states any more: marketplaces keep prices that are not named."""
    before = offer.planned
    for name, price in before.channels if before else ():
        if name in stated:
            continue
        named = name in terms.channels
        yield {
            "channel": name,
            "price": _money(price.amount, price.currency),
            "discount_price": _money(price.discount, price.currency),
            "discount_from": price.since,
            "discount_until": price.until,
            "stated_at": None,
            "sent": named,
            "why": "the shop no longer states it, so the channel gets the offer's own price"
            if named
            else f"channel {name} is not named any more; what was sent for it stays at the marketplace",
        }


def sent_set(price: Price | None) -> list[dict[str, Any]]:
    """A price that was planned or taken, with its channels, the offer's own first."""
    if price is None:
        return []
    pairs: list[tuple[str | None, Price]] = [(None, price), *price.channels]
    return [
        {
            "channel": name,
            "price": _money(each.amount, each.currency),
            "discount_price": _money(each.discount, each.currency),
            "discount_from": each.since,
            "discount_until": each.until,
        }
        for name, each in pairs
    ]


def shown(offer: Offer) -> dict[str, Any]:
    """What the marketplace showed when it was last looked, and when it will be looked at again."""
    found = MarketplaceOffer.model_validate_json(offer.shown) if offer.shown else None
    return {
        "looked_at": offer.shown_at,
        "look_again_at": offer.check_at,
        "sent_again": offer.drift_pushes,
        "offer": found.model_dump(mode="json", exclude_none=True) if found else None,
        "frozen": list(found.frozen) if found else [],
    }


def frozen(offer: Offer) -> list[str]:
    """Values that a feed could not overwrite when the marketplace was last looked at."""
    return list(MarketplaceOffer.model_validate_json(offer.shown).frozen) if offer.shown else []


def _money(amount: object, currency: str | None) -> dict[str, str] | None:
    return {"amount": f"{amount:f}", "currency": currency} if amount is not None and currency else None
