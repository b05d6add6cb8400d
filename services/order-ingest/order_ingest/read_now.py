"""A person wants one order read again at once: a buyer on the phone, a status that looks wrong, a doubt.

The wish goes where those of notices and comparisons go, so it costs one call of the connection's budget and not a whole
listing, and what is read is stored, judged and told as every snapshot is. However often it is asked for, an order is
read every ten seconds at most: impatience must not use up the calls that notices need.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends
from pydantic import BaseModel

from connector_kit.discovery import UnknownConnector
from connector_kit.http import Lane
from connector_kit.manifest import Capability
from hub_common.connections import Connection, UnknownConnection, load_connections
from hub_common.connectors import can
from hub_common.crypto import SealError
from hub_common.web import Operator, Problem, Role, operator
from hub_contracts.connections import ConnectionState
from order_ingest.pollers import pollers_of
from order_ingest.rereads import BETWEEN_READINGS

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]

ORDER = """
SELECT connection_id, reference, is_test, 1 AS rank FROM orders WHERE order_id = $1
UNION ALL (SELECT connection_id, reference, false, 2 FROM raw_orders WHERE order_id = $1 LIMIT 1)
ORDER BY rank LIMIT 1
"""
"""What nobody could understand is only among the raw orders; reading it anew may be its repair."""

ASK = """
WITH before AS (SELECT state, read_at, last_error FROM rereads WHERE connection_id = $1 AND reference = $2)
INSERT INTO rereads AS r (connection_id, reference, tenant, requested_at, next_at) VALUES ($1, $2, $3, $4, $4)
ON CONFLICT (connection_id, reference) DO UPDATE SET
    state = 'open', wishes = r.wishes + 1, requested_at = excluded.requested_at,
    next_at = CASE WHEN r.state <> 'open' THEN greatest(excluded.next_at, r.read_at + make_interval(secs => $5))
                   WHEN r.attempts > 0 THEN least(r.next_at, excluded.next_at + make_interval(secs => $5))
                   ELSE r.next_at END,
    attempts = CASE WHEN r.state = 'open' THEN r.attempts ELSE 0 END,
    last_error = CASE WHEN r.state = 'open' THEN r.last_error ELSE '' END
RETURNING next_at, (SELECT state FROM before) AS state_before, (SELECT read_at FROM before) AS read_before,
    (SELECT last_error FROM before) AS error_before,
    (SELECT count(*) FROM rereads o WHERE o.connection_id = $1 AND o.state = 'open' AND o.reference <> $2) AS ahead
"""
"""Open without a failure: it is due, being read, or waits for a call of the budget. Asking again hastens none of these.
After failures it is tried again soon; after a reading, when the time between two readings is over."""

LOOK = """
SELECT state, requested_at, CASE WHEN state = 'open' THEN next_at END AS next_at, read_at, attempts, last_error
FROM rereads WHERE connection_id = $1 AND reference = $2
"""

TO_DO = {
    ConnectionState.PAUSED: "Resume the connection, then ask again; or look in the marketplace's back office.",
    ConnectionState.INACTIVE: "Activate the connection, then ask again; or look in the marketplace's back office.",
}

MINUTE = 60
Before = Literal["open", "done", "unknown_there", "given_up"]


class ReadingAsked(BaseModel):
    """The order is going to be read. `then` says in words what will happen; the other members say it to programs."""

    order_id: UUID
    connection_id: UUID
    reference: str
    requested_at: datetime
    requested_by: str
    joined: bool
    """It was going to be read anyway: one reading serves both wishes."""
    reads_at: datetime
    """It is read at once after this instant, when the connection's call budget has a call left."""
    ahead: int
    """Other orders of the connection that wait to be read one by one."""
    last_outcome: Literal["done", "unknown_there", "given_up"] | None
    """How the last reading of this order by itself ended, None when there was none or it is under way."""
    last_read_at: datetime | None
    then: str


class Reading(BaseModel):
    """What became of the last wish to read one order by itself. Only the last days are remembered."""

    order_id: UUID
    connection_id: UUID
    reference: str
    state: Literal["never", "open", "done", "unknown_there", "given_up"] = "never"
    requested_at: datetime | None = None
    next_at: datetime | None = None
    read_at: datetime | None = None
    attempts: int = 0
    last_error: str = ""


def reading_routers(runtime: Runtime) -> APIRouter:
    """Routes below `/v1/orders`."""
    router = APIRouter(prefix="/v1/orders", tags=["ingest"])

    @router.post("/{order_id}/read", status_code=202)
    async def read(order_id: UUID, who: CanAct) -> ReadingAsked:
        """Read one order anew from its marketplace, on whichever replica polls its connection."""
        order = await _order(runtime.pool, order_id)
        connection = await _connection(runtime.pool, order["connection_id"])
        _check(runtime, connection, invented=order["is_test"])
        now = runtime.clock.now()
        cid, reference = connection.connection_id, order["reference"]
        row = await runtime.pool.fetchrow(ASK, cid, reference, connection.tenant, now, BETWEEN_READINGS)
        assert row is not None, "it was just written"
        pollers_of(runtime).reread_wake.set()
        runtime.log.info("reading_asked", order_id=str(order_id), connection_id=str(cid), login=who.login)
        before: Before | None = row["state_before"]
        return ReadingAsked(
            order_id=order_id,
            connection_id=cid,
            reference=reference,
            requested_at=now,
            requested_by=who.login,
            joined=before == "open",
            reads_at=row["next_at"],
            ahead=row["ahead"],
            last_outcome=None if before == "open" else before,
            last_read_at=row["read_before"],
            then=in_words(row, now),
        )

    @router.get("/{order_id}/read")
    async def look(order_id: UUID) -> Reading:
        """How the last wish to read this order stands."""
        order = await _order(runtime.pool, order_id)
        row = await runtime.pool.fetchrow(LOOK, order["connection_id"], order["reference"])
        about = {"order_id": order_id, "connection_id": order["connection_id"], "reference": order["reference"]}
        return Reading.model_validate(about | dict(row or {}))

    return router


def in_words(row: asyncpg.Record, now: datetime) -> str:
    """What will happen, for the person who asked."""
    seconds = math.ceil((row["next_at"] - now).total_seconds())
    wait = f"{seconds} s" if seconds < 2 * MINUTE else f"{math.ceil(seconds / MINUTE)} min"
    if seconds <= 0:
        words = "The order is read from its marketplace as soon as a call is left, normally within seconds."
    elif row["state_before"] != "open":
        words = f"The order was read just now and is read once more in {wait}."
    elif row["error_before"]:
        words = f"The order waits to be read ({row['error_before']}); it is tried again within {wait}."
    else:
        words = f"The order is being read, and once more within {wait}; nothing more needs to be asked."
    words += " What changed shows in its story."
    if row["ahead"]:
        words += f" {row['ahead']} other order(s) of this connection wait too."
    if row["state_before"] == "unknown_there":
        words += " When it was last read, the marketplace did not know it."
    return words


async def _order(pool: Pool, order_id: UUID) -> asyncpg.Record:
    found = await pool.fetchrow(ORDER, order_id)
    if found is None:
        raise Problem("order-unknown", "No such order", 404, f"order-ingest knows no order {order_id}.")
    return found


async def _connection(pool: Pool, connection_id: UUID) -> Connection:
    async with pool.acquire() as conn:
        found = (await load_connections(conn, [connection_id])).get(connection_id)  # type: ignore[arg-type]
    if found is None:
        detail = f"order-ingest knows no connection {connection_id}."
        raise Problem("connection-unknown", "No such connection", 404, detail)
    return found


def _check(runtime: Runtime, connection: Connection, *, invented: bool) -> None:
    """Raises `Problem` 409 when the order cannot be read, with what to do instead."""
    if invented:
        detail = "The hub invented this test order itself: no marketplace knows it, so there is nothing to read."
        raise Problem("order-invented", "A test order of the hub", 409, detail)
    if not connection.active:
        state = connection.data.state
        detail = f"Nothing is read from {connection.data.label}: it is {state.value}. {TO_DO.get(state, '')}".strip()
        raise Problem("connection-not-active", "The connection is not active", 409, detail)
    if not can(connection, Capability.ORDERS):
        detail = f"No orders are read from {connection.data.label}: its connector cannot, or 'orders' is switched off."
        raise Problem("connection-not-polled", "No orders are read from the connection", 409, detail)
    if not _reads_single_orders(runtime, connection):
        instead = f"/v1/pollers/{connection.connection_id}/run"
        detail = f"The connector {connection.data.connector} reads listings only. Poll the connection: POST {instead}."
        raise Problem("order-not-read-alone", "One order cannot be read alone", 409, detail, extra={"instead": instead})


def _reads_single_orders(runtime: Runtime, connection: Connection) -> bool:
    """Connectors made elsewhere may have no `read_order`. What cannot be found out now shows when it is read."""
    try:
        speaker = pollers_of(runtime).reader.book.connector(connection.connection_id, Lane.LIVE)
    except (UnknownConnection, UnknownConnector, SealError):
        return True
    return callable(getattr(speaker, "read_order", None))
