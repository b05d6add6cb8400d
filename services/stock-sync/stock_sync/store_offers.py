"""SQL about offers: their figures, what was planned and what the marketplace took."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from stock_sync.domain import Figures, Price, Shelf, sound_price
from stock_sync.serving import Pair, Served, Serving, Sku

Conn: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

UPSERT_SERVED = """
INSERT INTO offers (connection_id, offer_sku, tenant, shop_connection_id, shop_sku, serving)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[])
     AS t(connection_id, offer_sku, tenant, shop_connection_id, shop_sku, serving)
ORDER BY connection_id, offer_sku
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
SELECT t.shop, t.sku, k.on_hand, k.stated_at, coalesce(r.reserved, 0) AS reserved,
       p.price, p.discount_price, p.currency, p.reported_at AS priced_at
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
LEFT JOIN shop_prices p ON p.shop_connection_id = t.shop AND p.shop_sku = t.sku AND p.channel = ''
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
        return _price(self.planned_price, self.planned_discount, self.planned_currency)

    @property
    def figures(self) -> Figures:
        """Its figures as they were told last."""
        price = _price(self.price, self.discount_price, self.currency)
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
    "price_invalid": "bool",
    "changed_at": "timestamptz",
    "told": "bool",
    "push_version": "bigint",
    "planned_quantity": "bigint",
    "planned_price": "numeric",
    "planned_discount": "numeric",
    "planned_currency": "text",
}
PUSH_COLUMNS: Mapping[str, str] = {
    "pushed_quantity": "bigint",
    "quantity_pushed_at": "timestamptz",
    "quantity_rejected": "text",
    "pushed_price": "numeric",
    "pushed_discount": "numeric",
    "pushed_currency": "text",
    "price_pushed_at": "timestamptz",
    "price_rejected": "text",
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


def _price(amount: Decimal | None, discount: Decimal | None, currency: str | None) -> Price | None:
    return Price(amount, discount, currency) if amount is not None and currency is not None else None


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
    rows = await conn.fetch(SHELVES, [sku[0] for sku in skus], [sku[1] for sku in skus])
    found: dict[Sku, Shelf] = {}
    for row in rows:
        priced = row["price"] is not None
        price = sound_price(row["price"], row["discount_price"], row["currency"]) if priced else None
        found[row["shop"], row["sku"]] = Shelf(
            on_hand=row["on_hand"],
            stated_at=row["stated_at"],
            reserved=row["reserved"],
            price=price,
            price_invalid=priced and price is None,
            priced_at=row["priced_at"],
        )
    return found


async def save_figures(conn: Conn, offers: Sequence[Offer]) -> None:
    """Write figures and plans of offers back."""
    await _save(conn, UPDATE_FIGURES, FIGURE_COLUMNS, offers)


async def save_pushes(conn: Conn, offers: Sequence[Offer]) -> None:
    """Write what the marketplace took or refused."""
    await _save(conn, UPDATE_PUSHES, PUSH_COLUMNS, offers)


async def _save(conn: Conn, statement: str, columns: Mapping[str, str], offers: Sequence[Offer]) -> None:
    if offers:
        values: list[list[Any]] = [[getattr(offer, name) for offer in offers] for name in columns]
        await conn.execute(statement, [o.connection_id for o in offers], [o.offer_sku for o in offers], *values)
