"""SQL about connections: reading, locking, and the one way of writing a change.

A change is always the same five things in one transaction: the runtime's copy, our details, the audit line, the event,
and its version. Forgetting one would let the services, the console and the audit tell different stories.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import orjson

from connection_registry.model import Details, Note, Stored
from hub_common.connections import UPSERT
from hub_common.tx import Cause, Tx
from hub_contracts import topics
from hub_contracts.connections import ConnectionChanged

Conn: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.Pool[asyncpg.Record]"
"""Either an open transaction, or the pool for a single reading statement."""

COLUMNS = """
SELECT c.connection_id, c.tenant, c.version, c.body, d.note, d.contacts, d.credential_fields, d.fingerprint,
       d.budget_overrides, d.verification, d.created_at, d.created_by
FROM connections c JOIN connection_details d USING (connection_id)
"""

SAVE_DETAILS = """
INSERT INTO connection_details (connection_id, note, contacts, credential_fields, credential_ref, fingerprint,
                                budget_overrides, verification, created_at, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (connection_id) DO UPDATE SET note = excluded.note, contacts = excluded.contacts,
    credential_fields = excluded.credential_fields, credential_ref = excluded.credential_ref,
    fingerprint = excluded.fingerprint, budget_overrides = excluded.budget_overrides,
    verification = excluded.verification
"""

LOCK_CREDENTIALS = "SELECT pg_advisory_xact_lock(hashtextextended('connection-registry:credentials', 0))"


def stored_of(row: asyncpg.Record) -> Stored:
    """The connection that a row holds."""
    verification = row["verification"]
    details = Details(
        created_at=row["created_at"],
        created_by=row["created_by"],
        note=row["note"],
        contacts=tuple(orjson.loads(row["contacts"])),
        credential_fields=orjson.loads(row["credential_fields"]),
        fingerprint=row["fingerprint"],
        budget_overrides=orjson.loads(row["budget_overrides"]),
        verification=orjson.loads(verification) if verification is not None else None,
    )
    return Stored(row["tenant"], row["version"], ConnectionChanged.model_validate_json(row["body"]), details)


async def read(conn: Conn, connection_id: UUID) -> Stored | None:
    """One connection."""
    row = await conn.fetchrow(COLUMNS + "WHERE c.connection_id = $1", connection_id)
    return stored_of(row) if row else None


async def read_many(conn: Conn, ids: Iterable[UUID]) -> dict[UUID, Stored]:
    """Several connections; ids that are not known are left out."""
    rows = await conn.fetch(COLUMNS + "WHERE c.connection_id = ANY($1)", list(set(ids)))
    return {row["connection_id"]: stored_of(row) for row in rows}


async def page(conn: Conn, filters: dict[str, str | None], after: UUID | None, limit: int) -> list[Stored]:
    """Connections in order of creation. `filters` are equalities on tenant, connector, kind, environment, state."""
    rows = await conn.fetch(
        COLUMNS + "WHERE ($1::text IS NULL OR c.tenant = $1) AND ($2::text IS NULL OR c.body->>'connector' = $2)"
        " AND ($3::text IS NULL OR c.body->>'kind' = $3) AND ($4::text IS NULL OR c.body->>'environment' = $4)"
        " AND ($5::text IS NULL OR c.body->>'state' = $5) AND ($6::uuid IS NULL OR c.connection_id > $6)"
        " ORDER BY c.connection_id LIMIT $7",
        *(filters.get(name) for name in ("tenant", "connector", "kind", "environment", "state")),
        after,
        limit,
    )
    return [stored_of(row) for row in rows]


async def lock(tx: Tx, connection_id: UUID) -> Stored | None:
    """One connection, locked until the transaction ends."""
    row = await tx.conn.fetchrow(COLUMNS + "WHERE c.connection_id = $1 FOR UPDATE OF c", connection_id)
    return stored_of(row) if row else None


async def lock_credentials(tx: Tx) -> None:
    """Serialise everything that decides who shares a credential, before any connection is locked."""
    await tx.conn.execute(LOCK_CREDENTIALS)


async def lock_group(tx: Tx, credential_ref: str) -> list[Stored]:
    """All connections of a credential, locked in one order so that two such transactions cannot block each other."""
    rows = await tx.conn.fetch(
        COLUMNS + "WHERE d.credential_ref = $1 ORDER BY c.connection_id FOR UPDATE OF c", credential_ref
    )
    return [stored_of(row) for row in rows]


async def with_fingerprint(tx: Tx, fingerprint: str, without: Sequence[UUID]) -> Stored | None:
    """Some other connection with the same credentials."""
    row = await tx.conn.fetchrow(
        COLUMNS + "WHERE d.fingerprint = $1 AND c.connection_id <> ALL($2) LIMIT 1", fingerprint, list(without)
    )
    return stored_of(row) if row else None


async def ref_in_use(tx: Tx, credential_ref: str, without: Sequence[UUID]) -> bool:
    """Whether connections other than these have this credential reference."""
    return bool(
        await tx.conn.fetchval(
            "SELECT EXISTS (SELECT 1 FROM connection_details WHERE credential_ref = $1 AND connection_id <> ALL($2))",
            credential_ref,
            list(without),
        )
    )


async def sharing(conn: Conn, refs: Sequence[str]) -> dict[str, list[UUID]]:
    """Connections by credential reference."""
    rows = await conn.fetch(
        "SELECT credential_ref, array_agg(connection_id ORDER BY connection_id) AS ids FROM connection_details"
        " WHERE credential_ref = ANY($1) GROUP BY credential_ref",
        list(set(refs)),
    )
    return {row["credential_ref"]: row["ids"] for row in rows}


async def write(tx: Tx, changed: Stored, note: Note, actor: str) -> Stored:
    """Store a new or locked connection, tell it, note it. Returns it with the version that the event will have."""
    data = changed.data
    key = str(changed.connection_id)
    version = 1 + await tx.conn.fetchval(
        "SELECT coalesce((SELECT version FROM aggregates WHERE topic = $1 AND key = $2), 0)",
        tx.topic_prefix + topics.CONNECTIONS,
        key,
    )
    body = data.model_dump_json()
    await tx.conn.execute(UPSERT, [changed.connection_id], [changed.tenant], [version], [body])
    await save_details(tx, changed)
    await audit(tx, changed.connection_id, version, note, actor)
    tx.emit(data, key=key, cause=Cause(tenant=changed.tenant))
    return Stored(changed.tenant, version, data, changed.details)


async def save_details(tx: Tx, changed: Stored) -> None:
    """Store what only the registry keeps. Alone, it is no change that anybody else hears of."""
    details = changed.details
    await tx.conn.execute(
        SAVE_DETAILS,
        changed.connection_id,
        details.note,
        _json(details.contacts),
        _json(details.credential_fields),
        changed.data.credential_ref,
        details.fingerprint,
        _json(details.budget_overrides),
        _json(details.verification) if details.verification is not None else None,
        details.created_at,
        details.created_by,
    )


async def audit(tx: Tx, connection_id: UUID, version: int, note: Note, actor: str) -> None:
    """Note who did what to a connection, by name of field."""
    await tx.conn.execute(
        "INSERT INTO connection_changes (change_id, connection_id, version, at, actor, action, fields)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        tx.ids.new(),
        connection_id,
        version,
        tx.now,
        actor,
        note.action,
        list(note.fields),
    )


async def changes(conn: Conn, connection_id: UUID, before: UUID | None, limit: int) -> list[dict[str, Any]]:
    """The audit of a connection, newest first."""
    rows = await conn.fetch(
        "SELECT change_id, version, at, actor, action, fields FROM connection_changes"
        " WHERE connection_id = $1 AND ($2::uuid IS NULL OR change_id < $2) ORDER BY change_id DESC LIMIT $3",
        connection_id,
        before,
        limit,
    )
    return [dict(row) for row in rows]


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
