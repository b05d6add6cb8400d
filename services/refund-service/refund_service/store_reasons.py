"""SQL of refund-service about the marketplaces' reason lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import orjson

from connector_kit.capabilities import RefundReason
from hub_common.database import Conn

SAVE = """
INSERT INTO reason_lists (connection_id, reasons, fetched_at, next_at, failures, error)
VALUES ($1, $2::jsonb, $3, $4, 0, '')
ON CONFLICT (connection_id) DO UPDATE SET reasons = excluded.reasons, fetched_at = excluded.fetched_at,
    next_at = excluded.next_at, failures = 0, error = ''
"""

FAIL = """
INSERT INTO reason_lists (connection_id, next_at, failures, error) VALUES ($1, $2, 1, $3)
ON CONFLICT (connection_id) DO UPDATE SET next_at = excluded.next_at, failures = reason_lists.failures + 1,
    error = excluded.error
"""


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes of one connection by use."""

    refund: frozenset[str]
    cancellation: frozenset[str]


async def load_codes(conn: Conn, connection_ids: Iterable[UUID]) -> dict[UUID, Codes]:
    """Codes of the connections whose list was fetched at least once."""
    rows = await conn.fetch(
        "SELECT connection_id, reasons FROM reason_lists WHERE connection_id = ANY($1) AND reasons IS NOT NULL",
        list(connection_ids),
    )
    return {row["connection_id"]: _codes(orjson.loads(row["reasons"])) for row in rows}


async def state(conn: Conn, connection_id: UUID) -> asyncpg.Record | None:
    """The list of one connection as it is kept."""
    return await conn.fetchrow("SELECT * FROM reason_lists WHERE connection_id = $1", connection_id)


async def next_fetches(conn: Conn, connection_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """When the lists should be fetched again; connections that are missing were never tried."""
    rows = await conn.fetch(
        "SELECT connection_id, next_at FROM reason_lists WHERE connection_id = ANY($1)", list(connection_ids)
    )
    return {row["connection_id"]: row["next_at"] for row in rows}


async def save(
    conn: Conn, connection_id: UUID, reasons: Sequence[RefundReason], *, now: datetime, next_at: datetime
) -> None:
    """Keep a list that was fetched."""
    text = orjson.dumps([reason.model_dump() for reason in reasons]).decode()
    await conn.execute(SAVE, connection_id, text, now, next_at)


async def fail(conn: Conn, connection_id: UUID, error: str, next_at: datetime) -> None:
    """A list could not be fetched; one that is known stays in use."""
    await conn.execute(FAIL, connection_id, next_at, error[:500])


def _codes(reasons: list[dict[str, str]]) -> Codes:
    def of(kind: str) -> frozenset[str]:
        return frozenset(reason["code"] for reason in reasons if reason["kind"] == kind)

    return Codes(of("refund"), of("cancellation"))
