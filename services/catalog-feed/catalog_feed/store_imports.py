"""SQL about product files: the file itself, where it stands, and every problem of every row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from catalog_feed.store import Conn

STORED, SENDING, ENDED, FAILED, REFUSED = "stored", "sending", "ended", "failed", "refused"
"""`refused`: by our own checks, nothing was sent. `failed`: the marketplace took nothing of it."""

SHOWN = """
SELECT i.import_id, i.connection_id, i.file_name, i.operator_format, i.sha256, i.bytes, i.rows, i.state, i.reason,
       i.effect_id, coalesce(i.import_reference, e.answer->>'import_id') AS import_reference,
       CASE WHEN i.counters = '{}' THEN coalesce(e.answer->'counters', '{}') ELSE i.counters END AS counters,
       i.uploaded_at, i.uploaded_by, i.ended_at, i.content IS NOT NULL AS kept,
       e.state AS effect_state, e.evidence, e.attempts, e.probes
FROM product_imports i LEFT JOIN effects e ON e.effect_id = i.effect_id
"""

ADD_PROBLEMS = """
INSERT INTO product_import_problems (import_id, seq, row, offer_sku, severity, field, code, rule, next_step)
SELECT $1, t.* FROM unnest($2::int[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                           $9::text[]) AS t
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class ProductFile:
    """A file as it came."""

    import_id: UUID
    connection_id: UUID
    tenant: str
    file_name: str
    operator_format: bool
    sha256: str
    content: bytes
    login: str


async def add(conn: Conn, file: ProductFile, now: datetime) -> None:
    """Keep a file before anybody looks into it."""
    await conn.execute(
        "INSERT INTO product_imports (import_id, connection_id, tenant, file_name, operator_format, sha256, bytes,"
        " content, state, uploaded_at, uploaded_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        file.import_id,
        file.connection_id,
        file.tenant,
        file.file_name,
        file.operator_format,
        file.sha256,
        len(file.content),
        file.content,
        STORED,
        now,
        file.login,
    )


async def under_way(conn: Conn, connection_id: UUID, sha256: str) -> UUID | None:
    """The import of the same file that is still being worked on."""
    found: UUID | None = await conn.fetchval(
        "SELECT import_id FROM product_imports WHERE connection_id = $1 AND sha256 = $2 AND state = $3 LIMIT 1",
        connection_id,
        sha256,
        SENDING,
    )
    return found


async def take_turns(conn: Conn, connection_id: UUID) -> None:
    """Files of one connection are let in one after the other, so that the same one is not sent twice."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('imports:' || $1::text, 0))", str(connection_id))


async def refuse(conn: Conn, import_id: UUID, reason: str, now: datetime) -> None:
    """Nothing of the file is sent."""
    await conn.execute(
        "UPDATE product_imports SET state = $2, reason = $3, ended_at = $4 WHERE import_id = $1",
        import_id,
        REFUSED,
        reason[:500],
        now,
    )


async def start(conn: Conn, import_id: UUID, effect_id: UUID, rows: int | None) -> None:
    """The file is on its way."""
    await conn.execute(
        "UPDATE product_imports SET state = $2, effect_id = $3, rows = $4 WHERE import_id = $1",
        import_id,
        SENDING,
        effect_id,
        rows,
    )


async def end(
    conn: Conn,
    import_id: UUID,
    *,
    state: str,
    reason: str,
    reference: str | None,
    counters: Mapping[str, Any],
    now: datetime,
) -> None:
    """The marketplace is through with it."""
    await conn.execute(
        "UPDATE product_imports SET state = $2, reason = $3, import_reference = $4, counters = $5, ended_at = $6"
        " WHERE import_id = $1",
        import_id,
        state,
        reason[:500],
        reference,
        orjson.dumps(dict(counters)).decode(),
        now,
    )


async def add_problems(conn: Conn, import_id: UUID, problems: Sequence[Mapping[str, Any]]) -> None:
    """Keep every problem in the order of the reports."""
    await conn.execute(
        ADD_PROBLEMS,
        import_id,
        list(range(1, len(problems) + 1)),
        [p["row"] if isinstance(p.get("row"), int) else None for p in problems],
        [p.get("offer_sku") for p in problems],
        [str(p.get("severity") or "error") for p in problems],
        [str(p.get("field") or "") for p in problems],
        [p.get("code") for p in problems],
        [str(p.get("rule") or "") for p in problems],
        [str(p.get("next_step") or "") for p in problems],
    )


async def earlier_of_name(conn: Conn, import_id: UUID) -> list[UUID]:
    """Earlier imports of a file of the same name: one that is taken whole replaces them."""
    rows = await conn.fetch(
        "SELECT o.import_id FROM product_imports i JOIN product_imports o ON o.connection_id = i.connection_id"
        " AND o.file_name = i.file_name AND o.uploaded_at <= i.uploaded_at WHERE i.import_id = $1",
        import_id,
    )
    return [row["import_id"] for row in rows]


async def forget_content(conn: Conn, before: datetime) -> int:
    """Drop files of imports that ended long ago; their records and problems stay."""
    rows = await conn.fetch(
        "UPDATE product_imports SET content = NULL WHERE import_id IN (SELECT import_id FROM product_imports"
        " WHERE content IS NOT NULL AND ended_at < $1 LIMIT 100) RETURNING import_id",
        before,
    )
    return len(rows)


def view(row: asyncpg.Record) -> dict[str, Any]:
    """An import as JSON."""
    return dict(row) | {"counters": orjson.loads(row["counters"])}
