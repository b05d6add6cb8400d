"""What operators read: lists, one order's story, today's figures, and orders that nothing explains."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from hub_common.web import Problem
from hub_contracts.status import OrderStatus
from ops_console import store
from ops_console.api_privacy import privacy_router
from ops_console.domain import summary, timeline

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

Limit = Annotated[int, Query(ge=1, le=500)]


def routers(runtime: Runtime) -> list[APIRouter]:
    """Routes below `/v1`."""
    router = APIRouter(prefix="/v1", tags=["console"])
    _orders(router, runtime)
    _figures(router, runtime)
    return [router, privacy_router(runtime)]


def _orders(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/orders")
    async def search(
        status: OrderStatus | None = None,
        connection_id: UUID | None = None,
        q: Annotated[str | None, Query(max_length=120)] = None,
        parked: bool = False,
        cursor: str | None = None,
        limit: Limit = 50,
    ) -> dict[str, Any]:
        before = _read_cursor(cursor)
        text = q.strip() if q else None
        async with runtime.pool.acquire() as conn:
            rows = await conn.fetch(
                store.SEARCH,
                status.value if status else None,
                connection_id,
                _like(text.lower()) if text else None,
                text,
                parked,
                before[0] if before else None,
                before[1] if before else None,
                limit,
            )
        items = [{k: v for k, v in row.items() if k != "search"} for row in rows]
        following = f"{rows[-1]['created_at'].isoformat()}|{rows[-1]['order_id']}" if len(rows) == limit else None
        return {"items": items, "next_cursor": following}

    @router.get("/orders/{order_id}/story")
    async def story(order_id: UUID, as_of: AwareDatetime | None = None) -> dict[str, Any]:
        async with runtime.pool.acquire() as conn:
            events = await store.story_of(conn, order_id, as_of)  # type: ignore[arg-type]
            parked = await conn.fetch("SELECT * FROM parked_items WHERE order_id = $1 ORDER BY changed_at", order_id)
            doubts = await conn.fetch("SELECT * FROM doubts WHERE order_id = $1 ORDER BY changed_at", order_id)
            row = await conn.fetchrow("SELECT * FROM orders WHERE order_id = $1", order_id)
        if not events:
            known = " until that instant" if row is not None and as_of is not None else ""
            raise Problem("order-unknown", "No such order", 404, f"Nothing is known of order {order_id}{known}.")
        line = timeline(events)
        now = as_of or runtime.clock.now()
        return {
            "order_id": order_id,
            "as_of": as_of,
            "status": row["status"] if row and as_of is None else _status_in(line),
            **summary(line, now),
            "parked": [dict(item) for item in parked] if as_of is None else [],
            "doubts": [dict(item) for item in doubts] if as_of is None else [],
            "timeline": line,
        }


def _figures(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/today")
    async def today() -> dict[str, Any]:
        async with runtime.pool.acquire() as conn:
            return await store.today(conn, runtime.clock.now())  # type: ignore[arg-type]

    @router.get("/unexplained")
    async def unexplained(older_than_seconds: Annotated[float, Query(ge=0)] = 300) -> dict[str, Any]:
        async with runtime.pool.acquire() as conn:
            rows = await conn.fetch(store.UNEXPLAINED, runtime.clock.now(), older_than_seconds)
        return {"items": [{k: v for k, v in row.items() if k != "search"} for row in rows]}

    @router.get("/parked")
    async def parked(cause: str | None = None, limit: Limit = 200) -> dict[str, Any]:
        async with runtime.pool.acquire() as conn:
            rows = await conn.fetch(
                "SELECT * FROM parked_items WHERE waiting AND ($1::text IS NULL OR cause = $1)"
                " ORDER BY due_at NULLS LAST, changed_at LIMIT $2",
                cause,
                limit,
            )
        return {"items": [dict(row) for row in rows]}

    @router.get("/topics/{topic}/latest")
    async def latest(topic: str, key: str | None = None, type: str | None = None, limit: Limit = 50) -> dict[str, Any]:
        async with runtime.pool.acquire() as conn:
            rows = await conn.fetch(
                "SELECT * FROM story_events WHERE topic = $1 AND ($2::text IS NULL OR key = $2)"
                " AND ($3::text IS NULL OR type = $3) ORDER BY at DESC LIMIT $4",
                topic,
                key,
                type,
                limit,
            )
        return {"items": [_opened(dict(row)) for row in rows]}


def _opened(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"data": orjson.loads(row["data"])}


def _status_in(line: list[dict[str, Any]]) -> str | None:
    """The status that the story shows at its end."""
    for event in reversed(line):
        if event["type"] == "order.status_changed.v1":
            return str(event["data"]["to_status"])
        if event["type"] in ("order.received.v1", "order.changed.v1"):
            return str(event["data"]["order"]["status"])
    return None


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _read_cursor(cursor: str | None) -> tuple[datetime, UUID] | None:
    if cursor is None:
        return None
    at, _, order_id = cursor.partition("|")
    try:
        return datetime.fromisoformat(at), UUID(order_id)
    except ValueError:
        raise Problem(
            "cursor-invalid", "The cursor is not one of ours", 422, "cursor: use next_cursor as it is"
        ) from None
