"""Rebuilding: figures follow from facts again, who served an offer before and what marketplaces took is in our events.

Links and settings are on a compacted topic, so that what they once were cannot be heard again. Each offer is therefore
taken up as it was told last, and brought to what all facts say by the same rules as ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from hub_common.connections import load_connections
from hub_common.replay import Compared, ReplayPlan
from hub_common.replay_given import Given
from hub_common.replay_parked import CONNECTIONS, PARKED, PARKED_ROUTES
from hub_common.tx import Tx
from hub_contracts.envelope import Event
from hub_contracts.stock import OfferChanged, OfferPushed, OfferRejected
from stock_sync import store, store_accounts, store_offers
from stock_sync.convergence import figures_at, settle_serving
from stock_sync.domain import EMPTY_SHELF
from stock_sync.serving import Pair, Serving
from stock_sync.terms import price_terms

TOLD = """
INSERT INTO offers AS f (connection_id, offer_sku, tenant, shop_connection_id, shop_sku, serving, on_hand, reserved,
                         buffer, available, changed_at, told, withdrawn_at)
SELECT t.*, true, w.withdrawn_at
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::bigint[], $8::bigint[],
            $9::int[], $10::bigint[], $11::timestamptz[])
     AS t(connection_id, offer_sku, tenant, shop, sku, serving, on_hand, reserved, buffer, available, changed_at)
LEFT JOIN withdrawals w USING (connection_id, offer_sku)
ON CONFLICT (connection_id, offer_sku) DO UPDATE SET shop_connection_id = excluded.shop_connection_id,
    shop_sku = excluded.shop_sku, serving = excluded.serving, on_hand = excluded.on_hand, reserved = excluded.reserved,
    buffer = excluded.buffer, available = excluded.available, changed_at = excluded.changed_at, told = true
"""

QUANTITY = """
UPDATE offers f SET pushed_quantity = t.quantity, quantity_pushed_at = t.at, quantity_rejected = NULL
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::timestamptz[]) AS t(connection_id, offer_sku, quantity, at)
WHERE f.connection_id = t.connection_id AND f.offer_sku = t.offer_sku
"""

PRICE = """
UPDATE offers f SET pushed_price = t.amount, pushed_currency = t.currency, price_pushed_at = t.at, price_rejected = NULL
FROM unnest($1::uuid[], $2::text[], $3::numeric[], $4::text[], $5::timestamptz[])
     AS t(connection_id, offer_sku, amount, currency, at)
WHERE f.connection_id = t.connection_id AND f.offer_sku = t.offer_sku
"""

REFUSED = """
UPDATE offers f SET quantity_rejected = coalesce(t.quantity, f.quantity_rejected),
    price_rejected = coalesce(t.price, f.price_rejected)
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS t(connection_id, offer_sku, quantity, price)
WHERE f.connection_id = t.connection_id AND f.offer_sku = t.offer_sku
"""


async def on_offer_changed(tx: Tx, events: Sequence[Event[OfferChanged]]) -> None:
    """Take offers up as they were told last, then see by the facts who serves them now and with which figures."""
    last = {(event.data.connection_id, event.data.offer_sku): event for event in events}
    bodies = [event.data for event in last.values()]
    await tx.conn.execute(
        TOLD,
        [body.connection_id for body in bodies],
        [body.offer_sku for body in bodies],
        [event.meta.tenant for event in last.values()],
        [body.shop_connection_id for body in bodies],
        [body.shop_sku for body in bodies],
        [body.serving or Serving.LINKED.value for body in bodies],
        [body.on_hand for body in bodies],
        [body.reserved for body in bodies],
        [body.buffer for body in bodies],
        [body.available for body in bodies],
        [body.changed_at for body in bodies],
    )
    current = await store_offers.offers_by_pair(tx.conn, last)
    markets = await store_accounts.accounts_by_id(tx.conn, (pair[0] for pair in last))
    await settle_serving(tx, [pair for pair in last if pair[0] in markets], markets, current)
    await _calculate(tx, last, {pair: event.meta.time for pair, event in last.items()})


async def _calculate(tx: Tx, pairs: Mapping[Pair, object], told_at: Mapping[Pair, datetime]) -> None:
    """Figures of these offers, as of when each was told since prices go by the clock, and of those they share with."""
    skus = {offer.sku for offer in (await store_offers.offers_by_pair(tx.conn, pairs)).values()}
    offers = await store_offers.lock_offers(tx.conn, skus)
    await store.settle_reservations(tx.conn, (), skus, tx.now)
    shelves = await store_offers.shelves(tx.conn, skus)
    connections = await load_connections(tx.conn, {offer.connection_id for offer in offers})
    changed = []
    for offer in offers:
        connection = connections.get(offer.connection_id)
        if connection is None or not Serving(offer.serving).works:
            continue
        at, shelf = told_at.get(offer.pair), shelves.get(offer.sku, EMPTY_SHELF)
        figures = figures_at(offer, shelf, connection, price_terms(connection), at or tx.now)
        offer.take_figures(figures if at is not None else replace(figures, price=offer.figures.price))
        changed.append(offer)
    await store_offers.save_figures(tx.conn, changed)


async def on_pushed(tx: Tx, events: Sequence[Event[OfferPushed]]) -> None:
    """What marketplaces took last."""
    key = [(event.data.connection_id, event.data.offer_sku) for event in events]
    stock = {pair: e for pair, e in zip(key, events, strict=True) if e.data.quantity is not None}
    await tx.conn.execute(
        QUANTITY,
        [pair[0] for pair in stock],
        [pair[1] for pair in stock],
        [event.data.quantity for event in stock.values()],
        [event.meta.time for event in stock.values()],
    )
    prices = {pair: (e.meta.time, e.data.price) for pair, e in zip(key, events, strict=True) if e.data.price}
    await tx.conn.execute(
        PRICE,
        [pair[0] for pair in prices],
        [pair[1] for pair in prices],
        [price.amount for _, price in prices.values()],
        [price.currency for _, price in prices.values()],
        [at for at, _ in prices.values()],
    )


async def on_refused(tx: Tx, events: Sequence[Event[OfferRejected]]) -> None:
    """What marketplaces would not take."""
    refused: dict[Pair, dict[str, str]] = {}
    for event in events:
        if event.data.subject is not None:
            pair = (event.data.connection_id, event.data.offer_sku)
            refused.setdefault(pair, {})[event.data.subject] = event.data.reason
    await tx.conn.execute(
        REFUSED,
        [pair[0] for pair in refused],
        [pair[1] for pair in refused],
        [each.get("quantity") for each in refused.values()],
        [each.get("price") for each in refused.values()],
    )


_WORKS = "CASE WHEN t.serving IN ('linked', 'pass_through') THEN t.{column} END"
_PLANNED = "what is on its way; how it ended is compared"
_READ = "what the marketplace showed, and how often it was looked at"
_BY_FILE = "reported_by <> 'shop'"

REPLAY = ReplayPlan(
    tables=(
        Compared("accounts"),
        Compared("shop_stock", where=f"NOT ({_BY_FILE})"),
        Compared("shop_prices"),
        Compared("orders"),
        Compared("shop_orders"),
        Compared("reservations", ignore={"since": "when this database noted it"}),
        Compared("sku_links"),
        Compared("withdrawals"),
        Compared(
            "offers",
            ignore={
                "push_version": _PLANNED,
                "planned_quantity": _PLANNED,
                "planned_price": _PLANNED,
                "planned_discount": _PLANNED,
                "planned_currency": _PLANNED,
                "planned_terms": _PLANNED,
                "price_due_at": "follows from price_terms",
                "pushed_discount": "the price that a buyer pays is compared",
                "pushed_terms": "the price that a buyer pays is compared",
                "price_left_out": "of the marketplace's answer; no event has it",
                "check_at": _READ,
                "drift_seen": _READ,
                "drift_pushes": _READ,
                "shown": _READ,
                "shown_at": _READ,
            },
            # Prices of an offer that nobody serves any more are those of the moment at which that ended.
            instead={
                "stock_known": _WORKS.format(column="stock_known"),
                "price": _WORKS.format(column="price"),
                "discount_price": _WORKS.format(column="discount_price"),
                "currency": _WORKS.format(column="currency"),
                "price_terms": _WORKS.format(column="price_terms"),
                "price_invalid": _WORKS.format(column="price_invalid"),
                "quantity_rejected": "t.quantity_rejected IS NOT NULL",
                "price_rejected": "t.price_rejected IS NOT NULL",
                "pushed_price": "CASE WHEN t.pushed_discount IS NULL OR jsonb_exists(nullif(t.pushed_terms, '')::jsonb,"
                " 'from') THEN t.pushed_price ELSE t.pushed_discount END",
            },
            # An offer of which nothing is known yet has no figures, and its SKU is in sku_links.
            where="told",
        ),
        CONNECTIONS,
        PARKED,
    ),
    own={OfferChanged: on_offer_changed, OfferPushed: on_pushed, OfferRejected: on_refused, **PARKED_ROUTES},
    between=("UPDATE offers SET told = false",),
    given=(Given("shop_stock", "people state levels by file", where=_BY_FILE),),
)
