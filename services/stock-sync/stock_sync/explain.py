"""Why an offer's figure is what it is, for people: every term of the sum with where it comes from."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hub_common.connections import Connection
from stock_sync import pushing
from stock_sync.explain_price import frozen, full_set, sent_set, shown
from stock_sync.prices import NO_TERMS
from stock_sync.serving import Serving
from stock_sync.store import Conn
from stock_sync.store_offers import Offer
from stock_sync.terms import price_terms

HELD = """
SELECT r.order_id, o.order_number, o.status, r.line_id, r.connection_id, r.offer_sku, r.quantity, r.since
FROM offers f JOIN reservations r
  ON r.connection_id = f.connection_id AND r.offer_sku = f.offer_sku AND r.state = 'held'
JOIN orders o ON o.order_id = r.order_id
WHERE f.shop_connection_id = $1 AND f.shop_sku = $2 ORDER BY r.since, r.order_id, r.line_id LIMIT 1000
"""

SERVING = {
    Serving.LINKED: "linked to the shop SKU",
    Serving.PASS_THROUGH: "the shop's SKU is the same",
    Serving.WITHDRAWN: "its link was taken away, so nothing may be sold",
    Serving.UNSERVED: "by its settings no shop serves it any more; the last figures stand, nothing is sent",
    Serving.MISMATCH: "linked across environments or tenants; nothing is calculated or sent",
}


async def explain(conn: Conn, offer: Offer, connection: Connection | None, now: datetime) -> dict[str, Any]:
    """The whole calculation of one offer, and what became of telling it to the marketplace."""
    stock = await conn.fetch(
        "SELECT warehouse, quantity, reported_at, reported_by FROM shop_stock"
        " WHERE shop_connection_id = $1 AND shop_sku = $2 ORDER BY warehouse",
        *offer.sku,
    )
    held = await conn.fetch(HELD, *offer.sku)
    prices = await conn.fetch(
        "SELECT * FROM shop_prices WHERE shop_connection_id = $1 AND shop_sku = $2 ORDER BY channel", *offer.sku
    )
    terms = price_terms(connection) if connection else NO_TERMS
    rules = connection.data.settings.stock if connection else None
    return {
        **summary(offer),
        "explanation": {
            "served_by": SERVING[Serving(offer.serving)],
            "on_hand": [dict(row) for row in stock],
            "reservations": [dict(row) for row in held],
            "buffer": offer.buffer,
            "max_listed": rules.max_listed if rules else None,
            "sum": _sum(offer, rules.max_listed if rules else None),
        },
        "quantity": _quantity(offer, connection),
        "price_sent": _price(offer, connection),
        "prices": {
            "stated": full_set(offer, prices, terms, _channel(connection, "price"), now),
            "sent_or_planned": sent_set(offer.planned),
            "taken": sent_set(offer.pushed),
            "changes_by_itself_at": offer.price_due_at,
            "channels_of_the_marketplace": sorted(terms.channels),
            "left_out_by_the_marketplace": offer.price_left_out,
        },
        "shown": shown(offer),
    }


def _sum(offer: Offer, max_listed: int | None) -> str:
    if not offer.stock_known:
        return "the shop has not stated a stock level yet; nothing is sent until it does"
    text = f"{offer.on_hand} on hand - {offer.reserved} reserved - {offer.buffer} buffer"
    raw = offer.on_hand - offer.reserved - offer.buffer
    if raw < 0:
        text += f" = {raw}, never below 0"
    elif max_listed is not None and raw > max_listed:
        text += f" = {raw}, at most {max_listed} are listed"
    return f"{text} = {offer.available} available"


def _quantity(offer: Offer, connection: Connection | None) -> dict[str, Any]:
    off = f"the offer was taken off the marketplace at {offer.withdrawn_at}" if offer.withdrawn_at else None
    return {
        "sent_or_planned": offer.planned_quantity,
        "taken": offer.pushed_quantity,
        "taken_at": offer.quantity_pushed_at,
        "refused": offer.quantity_rejected,
        "not_sent_because": off or _channel(connection, "quantity"),
    }


def _price(offer: Offer, connection: Connection | None) -> dict[str, Any]:
    return {
        "sent_or_planned": _money(offer.planned_price, offer.planned_currency),
        "sent_or_planned_discount": _money(offer.planned_discount, offer.planned_currency),
        "taken": _money(offer.pushed_price, offer.pushed_currency),
        "taken_discount": _money(offer.pushed_discount, offer.pushed_currency),
        "taken_at": offer.price_pushed_at,
        "refused": offer.price_rejected,
        "not_sent_because": _channel(connection, "price"),
    }


def _channel(connection: Connection | None, what: str) -> str | None:
    if connection is None:
        return "the connection is not known yet"
    found = pushing.channel_of(connection).pushing
    return (found.quantity_why_not if what == "quantity" else found.price_why_not) or None


def _money(amount: object, currency: str | None) -> dict[str, str] | None:
    return {"amount": f"{amount:f}", "currency": currency} if amount is not None and currency else None


def summary(offer: Offer) -> dict[str, Any]:
    """One offer in a list."""
    return {
        "connection_id": offer.connection_id,
        "offer_sku": offer.offer_sku,
        "shop_connection_id": offer.shop_connection_id,
        "shop_sku": offer.shop_sku,
        "serving": offer.serving,
        "stock_known": offer.stock_known,
        "on_hand": offer.on_hand,
        "reserved": offer.reserved,
        "buffer": offer.buffer,
        "available": offer.available,
        "price": _money(offer.price, offer.currency),
        "discount_price": _money(offer.discount_price, offer.currency),
        "changed_at": offer.changed_at,
        "frozen": frozen(offer),
    }
