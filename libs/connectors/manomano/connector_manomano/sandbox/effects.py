"""Applies the order actions to the simulated marketplace: which status allows what, and how units are counted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from connector_manomano.carriers import CARRIER_NAMES
from connector_manomano.sandbox.world import DONE, Result, SimOrder, World

REASONS = (
    "CUSTOMER_WITHDRAWAL",
    "PRODUCT_DAMAGED",
    "PRODUCT_NOT_RECEIVED",
    "WRONG_PRODUCT",
    "OUT_OF_STOCK",
    "COMMERCIAL_GESTURE",
    "OTHER",
)
"""Refund reasons of the simulator; the real ones are not public [assumed]."""


def _wrong_status(order: SimOrder, needed: str, code: int = 409) -> Result:
    return Result(code, "ORDER_STATUS_INVALID", f"order is in status {order.status}, not in status {needed}")


def _bad(message: str) -> Result:
    return Result(400, "INVALID_ITEM", message)


def answer_order(world: World, order: SimOrder, item: Mapping[str, Any], operation: str) -> Result:
    """Accept or refuse (`operation`). Allowed from PENDING only; a repeat gets the configured code."""
    target = "PREPARATION" if operation == "accept" else "REFUSED"
    if order.options.is_mmf:
        return _wrong_status(order, "PENDING (fulfilled by ManoMano)")
    if order.status != "PENDING":
        return _wrong_status(order, "PENDING", world.settings.repeat_code if order.status == target else 409)
    world.move(order, target)
    world.record.add(operation, order.reference, contract=order.contract)
    return DONE


def _units(item: Mapping[str, Any], order: SimOrder) -> dict[str, int] | Result:
    """Units per SKU of `products`, or what is wrong with them."""
    products = item.get("products")
    if not isinstance(products, list) or not products:
        return _bad("products must be a non-empty list")
    units: dict[str, int] = {}
    for product in products:
        sku = product.get("seller_sku") if isinstance(product, dict) else None
        quantity = product.get("quantity") if isinstance(product, dict) else None
        if not isinstance(sku, str) or isinstance(quantity, bool) or not isinstance(quantity, int) or quantity < 1:
            return _bad("products need seller_sku and a whole quantity of at least 1")
        if sku not in order.ordered():
            return Result(404, "PRODUCT_NOT_FOUND", f"{sku} is not part of the order")
        units[sku] = units.get(sku, 0) + quantity
    return units


def _exceeds(units: Mapping[str, int], allowed: Mapping[str, int]) -> Result | None:
    for sku, count in units.items():
        if count > allowed.get(sku, 0):
            return Result(409, "QUANTITY_EXCEEDED", f"only {allowed.get(sku, 0)} of {sku} are left")
    return None


def _carrier_fault(world: World, item: Mapping[str, Any]) -> Result | None:
    carrier, url = item.get("carrier"), item.get("tracking_url")
    if not isinstance(carrier, str) or not isinstance(item.get("tracking_number", ""), str):
        return _bad("carrier and tracking_number must be texts")
    if carrier in CARRIER_NAMES:
        return None
    if carrier != "Other" or not world.settings.other_carrier:
        return Result(400, "CARRIER_UNKNOWN", f"{carrier!r} is not a carrier")
    return None if isinstance(url, str) and url else _bad("tracking_url is mandatory for this carrier")


def ship(world: World, order: SimOrder, item: Mapping[str, Any]) -> Result:
    """One parcel. PREPARATION until every unit is covered, then SHIPPED; a shipped order takes extra parcels."""
    fault = _carrier_fault(world, item)
    if fault is not None:
        return fault
    if order.options.is_mmf or order.status not in ("PREPARATION", "SHIPPED"):
        return _wrong_status(order, "PREPARATION")
    allowed = order.remaining(order.shipped) if order.status == "PREPARATION" else order.ordered()
    units = _units(item, order) if item.get("products") is not None else dict(allowed)
    if isinstance(units, Result):
        return units
    exceeded = _exceeds(units, allowed)
    if exceeded is not None:
        return exceeded
    for sku, count in units.items():
        order.shipped[sku] = order.shipped.get(sku, 0) + count
    parcel = {name: item.get(name) for name in ("carrier", "tracking_number", "tracking_url")} | {"units": units}
    order.parcels.append(parcel)
    if order.status == "PREPARATION" and not order.remaining(order.shipped):
        world.move(order, "SHIPPED")
    world.record.add("ship", f"{order.reference}/parcel-{len(order.parcels)}", contract=order.contract, **parcel)
    return DONE


def refund(world: World, order: SimOrder, item: Mapping[str, Any]) -> Result:
    """Units back, from SHIPPED only. Shipping fees are a mandatory yes or no."""
    fees = item.get("refund_shipping_fees")
    if not isinstance(fees, bool):
        return _bad("refund_shipping_fees is mandatory and must be true or false")
    units = _units(item, order)
    if isinstance(units, Result):
        return units
    reasons = [product.get("refund_reason") for product in item["products"]]
    if any(reason not in REASONS for reason in reasons):
        return Result(400, "REFUND_REASON_INVALID", f"refund_reason must be one of {', '.join(REASONS)}")
    if order.status != "SHIPPED":
        return _wrong_status(order, "SHIPPED")
    exceeded = _exceeds(units, order.remaining(order.refunded))
    if exceeded is not None:
        return exceeded
    for sku, count in units.items():
        order.refunded[sku] = order.refunded.get(sku, 0) + count
    order.refunds.append({"units": units, "shipping_fees": fees, "reasons": reasons})
    order.refund_ends_at = world.clock.now() + timedelta(seconds=world.settings.refund_seconds)
    world.move(order, "REFUNDING")
    reference = f"{order.reference}/refund-{len(order.refunds)}"
    world.record.add("refund", reference, contract=order.contract, units=units, shipping_fees=fees)
    return DONE
