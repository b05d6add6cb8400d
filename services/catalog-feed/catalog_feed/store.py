"""SQL about what a feed is made of: offers, products, shipping templates."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import asyncpg

from catalog_feed.domain import Article
from catalog_feed.grids import GridRule, Template
from catalog_feed.products import TEXTS, GivenProduct, Product
from hub_contracts.envelope import Event
from hub_contracts.stock import OfferChanged, OfferPushed

Conn: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

UPSERT_OFFERS = """
INSERT INTO offers (connection_id, offer_sku, environment, shop_connection_id, shop_sku, available, price, currency,
                    version, changed_at, priced_at)
SELECT t.connection_id, t.offer_sku, t.environment, t.shop_connection_id, t.shop_sku, t.available, t.price, t.currency,
       t.version, t.changed_at,
       CASE WHEN t.repriced_at IS NOT NULL THEN t.repriced_at
            WHEN o.connection_id IS NULL THEN CASE WHEN t.first_price IS NOT NULL THEN t.first_at END
            WHEN (o.price, o.currency) IS DISTINCT FROM (t.first_price, t.first_currency) THEN t.first_at
            ELSE o.priced_at END
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::bigint[], $7::numeric[], $8::text[],
            $9::bigint[], $10::timestamptz[], $11::numeric[], $12::text[], $13::timestamptz[], $14::timestamptz[])
     AS t(connection_id, offer_sku, environment, shop_connection_id, shop_sku, available, price, currency, version,
          changed_at, first_price, first_currency, first_at, repriced_at)
LEFT JOIN offers o ON o.connection_id = t.connection_id AND o.offer_sku = t.offer_sku
ORDER BY t.connection_id, t.offer_sku
ON CONFLICT (connection_id, offer_sku) DO UPDATE SET environment = excluded.environment,
    shop_connection_id = excluded.shop_connection_id, shop_sku = excluded.shop_sku, available = excluded.available,
    price = excluded.price, currency = excluded.currency, version = excluded.version, changed_at = excluded.changed_at,
    priced_at = excluded.priced_at
WHERE offers.version < excluded.version
RETURNING connection_id
"""

PUSHED = """
UPDATE offers o SET pushed_at = t.at
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS t(connection_id, offer_sku, at)
WHERE o.connection_id = t.connection_id AND o.offer_sku = t.offer_sku
"""

UPSERT_PRODUCTS = """
INSERT INTO products (shop_connection_id, shop_sku, tenant, ean, sku_manufacturer, brand, title, description, category,
                      condition, weight, min_quantity, images, updated_at, updated_by)
SELECT t.shop, t.sku, t.tenant, t.ean, t.sku_manufacturer, t.brand, t.title, t.description, t.category, t.condition,
       t.weight, t.min_quantity, coalesce(string_to_array(nullif(t.images, ''), E'\\n'), '{}'), $14, $15
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::text[], $11::numeric[], $12::int[], $13::text[])
     AS t(shop, sku, tenant, ean, sku_manufacturer, brand, title, description, category, condition, weight,
          min_quantity, images)
ORDER BY t.shop, t.sku
ON CONFLICT (shop_connection_id, shop_sku) DO UPDATE SET ean = excluded.ean, brand = excluded.brand,
    sku_manufacturer = excluded.sku_manufacturer, title = excluded.title, description = excluded.description,
    category = excluded.category, condition = excluded.condition, weight = excluded.weight,
    min_quantity = excluded.min_quantity, images = excluded.images, updated_at = excluded.updated_at,
    updated_by = excluded.updated_by
"""

ARTICLES = """
SELECT o.offer_sku, o.available, o.price, o.currency, p.shop_sku IS NOT NULL AS described, p.*, a.templates
FROM offers o
LEFT JOIN products p ON p.shop_connection_id = o.shop_connection_id AND p.shop_sku = o.shop_sku
LEFT JOIN (
    SELECT offer_sku, array_agg(template ORDER BY template) AS templates FROM template_assignments
    WHERE connection_id = $1 GROUP BY offer_sku
) a ON a.offer_sku = o.offer_sku
WHERE o.connection_id = $1 AND o.environment = $2
"""


async def save_offers(conn: Conn, events: Sequence[Event[OfferChanged]]) -> set[UUID]:
    """Keep the newest word on each offer; returns the marketplace connections it changed something for."""
    words = _words(events)
    data = [word.newest.data for word in words]
    first = [word.first for word in words]
    rows = await conn.fetch(
        UPSERT_OFFERS,
        [d.connection_id for d in data],
        [d.offer_sku for d in data],
        [d.environment.value for d in data],
        [d.shop_connection_id for d in data],
        [d.shop_sku for d in data],
        [d.available for d in data],
        [d.price.amount if d.price else None for d in data],
        [d.price.currency if d.price else None for d in data],
        [word.newest.meta.aggregate_version for word in words],
        [d.changed_at for d in data],
        [d.price.amount if d.price else None for d in first],
        [d.price.currency if d.price else None for d in first],
        [d.changed_at for d in first],
        [word.repriced_at for word in words],
    )
    return {row["connection_id"] for row in rows}


@dataclass(frozen=True, slots=True)
class _Word:
    """What a batch says of one offer. `repriced_at`: when its price last changed inside of the batch."""

    newest: Event[OfferChanged]
    first: OfferChanged
    repriced_at: datetime | None


def _words(events: Sequence[Event[OfferChanged]]) -> list[_Word]:
    """One word per offer, the same however its events are spread over batches: a price that went and came back in one
    batch has changed all the same."""
    found: dict[tuple[UUID, str], _Word] = {}
    for event in sorted(events, key=lambda each: each.meta.aggregate_version):
        data, key = event.data, (event.data.connection_id, event.data.offer_sku)
        known = found.get(key)
        if known is None:
            found[key] = _Word(event, data, None)
        else:
            repriced = data.changed_at if data.price != known.newest.data.price else known.repriced_at
            found[key] = _Word(event, known.first, repriced)
    return list(found.values())


async def note_pushed(conn: Conn, events: Sequence[Event[OfferPushed]]) -> None:
    """The marketplace took something about these offers, so it has them since then at the latest."""
    last = {(event.data.connection_id, event.data.offer_sku): event.meta.time for event in events}
    await conn.execute(PUSHED, [own for own, _ in last], [sku for _, sku in last], list(last.values()))


async def save_products(
    conn: Conn, given: Sequence[GivenProduct], tenants: Mapping[UUID, str], now: datetime, login: str
) -> set[UUID]:
    """Replace these products whole; returns the marketplace connections that sell one of them."""
    await conn.execute(
        UPSERT_PRODUCTS,
        [g.shop_connection_id for g in given],
        [g.shop_sku for g in given],
        [tenants[g.shop_connection_id] for g in given],
        [g.product.ean for g in given],
        *([getattr(g.product, name) for g in given] for name in TEXTS),
        [g.product.weight for g in given],
        [g.product.min_quantity for g in given],
        ["\n".join(g.product.images) for g in given],
        now,
        login,
    )
    rows = await conn.fetch(
        "SELECT DISTINCT o.connection_id FROM offers o JOIN unnest($1::uuid[], $2::text[]) AS t(shop, sku)"
        " ON o.shop_connection_id = t.shop AND o.shop_sku = t.sku",
        [g.shop_connection_id for g in given],
        [g.shop_sku for g in given],
    )
    return {row["connection_id"] for row in rows}


async def articles(conn: Conn, connection_id: UUID, environment: str) -> list[Article]:
    """Everything that this connection sells, with what is known of it. Offers of the other environment are left out."""
    return [_article(row) for row in await conn.fetch(ARTICLES, connection_id, environment)]


def _article(row: asyncpg.Record) -> Article:
    return Article(
        sku=row["offer_sku"],
        quantity=row["available"],
        price=row["price"],
        currency=row["currency"],
        product=product_of(row) if row["described"] else None,
        templates=tuple(row["templates"] or ()),
    )


def product_of(row: asyncpg.Record) -> Product:
    """The product that a row holds."""
    names = ("ean", *TEXTS, "weight", "min_quantity")
    return Product(**{name: row[name] for name in names}, images=tuple(row["images"]))


async def templates(conn: Conn, connection_id: UUID) -> list[Template]:
    """Shipping templates of a connection."""
    rows = await conn.fetch("SELECT * FROM shipping_templates WHERE connection_id = $1 ORDER BY name", connection_id)
    return [
        Template(row["name"], row["lead_days_min"], row["lead_days_max"], row["active"], row["is_default"])
        for row in rows
    ]


async def grid_rules(conn: Conn, connection_id: UUID) -> list[GridRule]:
    """Rules that say which options articles have; the first that matches wins."""
    rows = await conn.fetch("SELECT * FROM grid_rules WHERE connection_id = $1 ORDER BY position", connection_id)
    return [
        GridRule(
            row["name"],
            tuple(row["grids"]),
            row["sku_prefix"],
            row["weight_from"],
            row["weight_below"],
            row["price_from"],
            row["price_below"],
        )
        for row in rows
    ]


async def set_grid_rules(conn: Conn, connection_id: UUID, rules: Sequence[GridRule]) -> None:
    """Replace all rules of a connection."""
    await conn.execute("DELETE FROM grid_rules WHERE connection_id = $1", connection_id)
    await conn.executemany(
        "INSERT INTO grid_rules (connection_id, position, name, grids, sku_prefix, weight_from, weight_below,"
        " price_from, price_below) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        [
            (
                connection_id,
                at,
                rule.name,
                list(rule.grids),
                rule.sku_prefix,
                rule.weight_from,
                rule.weight_below,
                rule.price_from,
                rule.price_below,
            )
            for at, rule in enumerate(rules)
        ],
    )


async def assign(conn: Conn, connection_id: UUID, assignments: Mapping[str, Iterable[str]]) -> None:
    """Replace the templates named for these offers; none named = the default ones."""
    pairs = sorted({(sku, name) for sku, names in assignments.items() for name in names})
    await conn.execute(
        "DELETE FROM template_assignments WHERE connection_id = $1 AND offer_sku = ANY($2)",
        connection_id,
        list(assignments),
    )
    await conn.execute(
        "INSERT INTO template_assignments (connection_id, offer_sku, template)"
        " SELECT $1, t.sku, t.name FROM unnest($2::text[], $3::text[]) AS t(sku, name)",
        connection_id,
        [sku for sku, _ in pairs],
        [name for _, name in pairs],
    )


async def mark_changed(conn: Conn, connection_ids: Collection[UUID], now: datetime) -> None:
    """The feeds of these connections must be built again. Counted, so that a change during a build is not lost."""
    await conn.execute(
        "UPDATE feed_profiles p SET changes = changes + 1, dirty_since = coalesce(dirty_since, $2)"
        " FROM (SELECT connection_id, feed FROM feed_profiles WHERE connection_id = ANY($1) ORDER BY 1, 2 FOR UPDATE) t"
        " WHERE p.connection_id = t.connection_id AND p.feed = t.feed",
        list(connection_ids),
        now,
    )
