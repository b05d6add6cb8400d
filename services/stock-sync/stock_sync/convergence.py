"""Converging on figures: who serves an offer, what may be sold of it, who must be told.

Stock, orders, links and connections come on three topics in any order. Each handler stores its fact, says which shop
SKUs it touches, and calls `advance`, which brings the offers of these SKUs to what all facts together say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from hub_common.connections import Connection, load_connections
from hub_common.parked import Park, park, resume
from hub_common.sku_links import load_links
from hub_common.tx import Cause, Tx
from hub_contracts.base import Money
from hub_contracts.envelope import Origin
from hub_contracts.ids import parked_id_for
from hub_contracts.stock import OfferChanged
from stock_sync import pushing, store, store_accounts, store_offers
from stock_sync.domain import EMPTY_SHELF, Figures, Shelf, calculate, withdrawn
from stock_sync.prices import PriceTerms, full_price, unsound
from stock_sync.serving import Account, Pair, Served, Serving, Sku, serve
from stock_sync.store_offers import Offer

MISMATCH = "environment_mismatch"
BAD_PRICE = "price_invalid"

Touched = dict[Sku, Cause]
"""Shop SKUs whose offers must be looked at, and why."""


def touch(touched: Touched, skus: Iterable[Sku], cause: Cause) -> None:
    """Add shop SKUs. The last live cause counts: a backfilled one would hold the push back."""
    for sku in skus:
        known = touched.get(sku)
        if known is None or known.origin is not Origin.LIVE or cause.origin is Origin.LIVE:
            touched[sku] = cause


async def cover(tx: Tx, pairs: Mapping[Pair, Cause]) -> Touched:
    """Settle who serves these offers, and let a person know of mismatches; returns the shop SKUs that gained or lost
    one.

    The tenants' lock must be held (`lock_tenants`).
    """
    markets = await store_accounts.accounts_by_id(tx.conn, (pair[0] for pair in pairs))
    wanted = [pair for pair in pairs if pair[0] in markets]
    current = await store_offers.offers_by_pair(tx.conn, wanted) if wanted else {}
    changed = await settle_serving(tx, wanted, markets, current)
    touched: Touched = {}
    for pair, served in changed.items():
        touch(touched, [(served.shop_connection_id, served.shop_sku)], pairs[pair])
        if pair in current:
            touch(touched, [current[pair].sku], pairs[pair])
    await _tell_mismatches(tx, changed, current, markets, pairs)
    return touched


async def settle_serving(
    tx: Tx, wanted: Collection[Pair], markets: Mapping[UUID, Account], current: Mapping[Pair, Offer]
) -> dict[Pair, Served]:
    """Write down who serves these offers of known markets where that is another than now; returns what changed."""
    if not wanted:
        return {}
    accounts = await store_accounts.accounts_of(tx.conn, (account.tenant for account in markets.values()))
    links = await load_links(tx.conn, wanted)
    named = await store.product_skus(tx.conn, [pair for pair in wanted if markets[pair[0]].by_product_sku])
    shops = [account.connection_id for account in accounts.values() if account.is_shop]
    stating = await store_accounts.stating(tx.conn, shops, {named.get(pair, pair[1]) for pair in wanted})
    changed: dict[Pair, Served] = {}
    for pair in wanted:
        link, before = links.get(pair), current.get(pair)
        after = serve(
            markets[pair[0]],
            pair[1],
            link=(link.shop_connection_id, link.shop_sku) if link else None,
            product_sku=named.get(pair),
            accounts=accounts,
            stating=stating,
            current=before.served if before else None,
        )
        if after is not None and (before is None or after != before.served):
            changed[pair] = after
    await store_offers.save_served(tx.conn, {p: (markets[p[0]].tenant, served) for p, served in changed.items()})
    return changed


async def _tell_mismatches(
    tx: Tx,
    changed: Mapping[Pair, Served],
    current: Mapping[Pair, Offer],
    markets: Mapping[UUID, Account],
    why: Mapping[Pair, Cause],
) -> None:
    wrong = [
        Park(
            subject_kind="offer",
            subject_id=f"{pair[0]}:{pair[1]}",
            cause=MISMATCH,
            detail=f"Offer {pair[1]} is linked to {served.shop_sku} at a connection that is no shop of the same tenant "
            f"and environment ({markets[pair[0]].environment}).",
            next_step="Link it to a SKU of a shop of the same environment; it is then served by itself.",
            event_key=f"{pair[0]}:{pair[1]}",
            why=why[pair],
            connection_id=pair[0],
        )
        for pair, served in changed.items()
        if served.serving is Serving.MISMATCH
    ]
    mended = [
        parked_id_for(tx.service, "offer", f"{pair[0]}:{pair[1]}", MISMATCH)
        for pair, served in changed.items()
        if served.serving is not Serving.MISMATCH and pair in current and current[pair].serving == Serving.MISMATCH
    ]
    await park(tx, wrong)
    await resume(tx, mended, resolution="the offer is linked otherwise")


async def advance(tx: Tx, touched: Mapping[Sku, Cause], *, orders: Collection[UUID] = ()) -> None:
    """Bring the offers of these shop SKUs to what is known now; tell and push what changed, and only that."""
    skus = list(touched)
    offers = await store_offers.lock_offers(tx.conn, skus)
    await store.settle_reservations(tx.conn, orders, skus, tx.now)
    if not offers:
        return
    shelves = await store_offers.shelves(tx.conn, skus)
    connections = await load_connections(tx.conn, {offer.connection_id for offer in offers})
    channels = {key: pushing.channel_of(connection) for key, connection in connections.items()}
    changed: list[Offer] = []
    bad_prices: list[Park] = []
    good_prices: list[UUID] = []
    for offer in offers:
        connection = connections.get(offer.connection_id)
        if connection is None or offer.serving in (Serving.UNSERVED, Serving.MISMATCH):
            continue
        cause = touched[offer.sku]
        shelf = shelves.get(offer.sku, EMPTY_SHELF)
        figures = figures_at(offer, shelf, connection, channels[offer.connection_id].terms, tx.now)
        if figures.price_invalid and not offer.price_invalid:
            bad_prices.append(_bad_price(offer, cause))
        elif offer.price_invalid and not figures.price_invalid:
            good_prices.append(parked_id_for(tx.service, "offer", offer.key, BAD_PRICE))
        told, due_before = _tell(tx, offer, figures, shelf, connection, cause), offer.price_due_at
        lives = figures.price is not None and offer.serving != Serving.WITHDRAWN
        offer.price_due_at = figures.price.next_change() if lives and figures.price else None
        if pushing.plan(tx, offer, channels[offer.connection_id], cause) or told or offer.price_due_at != due_before:
            changed.append(offer)
    await store_offers.save_figures(tx.conn, changed)
    await park(tx, bad_prices)
    await resume(tx, good_prices, resolution="the shop stated a price that can be sent")


def figures_at(offer: Offer, shelf: Shelf, connection: Connection, terms: PriceTerms, now: datetime) -> Figures:
    """What all facts together say of an offer at an instant."""
    if offer.serving == Serving.WITHDRAWN:
        return withdrawn(offer.figures)
    found = calculate(shelf, connection.data.settings.stock)
    price = full_price(shelf.price, shelf.channels, terms, offer.planned, now)
    return replace(found, price=price, price_invalid=found.price_invalid or unsound(shelf.channels, terms.channels))


def _tell(tx: Tx, offer: Offer, figures: Figures, shelf: Shelf, connection: Connection, cause: Cause) -> bool:
    """Tell the offer when something in it changed and anything is known of it; True when its row must be written.

    `changed_at` is when the shop stated the stock: readers compare it with what they know to have left since.
    """
    changed = figures != offer.figures
    offer.take_figures(figures)
    unknown = not figures.known and figures.price is None
    if (not changed or unknown) and (offer.told or unknown):
        return changed
    offer.changed_at = shelf.stated_at or shelf.priced_at or offer.changed_at or tx.now
    offer.told = True
    price = figures.price
    tx.emit(
        OfferChanged(
            connection_id=offer.connection_id,
            environment=connection.data.environment,
            offer_sku=offer.offer_sku,
            shop_connection_id=offer.shop_connection_id,
            shop_sku=offer.shop_sku,
            on_hand=figures.on_hand,
            reserved=figures.reserved,
            buffer=figures.buffer,
            available=figures.available,
            price=Money(amount=price.paid, currency=price.currency) if price else None,
            changed_at=offer.changed_at,
            serving=offer.serving,
        ),
        key=offer.key,
        cause=cause,
    )
    return True


def _bad_price(offer: Offer, cause: Cause) -> Park:
    return Park(
        subject_kind="offer",
        subject_id=offer.key,
        cause=BAD_PRICE,
        detail=f"The shop states a price of {offer.shop_sku} that is not above 0; it is not sent to any marketplace.",
        next_step="Correct the price in the shop; the next price it states goes out by itself.",
        event_key=offer.key,
        why=cause,
        connection_id=offer.connection_id,
    )
