"""An offer as OF24 wants it: whole. Pure, so that "no value gets lost" can be proved.

OF24 and OF01 reset every field that is left out: quantity to nothing, discounts, texts, lead time, logistic class and
additional fields to none. So what the offer has (OF21) is sent again with the stated values put over it.

A lead time of 0 days is shown as 1 by OF21, so it becomes 1 unless it is stated. Units of measurement of prices are not
shown at all and cannot be carried along.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connector_kit.offers import PublishOffer
from connector_mirakl.price_dates import DateStyle
from connector_mirakl.pricefile import CannotExpress, PriceRow, Ranges, merged_rows, price_differences, read_rows
from connector_mirakl.wire import Json, amount, member, objects, text

SAME_NAME = (
    "quantity",
    "description",
    "internal_description",
    "price_additional_info",
    "leadtime_to_ship",
    "min_quantity_alert",
    "min_order_quantity",
    "max_order_quantity",
    "package_quantity",
    "allow_quote_requests",
    "product_tax_code",
    "eco_contributions",
    "msrp",
)
OTHER_NAME = {"available_start_date": "available_started", "available_end_date": "available_ended"}
"""OF21's name → OF24's."""
ZERO_IS_NONE = frozenset({"min_quantity_alert", "min_order_quantity", "max_order_quantity", "package_quantity"})
"""OF21 shows 0 where there is no limit; a limit of 0 must not be set."""
STATED = {
    "state_code": "state_code",
    "quantity": "quantity",
    "description": "description",
    "leadtime_to_ship": "lead_time_days",
    "logistic_class": "logistic_class",
    "min_order_quantity": "min_order_quantity",
    "max_order_quantity": "max_order_quantity",
    "package_quantity": "package_quantity",
}
"""OF24's field → the request's."""


def merged_offer(present: Json | None, request: PublishOffer, dates: DateStyle, *, keep_discounts: bool) -> Json:
    """The offer to send. Raises `CannotExpress` naming what is missing or would be lost, and `MappingError`."""
    offer: Json = {"shop_sku": request.offer_sku, "update_delete": "delete" if request.withdraw else "update"}
    offer.update(_product(present, request))
    offer.update(_carried(present or {}))
    for name, stated in STATED.items():
        value = getattr(request, stated)
        if value is not None:
            offer[name] = value
    if text(offer.get("state_code")) is None:
        raise CannotExpress("state_code: is mandatory for a new offer")
    offer.update(_prices(present or {}, request, dates, keep_discounts))
    fields = _additional(present or {}, request.attributes)
    if fields:
        offer["offer_additional_fields"] = fields
    return offer


def _product(present: Json | None, request: PublishOffer) -> Json:
    if request.product_id is not None and request.product_id_type is not None:
        return {"product_id": request.product_id, "product_id_type": request.product_id_type}
    own = text(present.get("product_sku")) if present else None
    if own is None:
        raise CannotExpress("product_id: is mandatory for a new offer, with product_id_type")
    return {"product_id": own, "product_id_type": "SKU"}


def _carried(present: Json) -> Json:
    found = {name: present.get(name) for name in SAME_NAME}
    found |= {sent: present.get(shown) for shown, sent in OTHER_NAME.items()}
    found["state_code"] = text(present.get("state_code"))
    found["logistic_class"] = text(member(present, "logistic_class").get("code"))
    found["retail_prices"] = [
        {name: value for name, value in entry.items() if name != "price"}
        for entry in objects(present.get("retail_prices"))
    ]
    return {
        name: value
        for name, value in found.items()
        if value not in (None, "", []) and not (name in ZERO_IS_NONE and value == 0)
    }


def _prices(present: Json, request: PublishOffer, dates: DateStyle, keep_discounts: bool) -> Json:
    rows = read_rows(present)
    if any(row.group or row.organization or row.start or row.end for row in rows):
        raise CannotExpress("price: the offer has prices for customers or periods, which publishing would delete")
    own = amount(present.get("price"), "price")
    rows = rows or ([] if own is None else [PriceRow(own)])
    try:
        merged = merged_rows(rows, request.prices, dates, keep_discounts=keep_discounts)
    except CannotExpress as error:
        raise CannotExpress(str(error) if rows or request.prices else "price: is mandatory for a new offer") from None
    [first, *others] = merged
    offer: Json = {"price": first.price}
    if first.discount is not None:
        offer["discount"] = _present(
            price=None if first.discount_ranges else first.discount,
            start_date=first.discount_start,
            end_date=first.discount_end,
            ranges=_discount_ranges(first),
        )
    if others or first.ranges or first.discount_ranges:
        offer["all_prices"] = [_entry(row) for row in merged]
    return offer


def _discount_ranges(row: PriceRow) -> list[Json]:
    if not row.discount_ranges or row.discount is None:
        return []
    steps: Ranges = ((1, row.discount), *row.discount_ranges)
    return [{"quantity_threshold": quantity, "price": price} for quantity, price in steps]


def _entry(row: PriceRow) -> Json:
    discounts = dict(row.discount_ranges)
    quantities = sorted({quantity for quantity, _ in (*row.ranges, *row.discount_ranges)})
    origins = dict(row.ranges)
    volumes = [
        _present(
            quantity_threshold=quantity,
            unit_origin_price=origins.get(quantity, row.price),
            unit_discount_price=discounts.get(quantity),
        )
        for quantity in quantities
    ]
    return _present(
        channel_code=row.channel,
        unit_origin_price=row.price,
        unit_discount_price=row.discount,
        discount_start_date=row.discount_start,
        discount_end_date=row.discount_end,
        volume_prices=volumes,
    )


def _present(**fields: Any) -> Json:
    return {name: value for name, value in fields.items() if value not in (None, "", [])}


def _additional(present: Json, stated: dict[str, str]) -> list[Json]:
    kept: list[Json] = [
        {name: entry[name] for name in ("code", "type", "value") if name in entry}
        for entry in objects(present.get("offer_additional_fields"))
        if entry.get("code") not in stated and entry.get("value") is not None
    ]
    return [*kept, *({"code": code, "value": value} for code, value in stated.items())]


def differences(shown: Json | None, request: PublishOffer) -> Sequence[str]:
    """How an offer as OF21 shows it differs from what was stated. The quantity is left out: sales change it."""
    if shown is None or request.withdraw:
        return [] if (shown is None) == request.withdraw else ["the offer is " + ("shown" if shown else "not shown")]
    values = {**shown, "logistic_class": member(shown, "logistic_class").get("code")}
    found = price_differences(shown, request.prices)
    for name, stated in STATED.items():
        wanted, value = getattr(request, stated), values.get(name)
        zero_as_one = name == "leadtime_to_ship" and (wanted, value) == (0, 1)
        if wanted is not None and name != "quantity" and value != wanted and not zero_as_one:
            found.append(f"{name} is {str(value)[:80]}")
    extra = {text(entry.get("code")): entry.get("value") for entry in objects(shown.get("offer_additional_fields"))}
    found += [f"{code} is {extra.get(code)}" for code, value in request.attributes.items() if extra.get(code) != value]
    return found
