"""SQL about offers: their figures, what was planned and what the marketplace took."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from stock_sync.domain import Figures, Shelf
from stock_sync.prices import Price, price_from, sound_price, terms_text
from stock_sync.serving import Pair, Served, Serving, Sku

Conn: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

UPSERT_SERVED = """
INSERT INTO offers (connection_id, offer_sku, tenant, shop_connection_id, shop_sku, serving, withdrawn_at)
SELECT t.*, w.withdrawn_at FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[])
     AS t(connection_id, offer_sku, tenant, shop_connection_id, shop_sku, serving)
LEFT JOIN withdrawals w USING (connection_id, offer_sku)
ORDER BY t.connection_id, t.offer_sku
ON CONFLICT (connection_id, offer_sku) DO UPDATE SET shop_connection_id = excluded.shop_connection_id,
    shop_sku = excluded.shop_sku, serving = excluded.serving
"""

LOCK = """
SELECT f.* FROM offers f JOIN unnest($1::uuid[], $2::text[]) AS t(shop, sku)
  ON f.shop_connection_id = t.shop AND f.shop_sku = t.sku
ORDER BY f.connection_id, f.offer_sku FOR UPDATE OF f
"""

LOCK_PAIRS = """
SELECT f.* FROM offers f JOIN unnest($1::uuid[], $2::text[]) AS t(c, s)
  ON f.connection_id = t.c AND f.offer_sku = t.s
ORDER BY f.connection_id, f.offer_sku FOR UPDATE OF f
"""

SHELVES = """
SELECT t.shop, t.sku, k.on_hand, k.stated_at, coalesce(r.reserved, 0) AS reserved
FROM unnest($1::uuid[], $2::text[]) AS t(shop, sku)
LEFT JOIN LATERAL (
    SELECT sum(quantity)::bigint AS on_hand, max(reported_at) AS stated_at FROM shop_stock
    WHERE shop_connection_id = t.shop AND shop_sku = t.sku
) k ON true
LEFT JOIN LATERAL (
    SELECT sum(v.quantity)::bigint AS reserved FROM offers f
    JOIN reservations v ON v.connection_id = f.connection_id AND v.offer_sku = f.offer_sku AND v.state = 'held'
    WHERE f.shop_connection_id = t.shop AND f.shop_sku = t.sku
) r ON true
"""

PRICES = """
SELECT p.* FROM shop_prices p JOIN unnest($1::uuid[], $2::text[]) AS t(shop, sku)
  ON p.shop_connection_id = t.shop AND p.shop_sku = t.sku
"""


@dataclass(slots=True)
class Offer:
    """A row of `offers`."""

    connection_id: UUID
    offer_sku: str
    tenant: str
    shop_connection_id: UUID
    shop_sku: str
    serving: str
    on_hand: int
    reserved: int
    buffer: int
    available: int
    stock_known: bool
    price: Decimal | None
    discount_price: Decimal | None
    currency: str | None
    price_invalid: bool
    changed_at: datetime | None
    told: bool
    push_version: int
    planned_quantity: int | None
    planned_price: Decimal | None
    planned_discount: Decimal | None
    planned_currency: str | None
    pushed_quantity: int | None
    quantity_pushed_at: datetime | None
    quantity_rejected: str | None
    pushed_price: Decimal | None
    pushed_discount: Decimal | None
    pushed_currency: str | None
    price_pushed_at: datetime | None
    price_rejected: str | None
    price_terms: str
    planned_terms: str
    pushed_terms: str
    price_due_at: datetime | None
    """When its price becomes another by itself."""
    price_left_out: str | None
    """What the marketplace has no place for, of the price that it took last."""
    check_at: datetime | None
    """When it is worth looking whether the marketplace shows what it took."""
    drift_seen: int
    """How many looks in a row showed something else."""
    drift_pushes: int
    """How often it was sent again because of that."""
    shown: str | None
    shown_at: datetime | None
    withdrawn_at: datetime | None
    """Since when it is taken off the marketplace; nothing is sent for it until it is listed again."""

    def forget_planned(self) -> None:
        """What was sent counts for nothing any more: once listed again, everything is sent."""
        self.planned_quantity = None
        self.planned_price = self.planned_discount = self.planned_currency = None
        self.planned_terms = ""

    @property
    def key(self) -> str:
        """Aggregate id of its events."""
        return f"{self.connection_id}:{self.offer_sku}"

    @property
    def pair(self) -> Pair:
        """Marketplace connection and offer SKU."""
        return self.connection_id, self.offer_sku

    @property
    def sku(self) -> Sku:
        """The shop SKU behind it."""
        return self.shop_connection_id, self.shop_sku

    @property
    def served(self) -> Served:
        """How it is served."""
        return Served(self.shop_connection_id, self.shop_sku, Serving(self.serving))

    @property
    def planned(self) -> Price | None:
        """The price that was sent last, or will be."""
        return _price(self.planned_price, self.planned_discount, self.planned_currency, self.planned_terms)

    def take_planned(self, price: Price) -> None:
        """Note the price that is sent now."""
        self.planned_price, self.planned_discount = price.amount, price.discount
        self.planned_currency, self.planned_terms = price.currency, terms_text(price)

    @property
    def pushed(self) -> Price | None:
        """The price that the marketplace took last."""
        return _price(self.pushed_price, self.pushed_discount, self.pushed_currency, self.pushed_terms)

    def take_pushed(self, price: Price) -> None:
        """Note the price that the marketplace took."""
        self.pushed_price, self.pushed_discount = price.amount, price.discount
        self.pushed_currency, self.pushed_terms = price.currency, terms_text(price)

    @property
    def figures(self) -> Figures:
        """Its figures as they were told last."""
        price = _price(self.price, self.discount_price, self.currency, self.price_terms)
        return Figures(
            self.stock_known, self.on_hand, self.reserved, self.buffer, self.available, price, self.price_invalid
        )

    def take_figures(self, figures: Figures) -> None:
        """Replace its figures."""
        self.stock_known, self.on_hand, self.reserved = figures.known, figures.on_hand, figures.reserved
        self.buffer, self.available, self.price_invalid = figures.buffer, figures.available, figures.price_invalid
        price = figures.price
        self.price, self.discount_price, self.currency = (
            (price.amount, price.discount, price.currency) if price else (None, None, None)
        )
        self.price_terms = terms_text(price)


COLUMNS = tuple(field.name for field in fields(Offer))
FIGURE_COLUMNS: Mapping[str, str] = {
    "on_hand": "bigint",
    "reserved": "bigint",
    "buffer": "int",
    "available": "bigint",
    "stock_known": "bool",
    "price": "numeric",
    "discount_price": "numeric",
    "currency": "text",
    "price_terms": "text",
    "price_due_at": "timestamptz",
    "price_invalid": "bool",
    "changed_at": "timestamptz",
    "told": "bool",
    "push_version": "bigint",
    "planned_quantity": "bigint",
    "planned_price": "numeric",
    "planned_discount": "numeric",
    "planned_currency": "text",
    "planned_terms": "text",
}
PUSH_COLUMNS: Mapping[str, str] = {
    "pushed_quantity": "bigint",
    "quantity_pushed_at": "timestamptz",
    "quantity_rejected": "text",
    "pushed_price": "numeric",
    "pushed_discount": "numeric",
    "pushed_currency": "text",
    "pushed_terms": "text",
    "price_left_out": "text",
    "check_at": "timestamptz",
    "drift_seen": "int",
    "price_pushed_at": "timestamptz",
    "price_rejected": "text",
}
CHECK_COLUMNS: Mapping[str, str] = {
    "check_at": "timestamptz",
    "drift_seen": "int",
    "drift_pushes": "int",
    "shown": "text",
    "shown_at": "timestamptz",
}


def _update(columns: Mapping[str, str]) -> str:
    arrays = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(columns.values(), start=3))
    names = ", ".join(columns)
    setters = ", ".join(f"{name} = t.{name}" for name in columns)
    return (
        f"UPDATE offers f SET {setters} FROM unnest($1::uuid[], $2::text[], {arrays})"  # noqa: S608  literals above
        f" AS t(connection_id, offer_sku, {names})"
        " WHERE f.connection_id = t.connection_id AND f.offer_sku = t.offer_sku"
    )


UPDATE_FIGURES = _update(FIGURE_COLUMNS)
UPDATE_PUSHES = _update(PUSH_COLUMNS)
UPDATE_CHECKS = _update(CHECK_COLUMNS)
TO_CHECK = """
SELECT * FROM offers WHERE check_at <= $2 AND connection_id = (
    SELECT connection_id FROM offers WHERE connection_id = ANY($1) AND check_at <= $2 ORDER BY check_at LIMIT 1)
ORDER BY check_at LIMIT $3
"""


def _price(amount: Decimal | None, discount: Decimal | None, currency: str | None, terms: str) -> Price | None:
    return price_from(amount, discount, currency, terms) if amount is not None and currency is not None else None


def offer_of(row: asyncpg.Record) -> Offer:
    """The offer that a row holds."""
    return Offer(**{name: row[name] for name in COLUMNS})


async def offers_by_pair(conn: Conn, pairs: Collection[Pair]) -> dict[Pair, Offer]:
    """These offers, as far as they exist, locked in one order for everybody."""
    rows = await conn.fetch(LOCK_PAIRS, [pair[0] for pair in pairs], [pair[1] for pair in pairs])
    return {(row["connection_id"], row["offer_sku"]): offer_of(row) for row in rows}


async def save_served(conn: Conn, served: Mapping[Pair, tuple[str, Served]]) -> None:
    """Write down who serves offers: (tenant, served) by pair."""
    await conn.execute(
        UPSERT_SERVED,
        [pair[0] for pair in served],
        [pair[1] for pair in served],
        [tenant for tenant, _ in served.values()],
        [each.shop_connection_id for _, each in served.values()],
        [each.shop_sku for _, each in served.values()],
        [each.serving.value for _, each in served.values()],
    )


async def lock_offers(conn: Conn, skus: Collection[Sku]) -> list[Offer]:
    """All offers of these shop SKUs, locked before anything is added up: the second to come sees the first's facts."""
    rows = await conn.fetch(LOCK, [sku[0] for sku in skus], [sku[1] for sku in skus])
    return [offer_of(row) for row in rows]


async def shelves(conn: Conn, skus: Collection[Sku]) -> dict[Sku, Shelf]:
    """What is known of these shop SKUs, reservations of all marketplace connections added up."""
    shops, names = [sku[0] for sku in skus], [sku[1] for sku in skus]
    rows = await conn.fetch(SHELVES, shops, names)
    own, channels = _by_channel(await conn.fetch(PRICES, shops, names))
    found: dict[Sku, Shelf] = {}
    for row in rows:
        sku = row["shop"], row["sku"]
        price, priced_at = own.get(sku, (None, None))
        found[sku] = Shelf(
            on_hand=row["on_hand"],
            stated_at=row["stated_at"],
            reserved=row["reserved"],
            price=price,
            price_invalid=sku in own and price is None,
            priced_at=priced_at,
            channels=channels.get(sku, {}),
        )
    return found


def stated_price(row: asyncpg.Record) -> Price | None:
    """The price of a row of `shop_prices`, None when it may not be sent."""
    return sound_price(
        row["price"], row["discount_price"], row["currency"], row["discount_from"], row["discount_until"]
    )


def _by_channel(
    rows: Sequence[asyncpg.Record],
) -> tuple[dict[Sku, tuple[Price | None, datetime]], dict[Sku, dict[str, Price | None]]]:
    own: dict[Sku, tuple[Price | None, datetime]] = {}
    channels: dict[Sku, dict[str, Price | None]] = {}
    for row in rows:
        sku, price = (row["shop_connection_id"], row["shop_sku"]), stated_price(row)
        if row["channel"]:
            channels.setdefault(sku, {})[row["channel"]] = price
        else:
            own[sku] = price, row["reported_at"]
    return own, channels


async def price_due(conn: Conn, now: datetime, limit: int) -> list[Offer]:
    """Offers whose price has become another one by itself, the oldest first; not locked."""
    rows = await conn.fetch("SELECT * FROM offers WHERE price_due_at <= $1 ORDER BY price_due_at LIMIT $2", now, limit)
    return [offer_of(row) for row in rows]


async def pass_moments(conn: Conn, pairs: Collection[Pair], now: datetime) -> None:
    """Forget moments that are over. The offers are locked already (`lock_offers`)."""
    await conn.execute(
        "UPDATE offers f SET price_due_at = NULL FROM unnest($1::uuid[], $2::text[]) AS t(c, s)"
        " WHERE f.connection_id = t.c AND f.offer_sku = t.s AND f.price_due_at <= $3",
        [pair[0] for pair in pairs],
        [pair[1] for pair in pairs],
        now,
    )


async def save_figures(conn: Conn, offers: Sequence[Offer]) -> None:
    """Write figures and plans of offers back."""
    await _save(conn, UPDATE_FIGURES, FIGURE_COLUMNS, offers)


async def save_pushes(conn: Conn, offers: Sequence[Offer]) -> None:
    """Write what the marketplace took or refused."""
    await _save(conn, UPDATE_PUSHES, PUSH_COLUMNS, offers)


async def to_check(
    pool: asyncpg.Pool[asyncpg.Record], connection_ids: Sequence[UUID], now: datetime, limit: int
) -> list[Offer]:
    """Offers of one of these connections that are to be looked at, the one that waits longest; not locked."""
    return [offer_of(row) for row in await pool.fetch(TO_CHECK, list(connection_ids), now, limit)]


async def save_checks(conn: Conn, offers: Sequence[Offer]) -> None:
    """Write down what the marketplace showed and what follows."""
    await _save(conn, UPDATE_CHECKS, CHECK_COLUMNS, offers)


async def _save(conn: Conn, statement: str, columns: Mapping[str, str], offers: Sequence[Offer]) -> None:
    if offers:
        values: list[list[Any]] = [[getattr(offer, name) for offer in offers] for name in columns]
        await conn.execute(statement, [o.connection_id for o in offers], [o.offer_sku for o in offers], *values)
