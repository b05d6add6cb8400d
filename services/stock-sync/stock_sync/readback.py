"""Whether a marketplace shows what it took: pure. An import that ended well can still leave the old price for weeks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from connector_kit.offers import ChannelPrice, MarketplaceOffer
from connector_kit.profiles import OperatorProfile
from hub_contracts.base import Money
from stock_sync.prices import Price

if TYPE_CHECKING:
    from stock_sync.store_offers import Offer

MOST_PUSHES = 3
"""What three repeats did not change, a fourth will not: somebody must look."""
WINDOW = timedelta(hours=6)
"""Pushes that could not be looked at for so long are left to the periodic comparison of everything."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One value that is not what was taken. `patient`: the marketplace may have a good reason that the hub is yet to
    hear of (a sale, a publication that lags), so it only counts when it is seen twice."""

    kind: str
    """The effect that would mend it."""
    text: str
    patient: bool = False


class Step(StrEnum):
    """What follows from a look."""

    FINE = "fine"
    LOOK_AGAIN = "look_again"
    PUSH_AGAIN = "push_again"
    GIVE_UP = "give_up"


def next_step(found: Sequence[Drift], seen: int, pushes: int) -> Step:
    """What to do when `seen` looks before this one showed a drift, and it was sent again `pushes` times."""
    if not found:
        return Step.FINE
    if seen == 0 and all(each.patient for each in found):
        return Step.LOOK_AGAIN
    return Step.GIVE_UP if pushes >= MOST_PUSHES else Step.PUSH_AGAIN


def settle_time(settle_minutes: int, profile: OperatorProfile | None) -> timedelta:
    """How long after a push it is worth looking: as long as the slowest channel of the operator takes to publish."""
    slowest = max(profile.offers.live_after_minutes.values(), default=0) if profile else 0
    return timedelta(minutes=max(1, settle_minutes, slowest))


def drifts(offer: Offer, shown: MarketplaceOffer | None, now: datetime) -> list[Drift]:
    """How the shown offer differs from what the marketplace took. What it does not say is not compared, nor is a value
    that is just being replaced by a newer one or that was refused."""
    return [*_quantity(offer, shown), *_prices(offer, shown, now)]


def _quantity(offer: Offer, shown: MarketplaceOffer | None) -> Iterator[Drift]:
    taken = offer.pushed_quantity
    if taken is None or offer.quantity_rejected is not None or offer.planned_quantity != taken:
        return
    if shown is None:
        yield Drift("set_stock", "the marketplace does not show the offer", patient=True)
    elif shown.quantity is not None and shown.quantity != taken:
        sold = shown.quantity < taken
        yield Drift("set_stock", f"quantity {shown.quantity} is shown, {taken} was taken", patient=sold)


def _prices(offer: Offer, shown: MarketplaceOffer | None, now: datetime) -> Iterator[Drift]:
    taken = offer.pushed
    if taken is None or offer.price_rejected is not None or offer.planned != taken:
        return
    if shown is None:
        yield Drift("set_price", "the marketplace does not show the offer", patient=True)
        return
    if shown.price is not None and not _fits(taken, now, shown.price, shown.discount_price):
        paid = shown.discount_price or shown.price
        yield Drift("set_price", f"price {paid.amount} is shown, {taken.at(now).paid} was taken")
    by_channel = {each.channel: each for each in shown.channel_prices}
    for name, price in taken.channels:
        found: ChannelPrice | None = by_channel.get(name)
        if found is None:
            yield Drift("set_price", f"no price is shown for channel {name}", patient=True)
        elif not _fits(price, now, found.price, found.discount_price):
            paid = found.discount_price or found.price
            text = f"channel {name}: price {paid.amount} is shown, {price.at(now).paid} was taken"
            yield Drift("set_price", text)


def _fits(taken: Price, now: datetime, price: Money, discount: Money | None) -> bool:
    """What a buyer pays is right, or it is the very pair that was sent: a discount may be shown before it begins."""
    paid = discount or price
    if paid.currency != taken.currency:
        return False
    same = price.amount == taken.amount and (discount.amount if discount else None) == taken.discount
    return same or paid.amount == taken.at(now).paid
