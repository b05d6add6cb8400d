"""Stock and prices that shops state: thousands of SKUs in one statement, and never an older word over a newer one."""

from __future__ import annotations

from hub_common.connections import Connection
from hub_common.tx import Tx
from hub_contracts.base import Money
from hub_contracts.shop_activity import PriceReported, StockReported
from shop_gateway import post_store
from shop_gateway.post_store import StoredPost
from shop_gateway.shop_protocol import PricePost, StockPost
from shop_gateway.verdicts import Verdict, cause_of, done


async def take_stock(tx: Tx, stored: StoredPost, shop: Connection, post: StockPost) -> Verdict:
    """Tell each count that is newer than the known one. Equal counts of a newer instant are told too: a reader that
    subtracts what was sold since must know from when on."""
    levels = {(item.sku, item.warehouse or ""): item.quantity for item in post.items}
    news = await post_store.save_stock(tx.conn, shop.connection_id, post.reported_at, levels)
    cause = cause_of(stored)
    for (sku, warehouse), quantity in levels.items():
        if (sku, warehouse) in news:
            event = StockReported(
                shop_connection_id=shop.connection_id,
                shop_sku=sku,
                warehouse=warehouse or None,
                quantity=quantity,
                reported_at=post.reported_at,
            )
            tx.emit(event, key=level_key(shop, sku), cause=cause)
    return _taken(len(news), len(levels))


async def take_prices(tx: Tx, stored: StoredPost, shop: Connection, post: PricePost) -> Verdict:
    """Tell each price that is newer than the known one."""
    items = {(item.sku, item.channel or ""): item for item in post.items}
    rows = [
        (
            sku,
            channel,
            item.price.amount,
            item.discount_price.amount if item.discount_price else None,
            item.price.currency,
        )
        for (sku, channel), item in items.items()
    ]
    news = await post_store.save_prices(tx.conn, shop.connection_id, post.reported_at, rows)
    cause = cause_of(stored)
    for (sku, channel), item in items.items():
        if (sku, channel) in news:
            discount = item.discount_price
            event = PriceReported(
                shop_connection_id=shop.connection_id,
                shop_sku=sku,
                channel=channel or None,
                price=Money(amount=item.price.amount, currency=item.price.currency),
                discount_price=Money(amount=discount.amount, currency=discount.currency) if discount else None,
                discount_from=item.discount_from,
                discount_until=item.discount_until,
                reported_at=post.reported_at,
            )
            tx.emit(event, key=level_key(shop, sku), cause=cause)
    return _taken(len(news), len(items))


def level_key(shop: Connection, sku: str) -> str:
    """Event key of a shop's SKU: two shops may use the same SKU for different things."""
    return f"{shop.connection_id}:{sku}"


def _taken(news: int, stated: int) -> Verdict:
    return done(detail="" if news == stated else f"{stated - news} of {stated} were known or older than what is known")
