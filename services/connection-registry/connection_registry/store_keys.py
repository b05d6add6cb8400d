"""SQL about shops' API keys. Only hashes are stored; they travel with the connection for the gateway to compare."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from connection_registry.store import Conn
from hub_common.tx import Tx


async def live(conn: Conn, connection_id: UUID) -> list[str]:
    """Hashes of the keys that are not revoked, oldest first."""
    rows = await conn.fetch(
        "SELECT hash FROM api_keys WHERE connection_id = $1 AND revoked_at IS NULL ORDER BY api_key_id", connection_id
    )
    return [row["hash"] for row in rows]


async def add(tx: Tx, connection_id: UUID, label: str, digest: str, actor: str) -> UUID:
    """A new key; returns its id."""
    api_key_id = tx.ids.new()
    await tx.conn.execute(
        "INSERT INTO api_keys (api_key_id, connection_id, label, hash, created_at, created_by)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        api_key_id,
        connection_id,
        label,
        digest,
        tx.now,
        actor,
    )
    return api_key_id


async def revoke(tx: Tx, connection_id: UUID, api_key_id: UUID, actor: str) -> bool | None:
    """Revoke a key: True when it was live, False when it was revoked before, None when there is no such key."""
    row = await tx.conn.fetchrow(
        "UPDATE api_keys k SET revoked_at = coalesce(k.revoked_at, $3), revoked_by = coalesce(k.revoked_by, $4)"
        " FROM (SELECT api_key_id, revoked_at FROM api_keys WHERE api_key_id = $1 AND connection_id = $2 FOR UPDATE)"
        " AS before WHERE k.api_key_id = before.api_key_id RETURNING before.revoked_at IS NULL AS was_live",
        api_key_id,
        connection_id,
        tx.now,
        actor,
    )
    return None if row is None else bool(row["was_live"])


async def listing(conn: Conn, connection_id: UUID) -> list[dict[str, Any]]:
    """All keys that ever were, newest first, without their hashes."""
    rows = await conn.fetch(
        "SELECT api_key_id, label, created_at, created_by, revoked_at, revoked_by FROM api_keys"
        " WHERE connection_id = $1 ORDER BY api_key_id DESC",
        connection_id,
    )
    return [dict(row) for row in rows]
