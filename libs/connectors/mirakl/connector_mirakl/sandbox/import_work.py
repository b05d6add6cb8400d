"""What an import does to the offers when it is worked off, row by row, with the operator's own error texts."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from connector_kit.simulator import Record
from connector_mirakl.sandbox.world import SimImport, SimOffer, SimPrice, World

NO_OFFER = "There is no existing offer to update"
DUPLICATE = "The 'sku' is duplicated in the source file"
BAD_QUANTITY = "The 'quantity' must be a positive integer"
PRICE_MANDATORY = "The 'price' is mandatory"
BAD_DISCOUNT = "The discount price is null or not below the price"


def work_off(world: World, running: SimImport, record: Record) -> None:
    """Apply an import; rows in error are kept with their line number (1 = header)."""
    if running.kind == "stock":
        _stock(world, running, record)
    elif running.kind == "price":
        _price(world, running, record)
    else:
        _offers(world, running, record)


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


def _price(world: World, running: SimImport, record: Record) -> None:
    """Delete and replace: the offer's prices become those of its rows; one bad row leaves the offer as it was."""
    by_sku: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for number, row in enumerate(running.rows, start=2):
        by_sku.setdefault(str(row.get("offer-sku", "")), []).append((number, row))
    for sku, rows in by_sku.items():
        offer = world.offers.get(sku)
        problems = [(number, _price_problem(offer, row)) for number, row in rows]
        bad = [(number, text) for number, text in problems if text]
        if bad or offer is None:
            running.errors.extend(bad)
            continue
        groups = [price for price in offer.prices if price.groups]
        offer.prices = [_read_price(row) for _, row in rows]
        running.updated += 1
        record.add(
            "price",
            sku,
            import_id=running.id,
            prices={",".join(price.channels): str(price.price) for price in offer.prices},
            deleted_group_prices=len(groups),
        )


def _price_problem(offer: SimOffer | None, row: dict[str, Any]) -> str:
    if offer is None:
        return NO_OFFER
    try:
        price = Decimal(str(row.get("price", "")))
        discount = row.get("discount-price")
        if discount and not Decimal(str(discount)) < price:
            return BAD_DISCOUNT
    except InvalidOperation:
        return PRICE_MANDATORY
    return ""


def _read_price(row: dict[str, Any]) -> SimPrice:
    ranges = [part.split("|") for part in str(row.get("price-ranges") or "").split(",") if "|" in part]
    channels = str(row.get("channels") or "")
    return SimPrice(
        price=Decimal(str(row["price"])),
        discount=Decimal(str(row["discount-price"])) if row.get("discount-price") else None,
        discount_start=str(row.get("discount-start-date") or ""),
        discount_end=str(row.get("discount-end-date") or ""),
        channels=tuple(code for code in channels.split(",") if code),
        start=str(row.get("start-date") or ""),
        end=str(row.get("end-date") or ""),
        ranges=tuple((int(threshold), Decimal(price)) for threshold, price in ranges),
    )


RESET = ("description", "leadtime_to_ship", "logistic_class", "internal_description", "min_quantity_alert")
"""Fields that OF24 deletes when they are left out."""


def _offers(world: World, running: SimImport, record: Record) -> None:
    """OF24: full replace of each offer; what is left out is reset."""
    for number, row in enumerate(running.rows, start=1):
        sku = str(row.get("shop_sku", ""))
        offer = world.offers.get(sku)
        if row.get("update_delete") == "delete":
            if offer is None:
                running.errors.append((number, NO_OFFER))
            else:
                del world.offers[sku]
                running.updated += 1
            continue
        if offer is None and not row.get("product_id"):
            running.errors.append((number, NO_OFFER))
            continue
        if offer is None:
            new_id = 210_000 + world.number()
            offer = SimOffer(new_id, sku, str(row["product_id"]), f"Article {sku}", 0, [], str(row["state_code"]))
            world.offers[sku] = offer
        offer.quantity = int(row.get("quantity") or 0)
        offer.prices = [SimPrice(Decimal(str(row["price"])))]
        offer.details = {name: row[name] for name in RESET if row.get(name) is not None}
        running.updated += 1
        record.add("stock", sku, quantity=offer.quantity, import_id=running.id)
        record.add("price", sku, prices={"": str(row["price"])}, import_id=running.id)
