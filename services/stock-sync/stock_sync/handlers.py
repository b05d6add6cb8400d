"""What stock-sync reacts to. Every handler stores its fact, says which shop SKUs it touches, and lets them converge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from hub_common import sku_links
from hub_common.connections import load_connections
from hub_common.routing import Routes
from hub_common.tx import Cause, Tx
from hub_contracts.catalog import OfferListed
from hub_contracts.connections import ConnectionChanged, SkuLinked
from hub_contracts.envelope import Event
from hub_contracts.orders import OrderChanged, OrderReceived, OrderStatusChanged
from hub_contracts.reconciliations import DifferenceFound
from hub_contracts.shop_activity import PriceReported, ShopOrderCancelled, ShopOrderCreated, StockReported
from stock_sync import store, store_accounts
from stock_sync.convergence import Touched, advance, cover, touch
from stock_sync.listings import on_listed
from stock_sync.repairs import on_difference_found
from stock_sync.serving import Account, Pair, Sku, pass_through_pairs
from stock_sync.store import Statement


async def on_stock_reported(tx: Tx, events: Sequence[Event[StockReported]]) -> None:
    """Keep the newest statement; older ones change nothing."""
    statements = [
        Statement(
            e.data.shop_connection_id, e.data.shop_sku, e.data.warehouse or "", e.data.quantity, e.data.reported_at
        )
        for e in events
    ]
    stored = await store.save_statements(tx.conn, statements)
    kept = {(shop, sku) for shop, sku, _ in stored}
    await on_shelves_changed(tx, _by_sku(events, kept), {e.meta.tenant for e in events})


async def on_price_reported(tx: Tx, events: Sequence[Event[PriceReported]]) -> None:
    """Keep the newest price of each channel; offers follow the one that is for no particular channel."""
    kept = await store.save_prices(tx.conn, [e.data for e in events])
    await on_shelves_changed(tx, _by_sku(events, kept), {e.meta.tenant for e in events})


def _by_sku(events: Sequence[Event[StockReported] | Event[PriceReported]], kept: set[Sku]) -> Touched:
    touched: Touched = {}
    for event in events:
        sku = (event.data.shop_connection_id, event.data.shop_sku)
        if sku in kept:
            touch(touched, [sku], Cause.of(event.meta))
    return touched


async def on_shelves_changed(tx: Tx, touched: Touched, tenants: set[str]) -> None:
    """Something was stated about these shop SKUs: offers under their own name may begin, and all are looked at."""
    if not touched:
        return
    await store_accounts.lock_tenants(tx.conn, tenants)
    accounts = list((await store_accounts.accounts_of(tx.conn, tenants)).values())
    pairs: dict[Pair, Cause] = {}
    causes = {sku[1]: cause for sku, cause in touched.items()}
    for pair in pass_through_pairs(accounts, touched.keys()):
        pairs[pair] = causes[pair[1]]
    for sku, cause in (await cover(tx, pairs)).items():
        touch(touched, [sku], cause)
    await advance(tx, touched)


async def on_order(tx: Tx, events: Sequence[Event[OrderReceived | OrderChanged]]) -> None:
    """Reserve what an order needs from the first moment it is seen, paid or not."""
    for part in _in_turn(events, [event.data.order.order_id for event in events]):
        await _on_order(tx, part)


def _in_turn(events: Sequence[Event[Any]], order_ids: Sequence[UUID]) -> list[list[Event[Any]]]:
    """One event per order at a time: what an order was before decides what a status that says nothing leaves of it."""
    parts: list[list[Event[Any]]] = []
    turns: Counter[UUID] = Counter()
    for event, order_id in zip(events, order_ids, strict=True):
        if turns[order_id] == len(parts):
            parts.append([])
        parts[turns[order_id]].append(event)
        turns[order_id] += 1
    return parts


async def _on_order(tx: Tx, events: Sequence[Event[OrderReceived | OrderChanged]]) -> None:
    await store.save_orders(tx.conn, [(e.meta.aggregate_version, e.data.order) for e in events], tx.now)
    await store_accounts.lock_tenants(tx.conn, {e.meta.tenant for e in events})
    pairs: dict[Pair, Cause] = {
        (e.data.order.connection_id, line.offer_sku): Cause.of(e.meta) for e in events for line in e.data.order.lines
    }
    touched = await cover(tx, pairs)
    await _advance_orders(tx, {e.data.order.order_id: Cause.of(e.meta) for e in events}, touched)


async def on_status_changed(tx: Tx, events: Sequence[Event[OrderStatusChanged]]) -> None:
    """Release what will not be sold, stop holding what has left."""
    for part in _in_turn(events, [event.data.order_id for event in events]):
        stored = set(await store.set_statuses(tx.conn, part))
        causes = {e.data.order_id: Cause.of(e.meta) for e in part if e.data.order_id in stored}
        await _advance_orders(tx, causes, {})


async def on_shop_order(tx: Tx, events: Sequence[Event[ShopOrderCreated | ShopOrderCancelled]]) -> None:
    """From when a shop holds the order, its next statement of stock lacks these units; until it stops the order."""
    await store.save_shop_orders(tx.conn, events)
    await _advance_orders(tx, {e.data.order_id: Cause.of(e.meta) for e in events}, {})


async def _advance_orders(tx: Tx, causes: Mapping[UUID, Cause], touched: Touched) -> None:
    for order_id, sku in await store.skus_of_orders(tx.conn, causes):
        touch(touched, [sku], causes[order_id])
    await advance(tx, touched, orders=list(causes))


async def on_sku_linked(tx: Tx, events: Sequence[Event[SkuLinked]]) -> None:
    """An offer got, changed or lost its link."""
    await store_accounts.lock_tenants(tx.conn, {e.meta.tenant for e in events})
    pairs: dict[Pair, Cause] = {(e.data.connection_id, e.data.offer_sku): Cause.of(e.meta) for e in events}
    await advance(tx, await cover(tx, pairs))


async def on_connection_changed(tx: Tx, events: Sequence[Event[ConnectionChanged]]) -> None:
    """A connection came or changed: who serves its offers and what is sent may change; if nothing of that did, stop."""
    causes = {e.data.connection_id: Cause.of(e.meta) for e in events}
    await store_accounts.lock_tenants(tx.conn, {e.meta.tenant for e in events}, alone=True)
    known = await load_connections(tx.conn, causes)
    before = await store_accounts.accounts_by_id(tx.conn, causes)
    changed = [
        account
        for connection in known.values()
        if (account := store_accounts.account_of(connection)) != before.get(connection.connection_id)
    ]
    if not changed:
        return
    await store_accounts.save_accounts(tx.conn, changed)
    pairs = await _pairs_around(tx, changed)
    touched: Touched = {}
    every = {pair: causes.get(pair[0], causes[changed[0].connection_id]) for pair in pairs}
    for sku, cause in (await cover(tx, every)).items():
        touch(touched, [sku], cause)
    for connection_id, sku in await store_accounts.skus_around(tx.conn, [a.connection_id for a in changed]):
        touch(touched, [sku], causes.get(connection_id, causes[changed[0].connection_id]))
    await advance(tx, touched)


async def _pairs_around(tx: Tx, changed: Sequence[Account]) -> set[Pair]:
    """Offers whose serving may depend on these accounts."""
    pairs = await store_accounts.pairs_of(tx.conn, [account.connection_id for account in changed])
    tenants = await store_accounts.accounts_of(tx.conn, (account.tenant for account in changed))
    ids = {account.connection_id for account in changed}
    markets = [each for each in tenants.values() if each.pass_through]
    shops = [each for each in tenants.values() if each.is_shop]
    if any(each.connection_id in ids for each in markets):
        near = shops  # a marketplace that passes SKUs through may be served by any shop of its tenant
    elif markets:
        near = [each for each in shops if each.connection_id in ids]
    else:
        near = []
    skus = await store_accounts.stated_skus(tx.conn, [each.connection_id for each in near])
    wanted = pass_through_pairs(list(tenants.values()), skus)
    shop_changed = any(each.is_shop for each in changed)
    return pairs | {pair for pair in wanted if shop_changed or pair[0] in ids}


ROUTES: Routes = {
    StockReported: on_stock_reported,
    PriceReported: on_price_reported,
    OrderReceived: on_order,
    OrderChanged: on_order,
    OrderStatusChanged: on_status_changed,
    ShopOrderCreated: on_shop_order,
    ShopOrderCancelled: on_shop_order,
    SkuLinked: (sku_links.on_sku_linked, on_sku_linked),
    ConnectionChanged: on_connection_changed,
    DifferenceFound: on_difference_found,
    OfferListed: on_listed,
}
