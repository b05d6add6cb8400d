"""What people may ask of order-ingest: raw snapshots, freshness of polls, a poll or one order now, backfills."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Query

from hub_common.connections import load_connections
from hub_common.web import Operator, Problem, Role, operator
from order_ingest import progress
from order_ingest.api_privacy import privacy_routers
from order_ingest.notices import notice_routers
from order_ingest.pollers import pollers_of
from order_ingest.read_now import reading_routers

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]
Limit = Annotated[int, Query(ge=1, le=1000)]

LIST_POLLERS = """
SELECT c.connection_id, c.tenant, c.body->>'label' AS label, c.body->>'connector' AS connector,
       c.body->>'environment' AS environment, c.body->>'state' AS state, c.body->>'activated_at' AS activated_at,
       p.cursor_at, p.first_run_at, p.last_attempt_at, p.last_success_at, p.last_error, p.consecutive_failures, p.polls,
       p.orders_seen, p.orders_received, p.orders_changed, p.orders_skipped, p.orders_parked,
       p.run_requested_at, p.run_requested_by, p.last_manual_at, p.last_manual_by,
       p.reread_next_from, p.reread_until, p.reread_done_at
FROM connections c LEFT JOIN poll_state p USING (connection_id)
WHERE c.body->>'kind' = 'marketplace' AND ($1::uuid IS NULL OR c.connection_id > $1)
  AND (NOT $2 OR p.consecutive_failures > 0)
ORDER BY c.connection_id LIMIT $3
"""


def routers(runtime: Runtime) -> list[APIRouter]:
    """Routes below `/v1`."""
    router = APIRouter(prefix="/v1", tags=["ingest"])
    _orders(router, runtime)
    _pollers(router, runtime)
    _backfills(router, runtime)
    return [router, reading_routers(runtime), notice_routers(runtime), privacy_routers(runtime)]


def _orders(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/orders/{order_id}/raw")
    async def raw(order_id: UUID, who: CanAct, limit: Limit = 50) -> dict[str, Any]:
        """Snapshots of an order exactly as the marketplace answered, newest first. Personal data: operators only."""
        rows = await runtime.pool.fetch(
            "SELECT snapshot_id, connection_id, reference, encode(sha256, 'hex') AS sha256, body, fetched_at,"
            " last_fetched_at FROM raw_orders WHERE order_id = $1 ORDER BY last_fetched_at DESC, fetched_at DESC"
            " LIMIT $2",
            order_id,
            limit,
        )
        if not rows:
            detail = f"order-ingest has no snapshot of order {order_id}."
            raise Problem("order-unknown", "No such order", 404, detail)
        runtime.log.info("raw_orders_read", order_id=str(order_id), login=who.login, count=len(rows))
        return {"order_id": order_id, "items": [dict(row) | {"body": _text(row["body"])} for row in rows]}

    @router.get("/orders/by-number/{order_number}")
    async def by_number(order_number: str) -> dict[str, Any]:
        """From the number that people see, short or not, back to order and full reference."""
        rows = await runtime.pool.fetch(
            "SELECT order_id, connection_id, reference, order_number, status, received FROM orders"
            " WHERE order_number = $1 ORDER BY first_seen_at DESC LIMIT 100",
            order_number,
        )
        return {"items": [dict(row) for row in rows]}


def _pollers(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/pollers")
    async def pollers(after: UUID | None = None, failing: bool = False, limit: Limit = 200) -> dict[str, Any]:
        """How fresh each marketplace connection is. `next` is the `after` of the following page."""
        rows = await runtime.pool.fetch(LIST_POLLERS, after, failing, limit)
        now = runtime.clock.now()
        items = [dict(row) | {"age_seconds": _age(row, now)} for row in rows]
        return {"items": items, "next": rows[-1]["connection_id"] if len(rows) == limit else None}

    @router.post("/pollers/{connection_id}/run", status_code=202)
    async def run(connection_id: UUID, who: CanAct) -> dict[str, Any]:
        """Poll a connection now, on whichever replica holds it."""
        async with runtime.pool.acquire() as conn:
            found = (await load_connections(conn, [connection_id])).get(connection_id)  # type: ignore[arg-type]
        if found is None:
            detail = f"order-ingest knows no connection {connection_id}."
            raise Problem("connection-unknown", "No such connection", 404, detail)
        if not found.is_marketplace:
            raise Problem("connection-not-polled", "The connection is not polled", 409, "It is not a marketplace.")
        if not found.active:
            detail = f"Only active connections are polled; this one is {found.data.state.value}."
            raise Problem("connection-not-active", "The connection is not active", 409, detail)
        now = runtime.clock.now()
        await progress.request_run(runtime.pool, connection_id, found.tenant, now, who.login)
        pollers_of(runtime).wake.set()
        return {"connection_id": connection_id, "requested_at": now, "requested_by": who.login}


def _backfills(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/backfills")
    async def backfills(
        connection_id: UUID | None = None,
        state: Literal["open", "done", "replayed"] | None = None,
        limit: Limit = 100,
    ) -> dict[str, Any]:
        """Backfills, newest first: how much of the window has been read, and what became of exports."""
        rows = await runtime.pool.fetch(
            "SELECT * FROM backfills WHERE ($1::uuid IS NULL OR connection_id = $1)"
            " AND ($2::text IS NULL OR state = $2) ORDER BY requested_at DESC LIMIT $3",
            connection_id,
            state,
            limit,
        )
        return {"items": [_backfill(row) for row in rows]}


def _backfill(row: asyncpg.Record) -> dict[str, Any]:
    whole = (row["created_until"] - row["created_from"]).total_seconds()
    done = (row["next_from"] - row["created_from"]).total_seconds()
    percent = 100 if row["state"] == "done" or whole <= 0 else int(100 * done / whole)
    hidden: Sequence[str] = ("traceparent",)
    shown = {name: value for name, value in row.items() if name not in hidden}
    return shown | {"percent": percent, "export_pending": row["export_ticket"] is not None}


def _text(body: bytes) -> str:
    """The bytes as text; what is not UTF-8 stays visible."""
    return body.decode("utf-8", errors="backslashreplace")


def _age(row: asyncpg.Record, now: datetime) -> float | None:
    """Seconds since orders were last read to the end; since activation when they never were. None: not active."""
    if row["state"] != "active":
        return None
    since = row["last_success_at"]
    if since is None and row["activated_at"]:
        since = datetime.fromisoformat(row["activated_at"])
    return (now - since).total_seconds() if since else None
