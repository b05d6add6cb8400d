"""All SQL about effects in one place. Every statement handles many effects at once.

Effects are found by connection, not by the credential they were planned under: a credential may change meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from connector_kit.http import Lane
from hub_common.effects.model import Effect, PlannedEffect

INSERT = """
INSERT INTO effects (effect_id, kind, natural_key, connection_id, credential_ref, tenant, order_id, order_key,
                     supersede_key, lane, deadline, next_at, request, context, traceparent, causation_id)
SELECT t.effect_id, t.kind, t.natural_key, t.connection_id, t.credential_ref, t.tenant, t.order_id, t.order_key,
       t.supersede_key, t.lane, t.deadline, coalesce(t.not_before, now()), t.request, t.context, t.traceparent,
       t.causation_id
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::uuid[], $8::text[],
            $9::text[], $10::smallint[], $11::timestamptz[], $12::timestamptz[], $13::jsonb[], $14::jsonb[],
            $15::text[], $16::text[])
     WITH ORDINALITY AS t(effect_id, kind, natural_key, connection_id, credential_ref, tenant, order_id, order_key,
                          supersede_key, lane, deadline, not_before, request, context, traceparent, causation_id, ord)
ORDER BY t.ord
ON CONFLICT DO NOTHING
"""

SUPERSEDE = """
UPDATE effects SET state = 'SUPERSEDED', settled_at = now(), updated_at = now(), reason = 'replaced by a newer value'
WHERE supersede_key = ANY($1) AND state IN ('PLANNED', 'RETRY')
"""

DUE_CONNECTIONS = """
SELECT connection_id, bool_or(lane = 0) AS urgent FROM effects
WHERE state IN ('PLANNED', 'RETRY') AND next_at <= now() AND connection_id = ANY($1) GROUP BY connection_id
UNION ALL
SELECT DISTINCT connection_id, false FROM effects
WHERE state IN ('SENT', 'UNKNOWN', 'IN_FLIGHT') AND next_at <= now() AND connection_id = ANY($1)
"""

WAITING = """
SELECT connection_id, kind, count(*) AS count, min(deadline) AS first_deadline,
       bool_or(lane = 0 AND deadline IS NULL) AS hurried
FROM effects WHERE state IN ('PLANNED', 'RETRY') AND next_at <= now()
  AND (connection_id, kind) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
GROUP BY connection_id, kind
"""

OPEN_BY_LANE = """
SELECT connection_id, kind, lane >= 3 AS bulk, count(*) AS count
FROM effects WHERE state IN ('PLANNED', 'RETRY') GROUP BY connection_id, kind, lane >= 3
"""

CLAIM = """
WITH head AS (
    SELECT kind, connection_id, lane FROM effects e
    WHERE state IN ('PLANNED', 'RETRY') AND next_at <= now() AND connection_id = ANY($1)
      AND (kind, lane) IN (SELECT * FROM unnest($2::text[], $3::smallint[]))
      AND (connection_id, kind) NOT IN (SELECT * FROM unnest($7::uuid[], $8::text[]))
      AND NOT EXISTS (SELECT 1 FROM effects b WHERE b.order_key = e.order_key AND b.seq < e.seq
                      AND b.state IN ('PLANNED', 'RETRY', 'IN_FLIGHT', 'SENT', 'UNKNOWN'))
    ORDER BY lane, deadline NULLS LAST, seq LIMIT 1
), due AS (
    SELECT e.effect_id FROM effects e JOIN head h ON h.kind = e.kind AND h.connection_id = e.connection_id
    WHERE e.state IN ('PLANNED', 'RETRY') AND e.next_at <= now()
      AND (e.kind, e.lane) IN (SELECT * FROM unnest($2::text[], $3::smallint[]))
      AND NOT EXISTS (SELECT 1 FROM effects b WHERE b.order_key = e.order_key AND b.seq < e.seq
                      AND b.state IN ('PLANNED', 'RETRY', 'IN_FLIGHT', 'SENT', 'UNKNOWN'))
    ORDER BY e.lane, e.deadline NULLS LAST, e.seq LIMIT $4
    FOR UPDATE OF e SKIP LOCKED
)
UPDATE effects e SET state = 'IN_FLIGHT', attempts = e.attempts + 1, in_flight_at = now(), updated_at = now(),
       fence = $5, next_at = now() + $6::float * interval '1 s'
FROM due WHERE e.effect_id = due.effect_id
RETURNING e.*
"""

CLAIM_PROBES = """
SELECT e.* FROM effects e
WHERE connection_id = ANY($1) AND state IN ('SENT', 'UNKNOWN') AND next_at <= now() AND kind = ANY($2)
ORDER BY lane, deadline NULLS LAST, seq LIMIT $3
"""

LOSE = """
UPDATE effects SET state = 'UNKNOWN', updated_at = now(), reason = 'no answer was recorded: the worker stopped'
WHERE connection_id = ANY($1) AND state = 'IN_FLIGHT' AND next_at <= now()
RETURNING *
"""

RECORD = """
UPDATE effects e SET state = t.state, answer = e.answer || t.answer, reason = t.reason,
       next_at = now() + t.delay * interval '1 s', retry_if_not_applied = t.again, updated_at = now(),
       settled_at = CASE WHEN t.state IN ('DONE', 'REJECTED') THEN now() END,
       confirmed_by = CASE WHEN t.state IN ('DONE', 'REJECTED') THEN 'answer' END
FROM unnest($1::uuid[], $2::int[], $3::text[], $4::jsonb[], $5::text[], $6::float[], $7::bool[])
     AS t(effect_id, attempt, state, answer, reason, delay, again)
WHERE e.effect_id = t.effect_id AND e.attempts = t.attempt AND e.state IN ('IN_FLIGHT', 'UNKNOWN')
RETURNING e.effect_id
"""

RECORD_PROBE = """
UPDATE effects SET state = coalesce($2, state), answer = answer || $3::jsonb, evidence = $4, probes = probes + 1,
       not_applied_seen = $5, next_at = now() + $6::float * interval '1 s', needs_operator = $7, updated_at = now(),
       settled_at = CASE WHEN $2 IN ('DONE', 'REJECTED') THEN now() END,
       confirmed_by = CASE WHEN $2 IN ('DONE', 'REJECTED') THEN $8 END
WHERE effect_id = $1 AND attempts = $9 AND state IN ('SENT', 'UNKNOWN')
RETURNING effect_id
"""

ATTEMPTS = """
INSERT INTO effect_attempts (effect_id, attempt, step, at, seconds, result, detail, answer)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::timestamptz[], $5::float[], $6::text[], $7::text[],
                     $8::jsonb[])
ON CONFLICT DO NOTHING
"""


async def insert_effects(conn: asyncpg.Connection[asyncpg.Record], effects: Sequence[PlannedEffect]) -> None:
    """Write intentions down. Natural keys that exist are left as they are; superseded ones are closed first."""
    supersede = sorted({e.supersede_key for e in effects if e.supersede_key})
    if supersede:
        await conn.execute(SUPERSEDE, supersede)
    await conn.execute(
        INSERT,
        [e.effect_id for e in effects],
        [e.kind for e in effects],
        [e.natural_key for e in effects],
        [e.connection_id for e in effects],
        [e.credential_ref for e in effects],
        [e.cause.tenant for e in effects],
        [e.order_id for e in effects],
        [e.order_key for e in effects],
        [e.supersede_key for e in effects],
        [int(e.lane) for e in effects],
        [e.deadline for e in effects],
        [e.not_before for e in effects],
        [e.request.model_dump_json() for e in effects],
        [dumps(e.context) for e in effects],
        [e.cause.traceparent for e in effects],
        [e.cause.causation_id for e in effects],
    )


def dumps(value: Any) -> str:
    """JSON text of plain data; decimals, instants and identifiers become strings."""
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode().replace("\\u0000", "")


def effect_of(row: asyncpg.Record) -> Effect:
    """The effect that a row holds."""
    return Effect(
        effect_id=row["effect_id"],
        kind=row["kind"],
        natural_key=row["natural_key"],
        connection_id=row["connection_id"],
        credential_ref=row["credential_ref"],
        tenant=row["tenant"],
        order_id=row["order_id"],
        order_key=row["order_key"],
        lane=Lane(row["lane"]),
        deadline=row["deadline"],
        attempts=row["attempts"],
        request=orjson.loads(row["request"]),
        context=orjson.loads(row["context"]),
        answer=orjson.loads(row["answer"]),
        reason=row["reason"],
        traceparent=row["traceparent"],
        causation_id=row["causation_id"],
        probes=row["probes"],
        not_applied_seen=row["not_applied_seen"],
        retry_if_not_applied=row["retry_if_not_applied"],
    )


async def write_attempts(
    conn: asyncpg.Connection[asyncpg.Record],
    rows: Sequence[tuple[UUID, int, str, datetime, float, str, str, dict[str, Any]]],
) -> None:
    """Add to the ledger: (effect, attempt, step, at, seconds, result, detail, answer)."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    columns[7] = [dumps(answer) for answer in columns[7]]
    await conn.execute(ATTEMPTS, *columns)
