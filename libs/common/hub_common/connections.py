"""Every service's own copy of the connections, learned from `hub.connections`.

The table is the truth for all replicas of the service (each consumes only some partitions); the book in memory is
refreshed from it every second, with an overlap so that a row committed late is not skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.connections import ConnectionChanged, ConnectionKind, ConnectionState
from hub_contracts.envelope import Event

OVERLAP = timedelta(seconds=60)
"""`changed_at` is when a transaction began; one that runs longer than a minute has been cancelled long before."""

UPSERT = """
INSERT INTO connections (connection_id, tenant, version, body)
SELECT DISTINCT ON (t.id) t.id, t.tenant, t.version, t.body
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::jsonb[]) AS t(id, tenant, version, body)
ORDER BY t.id, t.version DESC
ON CONFLICT (connection_id) DO UPDATE SET tenant = excluded.tenant, version = excluded.version, body = excluded.body,
    changed_at = now()
WHERE connections.version < excluded.version
"""


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection as this service knows it."""

    tenant: str
    version: int
    data: ConnectionChanged

    @property
    def connection_id(self) -> UUID:
        """Its id."""
        return self.data.connection_id

    @property
    def active(self) -> bool:
        """Calls may be made."""
        return self.data.state is ConnectionState.ACTIVE

    @property
    def is_marketplace(self) -> bool:
        """It is an account at a marketplace."""
        return self.data.kind is ConnectionKind.MARKETPLACE


async def on_connection_changed(tx: Tx, events: Sequence[Event[ConnectionChanged]]) -> None:
    """Keep the newest version of each connection."""
    await tx.conn.execute(
        UPSERT,
        [e.data.connection_id for e in events],
        [e.meta.tenant for e in events],
        [e.meta.aggregate_version for e in events],
        [e.data.model_dump_json() for e in events],
    )


ROUTES: Routes = {ConnectionChanged: on_connection_changed}


class UnknownConnection(LookupError):
    """No connection of this id has been heard of (yet)."""


class Connections:
    """The book in memory."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool
        self._by_id: dict[UUID, Connection] = {}
        self._seen: datetime | None = None
        self.generation = 0

    async def refresh(self) -> bool:
        """Read what changed since last time; True when anything did."""
        since = self._seen - OVERLAP if self._seen else None
        rows = await self._pool.fetch(
            "SELECT tenant, version, body, changed_at FROM connections"
            " WHERE $1::timestamptz IS NULL OR changed_at > $1",
            since,
        )
        changed = False
        for row in rows:
            self._seen = max(self._seen or row["changed_at"], row["changed_at"])
            data = ConnectionChanged.model_validate_json(row["body"])
            known = self._by_id.get(data.connection_id)
            if known is None or known.version < row["version"]:
                self._by_id[data.connection_id] = Connection(row["tenant"], row["version"], data)
                changed = True
        if changed:
            self.generation += 1
        return changed

    def get(self, connection_id: UUID) -> Connection | None:
        """The connection as of the last refresh."""
        return self._by_id.get(connection_id)

    def all(self) -> Iterable[Connection]:
        """Every connection known."""
        return self._by_id.values()


async def load_connections(conn: asyncpg.Connection[asyncpg.Record], ids: Iterable[UUID]) -> dict[UUID, Connection]:
    """Connections as this transaction sees them, in one statement: what handlers use."""
    rows = await conn.fetch(
        "SELECT tenant, version, body FROM connections WHERE connection_id = ANY($1)", list(set(ids))
    )
    found = (Connection(r["tenant"], r["version"], ConnectionChanged.model_validate_json(r["body"])) for r in rows)
    return {connection.connection_id: connection for connection in found}
