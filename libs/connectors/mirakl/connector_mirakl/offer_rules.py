"""What Mirakl and its operators refuse in offers, found before a call is spent on it. Pure.

An import with a bad row is refused minutes later and row by row; until then the old price or stock stays on sale.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from connector_kit.offers import ChannelPrice, Problem, PublishOffer, VolumePrice
from connector_kit.profiles import OfferRules, OperatorProfile

GTIN = re.compile(r"[0-9]{8}|[0-9]{12,14}")
"""Lengths of GS1's article numbers."""
INTEGER = re.compile(r"[0-9]{1,9}")


def price_problems(prices: Sequence[ChannelPrice], channels: Sequence[str] = ()) -> Iterator[Problem]:
    """Rules of prices and discounts (OF03's known messages). `channels` empty = any channel."""
    seen: set[str] = set()
    currency = prices[0].price.currency if prices else ""
    for stated in prices:
        where = "price" if stated.channel is None else f"price[channel={stated.channel}]"
        if (stated.channel or "") in seen:
            yield Problem(field=where, rule="is stated twice", next_step="State one price per channel.")
        seen.add(stated.channel or "")
        if stated.channel is not None and channels and stated.channel not in channels:
            rule = f"the operator has no channel {stated.channel}; it has {', '.join(channels)}"
            yield Problem(field=where, rule=rule, next_step="Correct the channel's code or have the channel opened.")
        yield from _one_price(stated, where, currency)


def _one_price(stated: ChannelPrice, where: str, currency: str) -> Iterator[Problem]:
    if stated.price.amount <= 0:
        yield Problem(field=where, rule="must be above zero", next_step="State the price, taxes included.")
    amounts = [stated.price, *(v.price for v in (*stated.volume_prices, *stated.discount_volume_prices))]
    amounts += [stated.discount_price] if stated.discount_price is not None else []
    other = next((money.currency for money in amounts if money.currency != currency), None)
    if other is not None:
        rule = f"mixes {currency} and {other}"
        yield Problem(field=where, rule=rule, next_step="State all prices of an offer in the shop's currency.")
    yield from _discount(stated, where.replace("price", "discount-price", 1))
    yield from _ranges(stated.volume_prices, where.replace("price", "price-ranges", 1))
    yield from _ranges(stated.discount_volume_prices, where.replace("price", "discount-ranges", 1))


def _discount(stated: ChannelPrice, where: str) -> Iterator[Problem]:
    start, end, discount = stated.discount_from, stated.discount_until, stated.discount_price
    dates = where.replace("discount-price", "discount-start-date", 1)
    if start is not None and end is not None and start >= end:
        yield Problem(field=dates, rule="must be before the end", next_step="Correct the discount's dates.")
    if discount is None:
        if start is not None or end is not None:
            yield Problem(field=where, rule="dates without a discount price", next_step="State the discount's price.")
        if stated.discount_volume_prices:
            yield Problem(field=where, rule="discount ranges without a discount price", next_step="State it too.")
        return
    if not 0 < discount.amount < stated.price.amount:
        rule = "must be above zero and below the price"
        yield Problem(field=where, rule=rule, next_step="Lower the discount price, or leave the discount out.")


def _ranges(ranges: Sequence[VolumePrice], where: str) -> Iterator[Problem]:
    quantities = [one.from_quantity for one in ranges]
    if any(quantity < 2 for quantity in quantities) or len(set(quantities)) != len(quantities):
        step = "Give each quantity once, from two units on."
        yield Problem(field=where, rule="quantities must be distinct and above one", next_step=step)
    if any(one.price.amount <= 0 for one in ranges):
        yield Problem(field=where, rule="must be above zero", next_step="State the price of one unit.")


def offer_problems(request: PublishOffer, rules: OfferRules, profile: OperatorProfile | None) -> Iterator[Problem]:
    """All that can be known before sending. A product stated with the offer means that it may be a new one."""
    for problem in _offer(request, rules):
        yield with_remedy(problem, profile).model_copy(update={"offer_sku": request.offer_sku or None})


def _offer(request: PublishOffer, rules: OfferRules) -> Iterator[Problem]:
    if not request.offer_sku.strip():
        yield Problem(field="offer_sku", rule="must not be empty", next_step="State the offer's own SKU.")
    if request.withdraw:
        return
    yield from _product(request, rules)
    if request.state_code is not None and rules.states and request.state_code not in rules.states:
        known = ", ".join(f"{code} {meaning}" for code, meaning in sorted(rules.states.items()))
        rule = f"the state {request.state_code} is unknown"
        yield Problem(field="state_code", rule=rule, next_step=f"Send one of the operator's codes: {known}.")
    if request.product_id is not None and not any(price.channel is None for price in request.prices):
        yield Problem(field="price", rule="is mandatory", next_step="State the offer's own price, taxes included.")
    yield from price_problems(request.prices, rules.channels)
    yield from _delivery(request, rules)
    yield from _quantities(request)
    yield from _fields(request, rules)


def _product(request: PublishOffer, rules: OfferRules) -> Iterator[Problem]:
    kind, value = request.product_id_type, request.product_id
    if (kind is None) != (value is None):
        step = "State both, or neither for an offer that exists."
        yield Problem(field="product_id", rule="belongs together with product_id_type", next_step=step)
        return
    if kind is not None and rules.product_id_types and kind not in rules.product_id_types:
        step = f"Use one of {', '.join(rules.product_id_types)}."
        yield Problem(field="product_id_type", rule=f"{kind} is not known to the operator", next_step=step)
    if kind == "EAN" and value is not None and not GTIN.fullmatch(value):
        yield Problem(field="product_id", rule="is no EAN", next_step="Give 8, 12, 13 or 14 digits, nothing else.")


def _delivery(request: PublishOffer, rules: OfferRules) -> Iterator[Problem]:
    days, most, wanted = request.lead_time_days, rules.lead_time_days_max, request.logistic_class
    if days is not None and (days < 0 or (most is not None and days > most)):
        rule = "must not be negative" if days < 0 else f"must be at most {most} days"
        step = "Lower the lead time; 0 means shipped on the same day."
        yield Problem(field="lead_time_days", rule=rule, next_step=step)
    if wanted is not None and rules.logistic_classes and wanted not in rules.logistic_classes:
        step = f"Use one of {', '.join(rules.logistic_classes)}, or leave it out."
        yield Problem(field="logistic_class", rule=f"{wanted} is not known to the operator", next_step=step)
    for field in ("carrier_grids", "weight_kg"):
        if getattr(request, field):
            rule = "has no place in a Mirakl offer and is left out"
            step = "Use logistic classes for shipping costs."
            yield Problem(field=field, rule=rule, next_step=step, severity="warning")


def _quantities(request: PublishOffer) -> Iterator[Problem]:
    least, most = request.min_order_quantity, request.max_order_quantity
    if request.quantity is not None and request.quantity < 0:
        yield Problem(field="quantity", rule="must not be negative", next_step="State the units on hand, or 0.")
    for field in ("min_order_quantity", "max_order_quantity", "package_quantity"):
        value = getattr(request, field)
        if value is not None and value < 1:
            yield Problem(field=field, rule="must be 1 or more", next_step="Leave it out for no limit.")
    if least is not None and most is not None and least > most:
        step = "Correct one of the two."
        yield Problem(field="min_order_quantity", rule="must not exceed max_order_quantity", next_step=step)


def _fields(request: PublishOffer, rules: OfferRules) -> Iterator[Problem]:
    known = {field.code: field for field in rules.fields}
    for field in rules.fields:
        value = request.attributes.get(field.code)
        if value is None:
            if field.required and request.product_id is not None:
                step = f"State {field.title}."
                yield Problem(field=field.code, rule="is mandatory", next_step=step)
        elif field.kind == "integer" and not INTEGER.fullmatch(value):
            step = f"{field.title}: digits only."
            yield Problem(field=field.code, rule="must be a whole number", next_step=step)
        elif field.kind == "choice" and value not in field.choices:
            step = f"Use one of {', '.join(field.choices)}."
            yield Problem(field=field.code, rule=f"{value[:60]} is not one of the operator's values", next_step=step)
    for code in request.attributes:
        if known and code not in known:
            rule = "is no additional field of the operator"
            step = f"Known are {', '.join(known)}."
            yield Problem(field=code, rule=rule, next_step=step, severity="warning")


def with_remedy(problem: Problem, profile: OperatorProfile | None) -> Problem:
    """The same problem with what the operator's profile says to do about its message, where it knows one."""
    remedy = profile.remedy(problem.rule) if profile else None
    return problem if remedy is None else problem.model_copy(update={"next_step": remedy.next_step})


def as_text(problems: Sequence[Problem]) -> str:
    """All of them in one line, for an outcome's reason."""
    return "; ".join(f"{problem.field}: {problem.rule}" for problem in problems)
