"""What a simulated shop does with its orders and when, as its script says. Nothing here speaks to anybody."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from connector_generic_shop.sandbox.store import Due, OutgoingPost, ShopOrder, ShopState
from hub_contracts.base import rfc3339

UNKNOWN_CARRIER = "Unheard-of Couriers"


def plan_new_orders(shop: ShopState, *, late_acknowledgement: bool) -> None:
    """Decide the fate of every order that has none yet, in the order in which they came."""
    for order in shop.orders.values():
        if order.planned:
            continue
        order.planned = True
        if shop.behaviour.acknowledge and not late_acknowledgement:
            _add(shop, order.created_at, "acknowledgement", order)
        last = order.created_at
        if order.state == "open" and not order.is_test:
            last = _plan_fate(shop, order)
        if shop.behaviour.acknowledge and late_acknowledgement:
            _add(shop, last, "acknowledgement", order)


def _plan_fate(shop: ShopState, order: ShopOrder) -> datetime:
    script = shop.behaviour
    ship_at = order.created_at + timedelta(seconds=script.ship_after_seconds)
    if shop.turn("fates", script.cancel_every_n):
        _add(shop, ship_at, "cancellation", order)
        return ship_at
    units = {line.line_id: line.quantity for line in order.lines}
    total = sum(units.values())
    if total > 1 and shop.turn("multi_unit", script.partial_every_n):
        first = _some(units, (total + 1) // 2)
        _add(shop, ship_at, "shipment", order, first)
        units = {line_id: units[line_id] - first.get(line_id, 0) for line_id in units}
        ship_at += timedelta(seconds=script.ship_after_seconds)
    _add(shop, ship_at, "shipment", order, {line_id: left for line_id, left in units.items() if left})
    if shop.turn("returns_due", script.return_every_n):
        wait = timedelta(seconds=script.return_after_seconds)
        one = {order.lines[0].line_id: 1}
        _add(shop, ship_at + wait, "return", order, one, "created")
        _add(shop, ship_at + 2 * wait, "return", order, one, "received")
        ship_at += 2 * wait
    return ship_at


def _some(units: Mapping[str, int], wanted: int) -> dict[str, int]:
    """The first `wanted` units, line by line."""
    taken: dict[str, int] = {}
    for line_id, quantity in units.items():
        take = min(quantity, wanted)
        if take:
            taken[line_id] = take
        wanted -= take
    return taken


def _add(
    shop: ShopState, at: datetime, kind: str, order: ShopOrder, units: Mapping[str, int] | None = None, stage: str = ""
) -> None:
    shop.due.append(Due(at, shop.count("due"), kind, order.route_id, dict(units or {}), stage))


def do_due_work(shop: ShopState, now: datetime, rng: random.Random) -> None:
    """Carry out everything due by `now` and queue the posts that tell the hub."""
    ready = sorted((due for due in shop.due if due.at <= now), key=lambda due: (due.at, due.number))
    shop.due = [due for due in shop.due if due.at > now]
    for due in ready:
        order = shop.orders[due.route_id]
        shop.outbox.append(_carry_out(shop, order, due, now, rng))
    if any(due.kind == "shipment" for due in ready) and shop.behaviour.stock:
        queue_stock(shop, now)


def queue_stock(shop: ShopState, now: datetime) -> None:
    """Queue a statement of all stock."""
    items = [{"sku": sku, "quantity": quantity} for sku, quantity in shop.behaviour.stock.items()]
    if items:
        data = {"items": items, "reported_at": rfc3339(now)}
        shop.outbox.append(OutgoingPost(f"stock_{shop.name}_{shop.count('stock')}", "stock", data, now))


def queue_prices(shop: ShopState, now: datetime) -> None:
    """Queue a statement of all prices."""
    currency = shop.behaviour.currency
    items = [
        {"sku": sku, "price": {"amount": amount, "currency": currency}} for sku, amount in shop.behaviour.prices.items()
    ]
    if items:
        data = {"items": items, "reported_at": rfc3339(now)}
        shop.outbox.append(OutgoingPost(f"price_{shop.name}_{shop.count('price')}", "price", data, now))


def _carry_out(shop: ShopState, order: ShopOrder, due: Due, now: datetime, rng: random.Random) -> OutgoingPost:
    named = {"route_id": order.route_id, "order_number": order.order_number}
    if due.kind == "acknowledgement":
        data = {**named, "shop_order_reference": order.reference, "acknowledged_at": rfc3339(now)}
        return OutgoingPost(f"ack_{order.reference}", due.kind, data, now)
    if due.kind == "shipment":
        return _ship(shop, order, due, now, rng)
    if due.kind == "cancellation":
        order.state = "withdrawn"
        data = {**named, "cancellation_reference": f"{order.reference}-C1", "reason": "out of stock"}
        return OutgoingPost(f"cancel_{order.reference}", due.kind, {**data, "requested_at": rfc3339(now)}, now)
    reference = f"{order.reference}-R1"
    data = {
        **named,
        "return_reference": reference,
        "stage": due.stage,
        "reason": "does not fit",
        "reported_at": rfc3339(now),
    }
    return OutgoingPost(f"{due.stage}_{reference}", due.kind, {**data, "lines": _lines(due.units)}, now, due.stage)


def _ship(shop: ShopState, order: ShopOrder, due: Due, now: datetime, rng: random.Random) -> OutgoingPost:
    for line in order.lines:
        units = due.units.get(line.line_id, 0)
        line.shipped += units
        if line.sku in shop.behaviour.stock:
            shop.behaviour.stock[line.sku] = max(0, shop.behaviour.stock[line.sku] - units)
    if all(line.shipped == line.quantity for line in order.lines):
        order.state = "shipped"
    reference = f"{order.reference}-P{len(order.parcels) + 1}"
    order.parcels.append(reference)
    carriers = shop.behaviour.carriers
    carrier = carriers[(shop.count("carrier_turns") - 1) % len(carriers)]
    if shop.turn("parcels", shop.behaviour.unknown_carrier_every_n):
        carrier = UNKNOWN_CARRIER
    tracking = f"{rng.randrange(10**12):012d}"
    data: dict[str, Any] = {
        "route_id": order.route_id,
        "order_number": order.order_number,
        "shipment_reference": reference,
        "lines": _lines(due.units),
        "carrier_name": carrier,
        "tracking_number": tracking,
        "tracking_url": f"https://track.example.invalid/{tracking}",
        "handed_over_at": rfc3339(now),
    }
    return OutgoingPost(f"ship_{reference}", "shipment", data, now)


def _lines(units: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"line_id": line_id, "quantity": quantity} for line_id, quantity in units.items()]
