"""What people may ask of message-service: who waits for an answer, what was said, and to answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Query

from hub_common.web import Operator, Problem, Role, operator
from message_service import store
from message_service.api_writing import writing_routes
from message_service.erasing import erasing_routes
from message_service.store_sending import bodies

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

THREAD = ("connection_id", "thread_reference", "order_reference", "order_id", "topic", "locale", "updated_at",
          "waits_since", "answer_by", "alarmed_at")  # fmt: skip
MESSAGE = ("message_id", "message_reference", "sender", "state", "reason", "sent_at", "written_by", "attachments")
LIST = """
SELECT t.*, o.order_number FROM threads t LEFT JOIN orders o USING (order_id)
WHERE ($1::uuid IS NULL OR t.connection_id = $1) AND ($2::uuid IS NULL OR t.order_id = $2)
  AND ($3::bool IS NULL OR (t.waits_since IS NOT NULL) = $3)
ORDER BY t.answer_by NULLS LAST, t.updated_at DESC LIMIT $4
"""
CanRead = Annotated[Operator, Depends(operator(Role.OPERATOR))]
CanErase = Annotated[Operator, Depends(operator(Role.ADMIN))]


def routers(runtime: Runtime) -> list[APIRouter]:
    """Routes below `/v1/threads`, `/v1/orders`, `/v1/templates` and `/v1/readings`."""
    router = APIRouter(prefix="/v1", tags=["messages"])
    _reading(router, runtime)
    erasing_routes(router, runtime)
    writing_routes(router, runtime)
    return [router]


def _reading(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/threads")
    async def threads(
        connection_id: UUID | None = None,
        order_id: UUID | None = None,
        awaits_answer: bool | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> dict[str, Any]:
        rows = await runtime.pool.fetch(LIST, connection_id, order_id, awaits_answer, limit)
        now = runtime.clock.now()
        return {"items": [_thread(row) | {"seconds_left": _left(row, now)} for row in rows]}

    @router.get("/threads/{connection_id}/{thread_reference}")
    async def thread(connection_id: UUID, thread_reference: str, who: CanRead) -> dict[str, Any]:
        row = await runtime.pool.fetchrow(
            "SELECT t.*, o.order_number FROM threads t LEFT JOIN orders o USING (order_id)"
            " WHERE t.connection_id = $1 AND t.thread_reference = $2",
            connection_id,
            thread_reference,
        )
        if row is None:
            raise Problem("thread-unknown", "No such thread", 404, f"Thread {thread_reference!r} is not known.")
        said = await runtime.pool.fetch(
            "SELECT * FROM messages WHERE connection_id = $1 AND thread_reference = $2 ORDER BY sent_at, message_id",
            connection_id,
            thread_reference,
        )
        runtime.log.info("messages_shown", operator=who.login, thread=thread_reference, count=len(said))
        return _thread(row) | {"messages": await _with_words(runtime, said)}

    @router.get("/orders/{order_id}/messages")
    async def of_order(order_id: UUID, who: CanRead) -> dict[str, Any]:
        said = await runtime.pool.fetch(
            "SELECT * FROM messages WHERE order_id = $1 ORDER BY sent_at, message_id", order_id
        )
        runtime.log.info("messages_shown", operator=who.login, order_id=str(order_id), count=len(said))
        shown = await _with_words(runtime, said)
        return {"items": [m | {"thread_reference": r["thread_reference"]} for m, r in zip(shown, said, strict=True)]}

    @router.delete("/orders/{order_id}/messages")
    async def erase(order_id: UUID, who: CanErase) -> dict[str, int]:
        async with runtime.transactions.begin() as tx:
            erased = await store.erase_order(tx.conn, order_id)
        runtime.log.info("messages_erased", operator=who.login, order_id=str(order_id), count=erased)
        return {"erased": erased}

    @router.get("/readings")
    async def readings(state: Literal["failing"] | None = None) -> dict[str, Any]:
        rows = await runtime.pool.fetch(
            "SELECT * FROM readings WHERE $1::text IS NULL OR failures > 0 ORDER BY next_at", state
        )
        return {"items": [dict(row) for row in rows]}


def _thread(row: asyncpg.Record) -> dict[str, Any]:
    return {name: row[name] for name in THREAD} | {"order_number": row["order_number"]}


def _left(row: asyncpg.Record, now: Any) -> int | None:
    return int((row["answer_by"] - now).total_seconds()) if row["answer_by"] else None


async def _with_words(runtime: Runtime, said: list[asyncpg.Record]) -> list[dict[str, Any]]:
    """Messages with their words; erased ones say so."""
    words = await bodies(runtime.pool, [row["message_id"] for row in said])
    return [
        {name: row[name] for name in MESSAGE}
        | {"body": words.get(row["message_id"]), "erased": row["message_id"] not in words}
        for row in said
    ]
