"""Routes about the go-live checklist of a connection."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Path

from catalog_feed.bodies import TickBody
from catalog_feed.desk import marketplace
from catalog_feed.golive import Facts, items_of, ready, stand
from connector_kit.manifest import Manifest
from hub_common.web import Operator, Problem, Role, operator

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]
Item = Annotated[str, Path(min_length=1, max_length=100)]

FACTS = """
SELECT f.feeds, f.published, f.feed_problems, f.last_fetched_at, l.listed + o.pushed AS listed, l.refused,
       i.failed AS last_import_failed
FROM (SELECT count(*) AS feeds, count(published_version) AS published,
             coalesce(sum(jsonb_array_length(problems)), 0) AS feed_problems,
             CASE WHEN count(last_fetched_at) = count(*) THEN min(last_fetched_at) END AS last_fetched_at
      FROM feed_profiles WHERE connection_id = $1) f,
     (SELECT count(*) FILTER (WHERE state = 'listed') AS listed,
             count(*) FILTER (WHERE state = 'rejected') AS refused
      FROM listings WHERE connection_id = $1) l,
     (SELECT count(*) AS pushed FROM offers o WHERE o.connection_id = $1 AND o.pushed_at IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM listings x WHERE x.connection_id = $1 AND x.offer_sku = o.offer_sku)) o,
     (SELECT (SELECT coalesce((counters->>'rows_failed')::bigint, 1) FROM product_imports
              WHERE connection_id = $1 AND state IN ('ended', 'failed') ORDER BY ended_at DESC LIMIT 1) AS failed) i
"""


def go_live_router(runtime: Runtime) -> APIRouter:
    """Routes below `/v1/connections/{id}/go-live`."""
    router = APIRouter(prefix="/v1/connections/{connection_id}/go-live", tags=["go-live"])

    @router.get("")
    async def show(connection_id: UUID) -> dict[str, Any]:
        """What must be true before the connection goes live, and how it stands."""
        _, manifest = await marketplace(runtime, connection_id)
        return await _shown(runtime, connection_id, manifest)

    @router.put("/{item}")
    async def tick(connection_id: UUID, item: Item, body: TickBody, who: CanAct) -> dict[str, Any]:
        """Say that an item is done, or that it is not."""
        _, manifest = await marketplace(runtime, connection_id)
        found = next((each for each in items_of(manifest, has_feed=True) if each.name == item), None)
        if found is None:
            raise Problem("item-unknown", "No such item", 404, "The checklist of this connection has no such item.")
        if found.check is not None:
            detail = "The hub sees this by itself; nobody can say it."
            raise Problem("item-automatic", "The item is automatic", 409, detail)
        async with runtime.transactions.begin() as tx:
            await tx.conn.execute(
                "INSERT INTO go_live_ticks (connection_id, item, done, note, ticked_by, ticked_at)"
                " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (connection_id, item) DO UPDATE SET done = excluded.done,"
                " note = excluded.note, ticked_by = excluded.ticked_by, ticked_at = excluded.ticked_at",
                connection_id,
                item,
                body.done,
                body.note,
                who.login,
                tx.now,
            )
        return await _shown(runtime, connection_id, manifest)

    return router


async def _shown(runtime: Runtime, connection_id: UUID, manifest: Manifest) -> dict[str, Any]:
    row = await runtime.pool.fetchrow(FACTS, connection_id)
    assert row is not None, "counting always gives a row"
    facts = Facts(**dict(row))
    rows = await runtime.pool.fetch("SELECT * FROM go_live_ticks WHERE connection_id = $1", connection_id)
    ticked = {each["item"]: each for each in rows}
    ticks = {name: (each["done"], _words(each)) for name, each in ticked.items()}
    now: datetime = runtime.clock.now()
    standings = [(item, stand(item, facts, ticks, now)) for item in items_of(manifest, has_feed=facts.feeds > 0)]
    return {
        "connection_id": connection_id,
        "ready": ready([standing for _, standing in standings]),
        "items": [
            {
                "name": item.name,
                "title": item.title,
                "help": item.help,
                "automatic": item.check is not None,
                "done": standing.done,
                "detail": standing.detail,
                **_tick(ticked.get(item.name) if item.check is None else None),
            }
            for item, standing in standings
        ],
    }


def _words(row: asyncpg.Record) -> str:
    word = "done" if row["done"] else "not done"
    return f"{word}, says {row['ticked_by']}" + (f": {row['note']}" if row["note"] else "")


def _tick(row: asyncpg.Record | None) -> dict[str, Any]:
    if row is None:
        return {}
    return {"ticked_by": row["ticked_by"], "ticked_at": row["ticked_at"], "note": row["note"]}
