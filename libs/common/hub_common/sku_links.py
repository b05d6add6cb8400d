"""A service's own copy of the SKU links, and the one rule by which an offer's SKU becomes a shop's SKU."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.connections import SkuLinked
from hub_contracts.envelope import Event

UPSERT = """
INSERT INTO sku_links (connection_id, offer_sku, shop_connection_id, shop_sku)
SELECT t.connection_id, t.offer_sku, t.shop_connection_id, t.shop_sku
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[]) AS t(connection_id, offer_sku, shop_connection_id, shop_sku)
ON CONFLICT (connection_id, offer_sku) DO UPDATE
    SET shop_connection_id = excluded.shop_connection_id, shop_sku = excluded.shop_sku
"""


@dataclass(frozen=True, slots=True)
class SkuLink:
    """An offer's SKU at a marketplace connection is served by a SKU of a shop connection."""

    connection_id: UUID
    offer_sku: str
    shop_connection_id: UUID
    shop_sku: str


async def on_sku_linked(tx: Tx, events: Sequence[Event[SkuLinked]]) -> None:
    """Keep the last word on each link."""
    last = {(e.data.connection_id, e.data.offer_sku): e.data for e in events}
    gone = [key for key, data in last.items() if not data.active]
    kept = [data for data in last.values() if data.active]
    if gone:
        await tx.conn.execute(
            "DELETE FROM sku_links l USING unnest($1::uuid[], $2::text[]) AS t(c, s)"
            " WHERE l.connection_id = t.c AND l.offer_sku = t.s",
            [key[0] for key in gone],
            [key[1] for key in gone],
        )
    if kept:
        await tx.conn.execute(
            UPSERT,
            [d.connection_id for d in kept],
            [d.offer_sku for d in kept],
            [d.shop_connection_id for d in kept],
            [d.shop_sku for d in kept],
        )


ROUTES: Routes = {SkuLinked: on_sku_linked}


async def load_links(
    conn: asyncpg.Connection[asyncpg.Record], pairs: Iterable[tuple[UUID, str]]
) -> dict[tuple[UUID, str], SkuLink]:
    """Links of (connection, offer SKU) pairs, in one statement."""
    wanted = list(set(pairs))
    rows = await conn.fetch(
        "SELECT l.* FROM sku_links l JOIN unnest($1::uuid[], $2::text[]) AS t(c, s)"
        " ON l.connection_id = t.c AND l.offer_sku = t.s",
        [pair[0] for pair in wanted],
        [pair[1] for pair in wanted],
    )
    return {(r["connection_id"], r["offer_sku"]): SkuLink(**r) for r in rows}
