"""What an import does to the offers when it is worked off, row by row, with the operator's own error texts."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from connector_kit.simulator import Record
from connector_mirakl.sandbox.import_offers import (
    BAD_DISCOUNT,
    DUPLICATE,
    NO_OFFER,
    UNKNOWN_CHANNEL,
    apply_offers,
)
from connector_mirakl.sandbox.profiles import OperatorProfile
from connector_mirakl.sandbox.world import SimImport, SimOffer, SimPrice, World

BAD_QUANTITY = "The 'quantity' must be a positive integer"
PRICE_MANDATORY = "The 'price' is mandatory"


def work_off(world: World, running: SimImport, record: Record, operator: OperatorProfile, now: datetime) -> None:
    """Apply an import; rows in error are kept with their line number (1 = header)."""
    if running.kind == "stock":
        _stock(world, running, record)
    elif running.kind == "price":
        _price(world, running, record, operator)
    else:
        apply_offers(world, running, record, operator, now)


def _stock(world: World, running: SimImport, record: Record) -> None:
    seen: set[tuple[str, str]] = set()
    for number, row in enumerate(running.rows, start=2):
        sku, place = str(row.get("offer-sku", "")), str(row.get("warehouse-code", "") or "")
        offer, quantity = world.offers.get(sku), str(row.get("quantity", ""))
        if offer is None:
            running.errors.append((number, NO_OFFER))
        elif (sku, place) in seen:
            running.errors.append((number, DUPLICATE))
        elif not quantity.isdigit():
            running.errors.append((number, BAD_QUANTITY))
        else:
            _set_quantity(offer, place, int(quantity))
            running.updated += 1
            record.add("stock", sku, quantity=int(quantity), import_id=running.id)
        seen.add((sku, place))


def _set_quantity(offer: SimOffer, place: str, quantity: int) -> None:
    if place:
        offer.warehouses[place] = quantity
        offer.quantity = sum(offer.warehouses.values())
    else:
        offer.quantity = quantity


def _price(world: World, running: SimImport, record: Record, operator: OperatorProfile) -> None:
    """Delete and replace: the offer's prices become those of its rows; one bad row leaves the offer as it was."""
    by_sku: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for number, row in enumerate(running.rows, start=2):
        by_sku.setdefault(str(row.get("offer-sku", "")), []).append((number, row))
    for sku, rows in by_sku.items():
        offer = world.offers.get(sku)
        problems = [(number, _price_problem(offer, row, operator)) for number, row in rows]
        bad = [(number, text) for number, text in problems if text]
        if bad or offer is None:
            running.errors.extend(bad)
            continue
        offer.prices = [_read_price(row) for _, row in rows]
        running.updated += 1
        record.add(
            "price",
            sku,
            import_id=running.id,
            prices={",".join(price.channels): str(price.price) for price in offer.prices},
        )


def _price_problem(offer: SimOffer | None, row: dict[str, Any], operator: OperatorProfile) -> str:
    if offer is None:
        return NO_OFFER
    if row.get("channels") and row["channels"] not in operator.channels:
        return UNKNOWN_CHANNEL
    try:
        price = Decimal(str(row.get("price", "")))
        discount = row.get("discount-price")
        if discount and not Decimal(str(discount)) < price:
            return BAD_DISCOUNT
    except InvalidOperation:
        return PRICE_MANDATORY
    return ""


def _read_price(row: dict[str, Any]) -> SimPrice:
    return SimPrice(
        price=Decimal(str(row["price"])),
        discount=Decimal(str(row["discount-price"])) if row.get("discount-price") else None,
        discount_start=str(row.get("discount-start-date") or ""),
        discount_end=str(row.get("discount-end-date") or ""),
        channels=_one(row, "channels"),
        start=str(row.get("start-date") or ""),
        end=str(row.get("end-date") or ""),
        ranges=read_ranges(row.get("price-ranges")),
        groups=_one(row, "customer-group-ids"),
        organizations=_one(row, "customer-organization-ids"),
        discount_ranges=read_ranges(row.get("discount-ranges")),
    )


def _one(row: dict[str, Any], column: str) -> tuple[str, ...]:
    return (str(row[column]),) if row.get(column) else ()


def read_ranges(cell: Any) -> tuple[tuple[int, Decimal], ...]:
    """Volume prices as files hold them: `5|109.20,10|108.73`."""
    parts = [part.split("|") for part in str(cell or "").split(",") if "|" in part]
    return tuple((int(threshold), Decimal(price)) for threshold, price in parts)
