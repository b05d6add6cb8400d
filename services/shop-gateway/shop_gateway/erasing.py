"""Erasing buyers: the copy of their data, what people put right in it, and what shops wrote in their posts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends

from hub_common.database import Conn
from hub_common.personal_records import forget_records
from hub_common.web import Operator, Role, operator
from shop_gateway.corrections import corrections_of, forget_corrections
from shop_gateway.post_store import ERASED_POST

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanErase = Annotated[Operator, Depends(operator(Role.ADMIN))]

FORGET = """
INSERT INTO customers (order_id, version, body, recorded_at, erased_at)
SELECT t.order_id, 0, NULL, t.erased_at, t.erased_at
FROM unnest($1::uuid[], $2::timestamptz[]) AS t(order_id, erased_at)
ON CONFLICT (order_id) DO UPDATE SET body = NULL, erased_at = excluded.erased_at WHERE customers.erased_at IS NULL
"""

# A post that waits is still to be understood; it is redacted when it is settled.
POSTS = """
UPDATE shop_posts p SET body = $2 FROM shop_orders o
WHERE o.order_id = ANY($1) AND (p.route_id = o.route_id OR p.named_route_id = o.route_id)
  AND p.state <> 'parked' AND p.body <> $2
"""


async def forget_buyers(conn: Conn, erased: Mapping[UUID, datetime]) -> None:
    """Erase what is kept of these orders' buyers; later events do not bring it back."""
    ids = list(erased)
    # The buyer's row first: it is locked while somebody corrects his address, and that correction must go as well.
    await conn.execute(FORGET, ids, list(erased.values()))
    await forget_corrections(conn, ids)
    await conn.execute(POSTS, ids, ERASED_POST)
    await forget_records(conn, ids)


def privacy_router(runtime: Runtime) -> APIRouter:
    """What is held of a buyer."""
    router = APIRouter(prefix="/v1/orders", tags=["privacy"])

    @router.get("/{order_id}/personal-data")
    async def personal_data(order_id: UUID, who: CanErase, counts_only: bool = False) -> dict[str, Any]:
        """The buyer's data, corrections of it and shops' posts; `counts_only` tells how many without showing them."""
        held = await _held(runtime, order_id)
        row = await runtime.pool.fetchrow("SELECT erased_at FROM customers WHERE order_id = $1", order_id)
        if not counts_only:
            runtime.log.info("personal_data_read", order_id=str(order_id), login=who.login)
        return {
            "order_id": order_id,
            "erased": {"erased_at": row["erased_at"]} if row and row["erased_at"] else None,
            "holds": {name: len(found) for name, found in held.items()},
            "data": None if counts_only else held,
        }

    return router


async def _held(runtime: Runtime, order_id: UUID) -> dict[str, Sequence[Any]]:
    pool = runtime.pool
    customers = await pool.fetch("SELECT body FROM customers WHERE order_id = $1 AND body IS NOT NULL", order_id)
    corrections = [row for row in await corrections_of(pool, order_id) if row["shipping"] is not None]
    posts = await pool.fetch(
        "SELECT DISTINCT p.post_id, p.kind, p.received_at, p.body FROM shop_posts p JOIN shop_orders o"
        " ON p.route_id = o.route_id OR p.named_route_id = o.route_id"
        " WHERE o.order_id = $1 AND p.body <> $2 ORDER BY p.received_at",
        order_id,
        ERASED_POST,
    )
    return {
        "customers": [orjson.loads(row["body"]) for row in customers],
        "corrections": [
            {
                "shipping": orjson.loads(row["shipping"]),
                "reason": row["reason"],
                "actor": row["actor"],
                "corrected_at": row["corrected_at"],
            }
            for row in corrections
        ],
        "posts": [
            {
                "kind": row["kind"],
                "received_at": row["received_at"],
                "body": row["body"].decode("utf-8", errors="backslashreplace"),
            }
            for row in posts
        ],
    }
