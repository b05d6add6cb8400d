"""Parked work: what waits for a person or a missing fact is a row and an event, never just a log line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from hub_common.tx import Cause, Tx
from hub_contracts.ids import parked_id_for
from hub_contracts.work import WorkParked, WorkResumed

PARK = """
INSERT INTO parked (parked_id, tenant, subject_kind, subject_id, order_id, connection_id, is_test, cause, detail,
                    next_step, data, event_key, parked_at, due_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::bool[], $8::text[],
                     $9::text[], $10::text[], $11::jsonb[], $12::text[], $13::timestamptz[], $14::timestamptz[])
ON CONFLICT (parked_id) DO UPDATE SET detail = excluded.detail, next_step = excluded.next_step, data = excluded.data,
    parked_at = excluded.parked_at, due_at = excluded.due_at, resolved_at = NULL, resolution = NULL, actor = NULL
WHERE parked.resolved_at IS NOT NULL
RETURNING parked_id
"""

RESUME = """
UPDATE parked SET resolved_at = $2, resolution = $3, actor = $4
WHERE parked_id = ANY($1) AND resolved_at IS NULL RETURNING *
"""


@dataclass(frozen=True, slots=True)
class Park:
    """One reason why one subject waits. `data` is what is needed to resume it; no personal data."""

    subject_kind: str
    subject_id: str
    cause: str
    detail: str
    next_step: str
    event_key: str
    why: Cause
    order_id: UUID | None = None
    connection_id: UUID | None = None
    is_test: bool = False
    due_at: datetime | None = None
    data: dict[str, Any] = field(default_factory=dict)

    def parked_id(self, owner: str) -> UUID:
        """The same subject waiting for the same cause is one parked item, however often it is reported."""
        return parked_id_for(owner, self.subject_kind, self.subject_id, self.cause)


async def park(tx: Tx, items: Sequence[Park]) -> list[UUID]:
    """Park subjects and tell it; returns the ids of those that were not waiting already."""
    unique = {item.parked_id(tx.service): item for item in items}
    if not unique:
        return []
    values = list(unique.values())
    rows = await tx.conn.fetch(
        PARK,
        list(unique),
        [i.why.tenant for i in values],
        [i.subject_kind for i in values],
        [i.subject_id for i in values],
        [i.order_id for i in values],
        [i.connection_id for i in values],
        [i.is_test for i in values],
        [i.cause for i in values],
        [i.detail for i in values],
        [i.next_step for i in values],
        [orjson.dumps(i.data, default=str).decode() for i in values],
        [i.event_key for i in values],
        [tx.now] * len(values),
        [i.due_at for i in values],
    )
    new = [row["parked_id"] for row in rows]
    for parked_id in new:
        item = unique[parked_id]
        tx.emit(
            WorkParked(
                parked_id=parked_id,
                owner=tx.service,
                subject_kind=item.subject_kind,
                subject_id=item.subject_id,
                order_id=item.order_id,
                connection_id=item.connection_id,
                is_test=item.is_test,
                cause=item.cause,
                detail=item.detail,
                next_step=item.next_step,
                due_at=item.due_at,
            ),
            key=item.event_key,
            cause=item.why,
        )
    return new


async def resume(
    tx: Tx, parked_ids: Sequence[UUID], *, resolution: str, actor: str | None = None, why: Cause | None = None
) -> list[asyncpg.Record]:
    """Close parked items and tell it; returns the rows (with their `data`) that were open."""
    if not parked_ids:
        return []
    rows = await tx.conn.fetch(RESUME, list(parked_ids), tx.now, resolution, actor)
    for row in rows:
        tx.emit(
            WorkResumed(
                parked_id=row["parked_id"],
                owner=tx.service,
                order_id=row["order_id"],
                is_test=row["is_test"],
                resolution=resolution,
                actor=actor,
            ),
            key=row["event_key"],
            cause=why or Cause(tenant=row["tenant"]),
        )
    return rows


async def open_parked(
    conn: asyncpg.Connection[asyncpg.Record], *, cause: str | None = None, subject_ids: Sequence[str] | None = None
) -> list[asyncpg.Record]:
    """Items that wait now, oldest first, optionally of one cause or for some subjects."""
    return await conn.fetch(
        "SELECT * FROM parked WHERE resolved_at IS NULL AND ($1::text IS NULL OR cause = $1)"
        " AND ($2::text[] IS NULL OR subject_id = ANY($2)) ORDER BY parked_at LIMIT 5000",
        cause,
        list(subject_ids) if subject_ids is not None else None,
    )
