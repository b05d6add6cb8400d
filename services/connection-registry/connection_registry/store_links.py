"""SQL about SKU links. Only links that really change are told, so an import can be repeated without harm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from connection_registry.links import Link
from connection_registry.model import Note, Stored
from connection_registry.store import Conn, audit
from hub_common.sku_links import UPSERT
from hub_common.tx import Cause, Tx
from hub_contracts.connections import SkuLinked

DELETE = "DELETE FROM sku_links WHERE connection_id = $1 AND offer_sku = ANY($2) RETURNING *"


@dataclass(frozen=True, slots=True)
class LinkCounts:
    """What a request did to the links of a connection."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0


async def apply(tx: Tx, owner: Stored, links: Sequence[Link], *, replace: bool, actor: str) -> LinkCounts:
    """Set links of a locked connection; `replace` also removes all that are not given."""
    rows = await tx.conn.fetch("SELECT * FROM sku_links WHERE connection_id = $1", owner.connection_id)
    known = {row["offer_sku"]: _link(row) for row in rows}
    new = [link for link in links if known.get(link.offer_sku) != link]
    added = sum(link.offer_sku not in known for link in new)
    if new:
        await tx.conn.execute(
            UPSERT,
            [owner.connection_id] * len(new),
            [link.offer_sku for link in new],
            [link.shop_connection_id for link in new],
            [link.shop_sku for link in new],
        )
        _tell(tx, owner, new, active=True)
    gone = sorted(set(known) - {link.offer_sku for link in links}) if replace else []
    removed = await _delete(tx, owner, gone)
    if new or removed:
        await audit(tx, owner.connection_id, owner.version, Note("sku_links_changed", ("sku_links",)), actor)
    return LinkCounts(added, len(new) - added, len(links) - len(new), removed)


async def remove(tx: Tx, owner: Stored, offer_skus: Sequence[str], actor: str) -> int:
    """Unlink offers of a locked connection; returns how many were linked."""
    removed = await _delete(tx, owner, offer_skus)
    if removed:
        await audit(tx, owner.connection_id, owner.version, Note("sku_links_removed", ("sku_links",)), actor)
    return removed


async def _delete(tx: Tx, owner: Stored, offer_skus: Sequence[str]) -> int:
    if not offer_skus:
        return 0
    rows = await tx.conn.fetch(DELETE, owner.connection_id, list(offer_skus))
    _tell(tx, owner, [_link(row) for row in rows], active=False)
    return len(rows)


def _tell(tx: Tx, owner: Stored, links: Sequence[Link], *, active: bool) -> None:
    for link in links:
        fact = SkuLinked(
            connection_id=owner.connection_id,
            offer_sku=link.offer_sku,
            shop_connection_id=link.shop_connection_id,
            shop_sku=link.shop_sku,
            active=active,
        )
        tx.emit(fact, key=f"{owner.connection_id}:{link.offer_sku}", cause=Cause(tenant=owner.tenant))


async def page(
    conn: Conn, connection_id: UUID, *, search: str | None, after: str | None, limit: int | None
) -> list[Link]:
    """Links in order of the offer's SKU. `search` is found anywhere in either SKU; no `limit` = all."""
    rows = await conn.fetch(
        "SELECT * FROM sku_links WHERE connection_id = $1"
        " AND ($2::text IS NULL OR strpos(lower(offer_sku), lower($2)) > 0 OR strpos(lower(shop_sku), lower($2)) > 0)"
        " AND ($3::text IS NULL OR offer_sku > $3) ORDER BY offer_sku LIMIT $4",
        connection_id,
        search,
        after,
        limit,
    )
    return [_link(row) for row in rows]


async def find(conn: Conn, connection_id: UUID, offer_sku: str) -> Link | None:
    """The link of one offer."""
    row = await conn.fetchrow(
        "SELECT * FROM sku_links WHERE connection_id = $1 AND offer_sku = $2", connection_id, offer_sku
    )
    return _link(row) if row else None


async def totals(conn: Conn, connection_id: UUID) -> tuple[int, set[UUID]]:
    """How many links a connection has, and the shops that they name."""
    rows = await conn.fetch(
        "SELECT shop_connection_id, count(*) AS n FROM sku_links WHERE connection_id = $1 GROUP BY 1", connection_id
    )
    return sum(row["n"] for row in rows), {row["shop_connection_id"] for row in rows}


def _link(row: asyncpg.Record) -> Link:
    return Link(row["offer_sku"], row["shop_connection_id"], row["shop_sku"])
