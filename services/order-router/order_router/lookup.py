"""All SQL about what routing looks at (shops, links, stock, choices) and about who waits for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from hub_common.connections import Connection
from hub_common.sku_links import load_links
from hub_contracts.connections import ConnectionChanged, ConnectionKind, ConnectionState, SkuSettings
from hub_contracts.envelope import Event
from hub_contracts.orders import Environment
from hub_contracts.stock import OfferChanged
from order_router.domain import Choice, Facts, Link, Shop, own_sku
from order_router.matching import fold
from order_router.store import Conn, StoredOrder

MAX_CANDIDATES = 5
"""More than a person compares at a glance."""

UPSERT_SHOPS = """
INSERT INTO shops (shop_connection_id, tenant, environment, state, label, version)
SELECT DISTINCT ON (t.id) t.* FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])
    AS t(id, tenant, environment, state, label, version)
ORDER BY t.id, t.version DESC
ON CONFLICT (shop_connection_id) DO UPDATE SET tenant = excluded.tenant, environment = excluded.environment,
    state = excluded.state, label = excluded.label, version = excluded.version
WHERE shops.version < excluded.version
"""

UPSERT_SHELF = """
INSERT INTO shelf (shop_connection_id, shop_sku, tenant, environment, folded, on_hand, changed_at)
SELECT DISTINCT ON (t.shop, t.sku) t.*
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::timestamptz[])
    AS t(shop, sku, tenant, environment, folded, on_hand, changed_at)
ORDER BY t.shop, t.sku, t.changed_at DESC
ON CONFLICT (shop_connection_id, shop_sku) DO UPDATE SET tenant = excluded.tenant, environment = excluded.environment,
    on_hand = excluded.on_hand, changed_at = excluded.changed_at
WHERE shelf.changed_at <= excluded.changed_at
"""

NEAR = """
SELECT w.tenant, w.environment, w.folded, n.shop_connection_id, n.shop_sku
FROM unnest($1::text[], $2::text[], $3::text[]) AS w(tenant, environment, folded)
CROSS JOIN LATERAL (
    SELECT shop_connection_id, shop_sku FROM shelf s
    WHERE s.tenant = w.tenant AND s.environment = w.environment AND s.folded = w.folded
    ORDER BY s.shop_sku, s.shop_connection_id LIMIT $4
) n
"""

SAVE_CHOICES = """
INSERT INTO choices (order_id, line_id, shop_connection_id, warehouse, shop_sku, actor, reason, chosen_at)
SELECT $1, t.line_id, t.shop, t.warehouse, t.sku, $6, $7, $8
FROM unnest($2::text[], $3::uuid[], $4::text[], $5::text[]) AS t(line_id, shop, warehouse, sku)
ON CONFLICT (order_id, line_id) DO UPDATE SET shop_connection_id = excluded.shop_connection_id,
    warehouse = excluded.warehouse, shop_sku = excluded.shop_sku, actor = excluded.actor, reason = excluded.reason,
    chosen_at = excluded.chosen_at
"""


async def save_shops(conn: Conn, events: Sequence[Event[ConnectionChanged]]) -> None:
    """Keep the newest word on each shop connection."""
    shops = [event for event in events if event.data.kind is ConnectionKind.SHOP]
    await conn.execute(
        UPSERT_SHOPS,
        [e.data.connection_id for e in shops],
        [e.meta.tenant for e in shops],
        [e.data.environment.value for e in shops],
        [e.data.state.value for e in shops],
        [e.data.label for e in shops],
        [e.meta.aggregate_version for e in shops],
    )


async def save_shelf(conn: Conn, events: Sequence[Event[OfferChanged]]) -> None:
    """Keep the newest number of units of each shop SKU; an older statement never overwrites it."""
    await conn.execute(
        UPSERT_SHELF,
        [e.data.shop_connection_id for e in events],
        [e.data.shop_sku for e in events],
        [e.meta.tenant for e in events],
        [e.data.environment.value for e in events],
        [fold(e.data.shop_sku) for e in events],
        [e.data.on_hand for e in events],
        [e.data.changed_at for e in events],
    )


async def save_choices(
    conn: Conn, order_id: UUID, choices: Sequence[tuple[str, Choice]], actor: str, reason: str, at: datetime
) -> None:
    """Keep what an operator chose: (line, choice)."""
    await conn.execute(
        SAVE_CHOICES,
        order_id,
        [line_id for line_id, _ in choices],
        [choice.shop_connection_id for _, choice in choices],
        [choice.warehouse for _, choice in choices],
        [choice.shop_sku for _, choice in choices],
        actor,
        reason,
        at,
    )


async def load_shops(conn: Conn, tenants: Iterable[str]) -> dict[str, dict[UUID, Shop]]:
    """All shops of these tenants, by tenant and id. Another tenant's shop can therefore never be chosen."""
    found: dict[str, dict[UUID, Shop]] = defaultdict(dict)
    for row in await conn.fetch("SELECT * FROM shops WHERE tenant = ANY($1)", list(set(tenants))):
        found[row["tenant"]][row["shop_connection_id"]] = Shop(
            row["shop_connection_id"],
            Environment(row["environment"]),
            ConnectionState(row["state"]),
            row["label"],
        )
    return found


async def load_facts(conn: Conn, orders: Sequence[StoredOrder], known: dict[UUID, Connection]) -> dict[UUID, Facts]:
    """What the decision on each of these orders may look at; orders of unknown connections are left out."""
    orders = [order for order in orders if order.snapshot is not None and order.connection_id in known]
    shops = await load_shops(conn, (order.tenant for order in orders))
    pairs = {(o.connection_id, line.offer_sku) for o in orders if o.snapshot for line in o.snapshot.lines}
    links: dict[UUID, dict[str, Link]] = defaultdict(dict)
    for link in (await load_links(conn, pairs)).values():
        links[link.connection_id][link.offer_sku] = Link(link.shop_connection_id, link.shop_sku)
    choices = await load_choices(conn, [order.order_id for order in orders])
    stock = await _stock(conn, orders, known, shops)
    return {
        order.order_id: Facts(
            sku=known[order.connection_id].data.settings.sku,
            rules=known[order.connection_id].data.settings.routing,
            shops=shops.get(order.tenant, {}),
            links=links.get(order.connection_id, {}),
            stock=stock,
            choices=choices.get(order.order_id, {}),
        )
        for order in orders
    }


async def _stock(
    conn: Conn, orders: Sequence[StoredOrder], known: dict[UUID, Connection], shops: dict[str, dict[UUID, Shop]]
) -> dict[tuple[UUID, str], int]:
    """Units of passed-through SKUs at every shop of the tenant: only there several shops can stand for one line."""
    wanted = {
        (shop_id, sku)
        for order in orders
        if order.snapshot and len(shops.get(order.tenant, {})) > 1
        for sku in _passed_through(order, known[order.connection_id].data.settings.sku)
        for shop_id in shops[order.tenant]
    }
    if not wanted:
        return {}
    rows = await conn.fetch(
        "SELECT s.shop_connection_id, s.shop_sku, s.on_hand FROM shelf s JOIN unnest($1::uuid[], $2::text[]) AS t(c, k)"
        " ON s.shop_connection_id = t.c AND s.shop_sku = t.k",
        [pair[0] for pair in wanted],
        [pair[1] for pair in wanted],
    )
    return {(row["shop_connection_id"], row["shop_sku"]): row["on_hand"] for row in rows}


def _passed_through(order: StoredOrder, sku: SkuSettings) -> set[str]:
    if sku.link_mode != "pass_through" or order.snapshot is None:
        return set()
    return {own for line in order.snapshot.lines if (own := own_sku(line, sku))}


async def load_choices(conn: Conn, order_ids: Sequence[UUID]) -> dict[UUID, dict[str, Choice]]:
    """What operators chose, by order and line."""
    found: dict[UUID, dict[str, Choice]] = defaultdict(dict)
    for row in await conn.fetch("SELECT * FROM choices WHERE order_id = ANY($1)", list(order_ids)):
        found[row["order_id"]][row["line_id"]] = Choice(
            row["shop_connection_id"], row["actor"], row["reason"], row["warehouse"], row["shop_sku"]
        )
    return found


Near = dict[tuple[str, str, str], list[dict[str, str]]]


async def load_near(conn: Conn, wanted: Iterable[tuple[str, Environment, str]]) -> Near:
    """Shop SKUs that read the same as these SKUs when folded: by (tenant, environment, SKU)."""
    folded = {(tenant, environment.value, sku): fold(sku) for tenant, environment, sku in wanted}
    folded = {key: text for key, text in folded.items() if text}
    if not folded:
        return {}
    rows = await conn.fetch(
        NEAR, [key[0] for key in folded], [key[1] for key in folded], list(folded.values()), MAX_CANDIDATES
    )
    by_fold: Near = defaultdict(list)
    for row in rows:
        found = {"shop_connection_id": str(row["shop_connection_id"]), "shop_sku": row["shop_sku"]}
        if found not in by_fold[row["tenant"], row["environment"], row["folded"]]:
            by_fold[row["tenant"], row["environment"], row["folded"]].append(found)
    return {key: by_fold.get((key[0], key[1], text), []) for key, text in folded.items()}


async def waiting_for_links(conn: Conn, pairs: Sequence[tuple[UUID, str]]) -> list[UUID]:
    """Orders with a line that waits for a fact about one of these (connection, SKU) pairs."""
    rows = await conn.fetch(
        "SELECT DISTINCT w.order_id FROM waits w JOIN unnest($1::uuid[], $2::text[]) AS t(c, s)"
        " ON w.connection_id = t.c AND w.sku = t.s",
        [pair[0] for pair in pairs],
        [pair[1] for pair in pairs],
    )
    return [row["order_id"] for row in rows]


async def waiting_for_stock(conn: Conn, pairs: Sequence[tuple[str, str]]) -> list[UUID]:
    """Orders with a line that waits for a shop that has one of these (tenant, shop SKU) pairs."""
    rows = await conn.fetch(
        "SELECT DISTINCT w.order_id FROM waits w JOIN unnest($1::text[], $2::text[]) AS t(tenant, s)"
        " ON w.tenant = t.tenant AND w.sku = t.s WHERE w.cause = 'no_shop'",
        [pair[0] for pair in pairs],
        [pair[1] for pair in pairs],
    )
    return [row["order_id"] for row in rows]


async def waiting_for_connections(
    conn: Conn, connection_ids: Sequence[UUID], shop_tenants: Sequence[str]
) -> list[UUID]:
    """Orders that wait at these marketplace connections, or for any shop of these tenants."""
    rows = await conn.fetch(
        "SELECT DISTINCT order_id FROM waits WHERE connection_id = ANY($1) OR (tenant = ANY($2) AND cause = ANY($3))",
        list(connection_ids),
        list(shop_tenants),
        ["no_shop", "shop_unknown", "shop_inactive", "environment_mismatch"],
    )
    return [row["order_id"] for row in rows]
