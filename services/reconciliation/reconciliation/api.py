"""What people may ask of reconciliation: what does not agree, how fresh comparisons are, to compare now, to close."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import asyncpg
import orjson
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from hub_common.connections import Connection
from hub_common.web import FieldError, Operator, Problem, Role, operator
from hub_contracts.reconciliations import DifferenceKind, Repair
from reconciliation import store_differences, store_rounds
from reconciliation.api_statements import statement_routes
from reconciliation.comparing import write_steps
from reconciliation.life import State, closed
from reconciliation.statement import age
from reconciliation.statements import known
from reconciliation.work import compared

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]
Limit = Annotated[int, Query(ge=1, le=1000)]
HIDDEN = ("traceparent", "last_round", "tenant")

LIST_COMPARISONS = """
SELECT c.connection_id, c.tenant, c.body->>'label' AS label, c.body->>'connector' AS connector,
       c.body->>'environment' AS environment, c.body->>'state' AS state,
       p.round, p.phase, p.started_at, p.next_at, p.finished_at, p.last_report, p.last_error, p.failures, p.gaps,
       p.orders_unreadable, p.requested_at, p.requested_by,
       (SELECT count(*) FROM differences d WHERE d.connection_id = c.connection_id AND d.state = 'open'
        AND NOT d.is_test) AS differences_open
FROM connections c LEFT JOIN comparisons p USING (connection_id)
WHERE c.body->>'kind' = 'marketplace' AND ($1::uuid IS NULL OR c.connection_id > $1)
ORDER BY c.connection_id LIMIT $2
"""


class CloseBody(BaseModel):
    """Why a person closes a difference."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=3, max_length=500)


def routers(runtime: Runtime) -> list[APIRouter]:
    """Routes below `/v1`."""
    router = APIRouter(prefix="/v1", tags=["reconciliation"])
    _differences(router, runtime)
    _comparisons(router, runtime)
    statement_routes(router, runtime)
    return [router]


def _differences(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/differences")
    async def differences(
        connection_id: UUID | None = None,
        state: Literal["open", "closed", "resolved", "all"] = "open",
        kind: DifferenceKind | None = None,
        owner: Annotated[str | None, Query(max_length=60)] = None,
        repair: Repair | None = None,
        order_id: UUID | None = None,
        offer_sku: Annotated[str | None, Query(max_length=200)] = None,
        limit: Limit = 100,
        after: Annotated[str | None, Query(max_length=100)] = None,
    ) -> dict[str, Any]:
        """Differences, oldest first; `next` is the `after` of the following page."""
        found_at, last_id = _position(after)
        rows = await runtime.pool.fetch(
            store_differences.LISTED,
            connection_id,
            None if state == "all" else state,
            kind.value if kind else None,
            owner,
            repair.value if repair else None,
            order_id,
            offer_sku,
            found_at,
            last_id,
            limit,
        )
        now = runtime.clock.now()
        last = rows[-1] if len(rows) == limit else None
        following = f"{last['found_at'].isoformat()}~{last['difference_id']}" if last else None
        return {"items": [_difference(row, now) for row in rows], "next": following}

    @router.get("/differences/{difference_id}")
    async def one(difference_id: UUID) -> dict[str, Any]:
        row = await runtime.pool.fetchrow(
            "SELECT * FROM differences WHERE difference_id = $1 AND opened_at IS NOT NULL", difference_id
        )
        if row is None:
            raise _unknown(difference_id)
        return _difference(row, runtime.clock.now())

    @router.post("/differences/{difference_id}/close")
    async def close(difference_id: UUID, body: CloseBody, who: CanAct) -> dict[str, Any]:
        """Close a difference for good; it opens again only when one of its values changes."""
        async with runtime.transactions.begin() as tx:
            row = await store_differences.one(tx.conn, difference_id)
            if row is None or row.opened_at is None:
                raise _unknown(difference_id)
            if row.state is not State.OPEN:
                detail = f"It is {row.state.value} already."
                raise Problem("difference-not-open", "The difference is not open", 409, detail)
            step = closed(row, tx.now, body.reason.strip(), who.login)
            await write_steps(tx, [(difference_id, step)])
        return {"difference_id": difference_id, "state": State.CLOSED, "closed_by": who.login}


def _comparisons(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/comparisons")
    async def comparisons(after: UUID | None = None, limit: Limit = 200) -> dict[str, Any]:
        """How fresh the comparison of each marketplace connection is. `next` is the `after` of the following page."""
        rows = await runtime.pool.fetch(LIST_COMPARISONS, after, limit)
        now = runtime.clock.now()
        items = [_comparison(row, now) for row in rows]
        return {"items": items, "next": rows[-1]["connection_id"] if len(rows) == limit else None}

    @router.post("/connections/{connection_id}/comparisons", status_code=202)
    async def compare(connection_id: UUID, who: CanAct) -> dict[str, Any]:
        """Compare a connection now, on whichever replica holds it; a comparison under way is finished first."""
        async with runtime.pool.acquire() as conn:
            found = _comparable(await known(conn, connection_id), connection_id)  # type: ignore[arg-type]
        now = runtime.clock.now()
        await store_rounds.request(runtime.pool, connection_id, found.tenant, now, who.login)
        return {"connection_id": connection_id, "requested_at": now, "requested_by": who.login}


def _comparable(found: Connection | None, connection_id: UUID) -> Connection:
    if found is None:
        detail = f"reconciliation knows no connection {connection_id}."
        raise Problem("connection-unknown", "No such connection", 404, detail)
    if not compared(found):
        detail = "Only active marketplaces are compared that can be read and whose settings want it."
        raise Problem("connection-not-compared", "The connection is not compared", 409, detail)
    return found


def _position(after: str | None) -> tuple[datetime | None, UUID | None]:
    if after is None:
        return None, None
    instant, _, name = after.replace(" ", "+").partition("~")
    try:
        at: datetime | None = datetime.fromisoformat(instant)
        last: UUID | None = UUID(name)
    except ValueError:
        at, last = None, None
    if at is None or at.tzinfo is None:
        errors = [FieldError("query:/after", "must be the `next` of the page before")]
        raise Problem("invalid-request", "Invalid request", 422, errors=errors)
    return at, last


def _difference(row: asyncpg.Record, now: datetime) -> dict[str, Any]:
    ended = row["ended_at"] or now
    values = {name: value for name, value in row.items() if name not in HIDDEN}
    return values | {
        "age_seconds": (ended - row["found_at"]).total_seconds(),
        "age": age(row["found_at"], ended),
    }


def _comparison(row: asyncpg.Record, now: datetime) -> dict[str, Any]:
    values = dict(row) | {"last_report": orjson.loads(row["last_report"]) if row["last_report"] else None}
    finished = row["finished_at"]
    return values | {"age_seconds": (now - finished).total_seconds() if finished else None}


def _unknown(difference_id: UUID) -> Problem:
    return Problem(
        "difference-unknown", "No such difference", 404, f"reconciliation knows no difference {difference_id}."
    )
