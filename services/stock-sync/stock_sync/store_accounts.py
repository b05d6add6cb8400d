"""SQL about who could serve which offer: accounts, links, and which shops know a SKU."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TypeAlias
from uuid import UUID

import asyncpg
import orjson

from hub_common.connections import Connection
from stock_sync.serving import Account, Pair, Sku
from stock_sync.terms import price_terms

Conn: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

UPSERT = """
INSERT INTO accounts (connection_id, tenant, kind, environment, pass_through, by_product_sku, shops, rules)
SELECT r.connection_id, r.tenant, r.kind, r.environment, r.pass_through, r.by_product_sku, r.shops, r.rules
FROM jsonb_populate_recordset(NULL::accounts, $1::jsonb) r ORDER BY r.connection_id
ON CONFLICT (connection_id) DO UPDATE SET tenant = excluded.tenant, kind = excluded.kind,
    environment = excluded.environment, pass_through = excluded.pass_through,
    by_product_sku = excluded.by_product_sku, shops = excluded.shops, rules = excluded.rules
"""

STATED = (
    "SELECT shop_connection_id, shop_sku FROM shop_stock UNION SELECT shop_connection_id, shop_sku FROM shop_prices"
)

PAIRS_OF = """
SELECT connection_id, offer_sku FROM sku_links WHERE connection_id = ANY($1) OR shop_connection_id = ANY($1)
UNION
SELECT connection_id, offer_sku FROM offers WHERE connection_id = ANY($1) OR shop_connection_id = ANY($1)
UNION
SELECT connection_id, offer_sku FROM reservations WHERE connection_id = ANY($1) AND state = 'held'
"""


def account_of(connection: Connection) -> Account:
    """The account of a connection as it now is."""
    data, settings = connection.data, connection.data.settings
    channels = sorted(price_terms(connection).channels) if connection.is_marketplace else []
    rules = (data.state, data.connector, data.credential_ref, *sorted(settings.capabilities_off), *channels)
    return Account(
        connection_id=data.connection_id,
        tenant=connection.tenant,
        kind=data.kind.value,
        environment=data.environment.value,
        pass_through=settings.sku.link_mode == "pass_through" and connection.is_marketplace,
        by_product_sku=settings.sku.sku_source == "product_sku",
        shops=tuple(dict.fromkeys(rule.shop_connection_id for rule in settings.routing)),
        rules=" ".join((*rules, settings.stock.model_dump_json())),
    )


async def lock_tenants(conn: Conn, tenants: Iterable[str], *, alone: bool = False) -> None:
    """Let a change of connections (`alone`) and everything that relies on them see each other.

    Without it a first stock statement and the connection it is meant for, arriving at the same moment in two replicas,
    would each miss the other, and the offer would never come into being.
    """
    function = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    await conn.execute(
        f"SELECT {function}(hashtextextended('stock-sync:' || t.tenant, 0))"  # noqa: S608  one of two literals above
        " FROM (SELECT unnest($1::text[]) AS tenant ORDER BY 1) t",
        sorted(set(tenants)),
    )


async def save_accounts(conn: Conn, accounts: Sequence[Account]) -> None:
    """Keep accounts as they now are."""
    rows = [
        {
            "connection_id": a.connection_id,
            "tenant": a.tenant,
            "kind": a.kind,
            "environment": a.environment,
            "pass_through": a.pass_through,
            "by_product_sku": a.by_product_sku,
            "shops": a.shops,
            "rules": a.rules,
        }
        for a in accounts
    ]
    await conn.execute(UPSERT, orjson.dumps(rows).decode())


def _account(row: asyncpg.Record) -> Account:
    return Account(**{**row, "shops": tuple(row["shops"])})


async def accounts_by_id(conn: Conn, ids: Iterable[UUID]) -> dict[UUID, Account]:
    """Accounts of these connections, as far as they are known."""
    rows = await conn.fetch("SELECT * FROM accounts WHERE connection_id = ANY($1)", list(set(ids)))
    return {row["connection_id"]: _account(row) for row in rows}


async def accounts_of(conn: Conn, tenants: Iterable[str]) -> dict[UUID, Account]:
    """All accounts of these tenants."""
    rows = await conn.fetch("SELECT * FROM accounts WHERE tenant = ANY($1)", list(set(tenants)))
    return {row["connection_id"]: _account(row) for row in rows}


async def stating(conn: Conn, shops: Collection[UUID], skus: Collection[str]) -> dict[str, set[UUID]]:
    """Which of these shops have stated stock or price of these SKUs."""
    rows = await conn.fetch(
        f"SELECT * FROM ({STATED}) s WHERE shop_connection_id = ANY($1) AND shop_sku = ANY($2)",  # noqa: S608
        list(shops),
        list(skus),
    )
    found: dict[str, set[UUID]] = {}
    for row in rows:
        found.setdefault(row["shop_sku"], set()).add(row["shop_connection_id"])
    return found


async def stated_skus(conn: Conn, shops: Collection[UUID]) -> set[Sku]:
    """Every SKU that these shops have stated."""
    rows = await conn.fetch(f"SELECT * FROM ({STATED}) s WHERE shop_connection_id = ANY($1)", list(shops))  # noqa: S608
    return {(row["shop_connection_id"], row["shop_sku"]) for row in rows}


async def pairs_of(conn: Conn, connection_ids: Collection[UUID]) -> set[Pair]:
    """Offers that have to do with these connections: by link, by being served, by an open order."""
    rows = await conn.fetch(PAIRS_OF, list(connection_ids))
    return {(row["connection_id"], row["offer_sku"]) for row in rows}


async def skus_around(conn: Conn, connection_ids: Collection[UUID]) -> list[tuple[UUID, Sku]]:
    """Shop SKUs behind the offers of these marketplace connections, as (connection, shop SKU)."""
    rows = await conn.fetch(
        "SELECT connection_id, shop_connection_id, shop_sku FROM offers WHERE connection_id = ANY($1)",
        list(connection_ids),
    )
    return [(row["connection_id"], (row["shop_connection_id"], row["shop_sku"])) for row in rows]
