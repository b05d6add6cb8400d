"""Offers as people state them, and when they must be stated again: pure.

An offer is stated whole and for good. Two of its values move on without anybody stating it anew: the stock, which sales
change by the minute, and a dated discount, which begins and ends. Whoever sends the old statement again without looking
sells goods that are gone, or keeps a discount for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from connector_kit.offers import Problem, PublishOffer

PUBLISHING, LISTED, REJECTED = "publishing", "listed", "rejected"
WITHDRAWING, WITHDRAWN = "withdrawing", "withdrawn"
COUNTED_RULE = "the hub counts the stock of this offer and sends its own figure"
NEWER_PRICE_RULE = "the shop has stated another price since; the discount of this statement is not sent again"


def next_boundary(request: PublishOffer, now: datetime) -> datetime | None:
    """The next instant after `now` at which one of the offer's discounts begins or ends."""
    if request.withdraw:
        return None
    bounds = [
        instant
        for price in request.prices
        if price.discount_price is not None or price.discount_volume_prices
        for instant in (price.discount_from, price.discount_until)
    ]
    return min((instant for instant in bounds if instant is not None and instant > now), default=None)


def next_version(last: int, now: datetime) -> int:
    """Business version of the next statement: above the last one, and above any from before a table was restored."""
    return max(last + 1, int(now.timestamp() * 1000))


def to_send(stated: PublishOffer, *, counted: bool, again: bool) -> PublishOffer:
    """What the effect asks for. A counted quantity is put in when the call is made; one that was stated long ago is
    not sent a second time, so the marketplace keeps what it has."""
    if stated.withdraw or not (counted or again):
        return stated
    return stated.model_copy(update={"quantity": None})


def state_while(request: PublishOffer) -> str:
    """The state of a statement that is on its way."""
    return WITHDRAWING if request.withdraw else PUBLISHING


def state_after(request: Mapping[str, Any], *, done: bool) -> str:
    """The state of a statement whose end is known."""
    if not done:
        return REJECTED
    return WITHDRAWN if request.get("withdraw") else LISTED


def counted_warning(offer_sku: str) -> Problem:
    """Tells that a stated quantity was set aside."""
    step = "State the stock in the shop; switch stock.push_stock off to state it here."
    return Problem(field="quantity", rule=COUNTED_RULE, next_step=step, offer_sku=offer_sku, severity="warning")


def newer_price_warning(offer_sku: str) -> Problem:
    """Tells that a discount's instant passed without a new statement."""
    step = "State the offer again, or give the shop's price its discount."
    return Problem(field="prices", rule=NEWER_PRICE_RULE, next_step=step, offer_sku=offer_sku, severity="warning")


def split(problems: Iterable[Problem]) -> tuple[list[Problem], list[Problem]]:
    """Errors and warnings."""
    found = list(problems)
    return [p for p in found if p.severity == "error"], [p for p in found if p.severity != "error"]


def pointer(problem: Problem, base: str = "#") -> str:
    """Where in a body a problem's field stands: `prices.discount_price` → `#/prices/discount_price`."""
    path = problem.field.replace("~", "~0").replace("/", "~1")
    for old, new in ((".", "/"), ("[", "/"), ("]", "")):
        path = path.replace(old, new)
    return f"{base}/{path}"


def problems_of(answer: Mapping[str, Any], reason: str) -> list[dict[str, Any]]:
    """A settled effect's problems as JSON; its reason where the connector lists none."""
    listed = answer.get("problems")
    found = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return found or ([Problem(field="offer", rule=reason[:500]).model_dump(mode="json")] if reason else [])
