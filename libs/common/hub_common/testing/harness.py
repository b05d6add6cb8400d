"""Drives one service without a broker: handlers, effects and duties against a real PostgreSQL, step by step.

The same code paths as in production run (inbox, transaction, outbox, effect worker); only the transport between the
steps is the test itself, so nothing has to be waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

import orjson
from pydantic import SecretStr

from hub_common.clock import Clock, ManualClock
from hub_common.config import ServiceSettings
from hub_common.crypto import generate_key
from hub_common.ids import Ids, SystemIds
from hub_common.inbox import BatchResult
from hub_common.kafka.records import InRecord
from hub_common.runtime import Runtime
from hub_common.service import ServiceSpec
from hub_common.web import Role, WebServer, hash_token
from hub_contracts.base import EventData
from hub_contracts.envelope import Metadata, Origin, encode_headers
from hub_contracts.registry import BY_TYPE

TENANT = "tenant-1"
OPERATOR_TOKEN = "hub_test_operator"  # noqa: S105  a token of the test process only


def settings_for(spec: ServiceSpec, dsn: str, *, kafka: str = "127.0.0.1:1", **changes: Any) -> ServiceSettings:
    """Settings of a service under test: schema brought to head, sandboxes on loopback allowed, one admin token."""
    values: dict[str, Any] = {
        "database_dsn": SecretStr(dsn),
        "kafka_bootstrap": kafka,
        "auto_migrate": True,
        "allow_private_networks": "127.0.0.0/8",
        "operator_tokens": SecretStr(f"tester:{Role.ADMIN.name.lower()}:{hash_token(OPERATOR_TOKEN)}"),
        "credentials_keys": SecretStr(generate_key("test")),
        "call_timeout_seconds": 10,
    }
    return spec.settings(**(values | changes))


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """An event that the service emitted, read from its outbox."""

    topic: str
    key: str
    type: str
    version: int
    headers: dict[str, str]
    data: Any
    """The event's model, or None for a tombstone or raw record."""


class Harness:
    """`async with Harness(SPEC, dsn) as h:` then feed events, step, look at what was emitted."""

    def __init__(
        self, spec: ServiceSpec, dsn: str, *, clock: Clock | None = None, ids: Ids | None = None, **settings: Any
    ) -> None:
        self.clock: Clock = clock or ManualClock()
        self.settings = settings_for(spec, dsn, **settings)
        self.runtime = Runtime(spec, self.settings, clock=self.clock, ids=ids or SystemIds())
        self._versions: dict[str, int] = {}
        self._offset = 0
        self._server: WebServer | None = None

    async def __aenter__(self) -> Self:
        await self.runtime.prepare()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            await self._server.stop()
        await self.runtime.callers.close()
        await self.runtime.pool.close()

    async def feed(
        self,
        *items: tuple[str | UUID, EventData],
        origin: Origin = Origin.LIVE,
        tenant: str = TENANT,
        event_ids: Sequence[UUID] | None = None,
    ) -> BatchResult:
        """Give `(key, event)` pairs to the service as one consumed batch; connections are refreshed afterwards."""
        records = [
            self.record(key, data, origin=origin, tenant=tenant, event_id=event_ids[i] if event_ids else None)
            for i, (key, data) in enumerate(items)
        ]
        result = await self.runtime.inbox.process(records)
        await self.runtime.connections.refresh()
        return result

    def record(
        self,
        key: str | UUID,
        data: EventData,
        *,
        origin: Origin = Origin.LIVE,
        tenant: str = TENANT,
        event_id: UUID | None = None,
    ) -> InRecord:
        """The consumed record that carries this event."""
        self._offset += 1
        name = str(key)
        self._versions[name] = self._versions.get(name, 0) + 1
        meta = Metadata(
            event_id=event_id or self.runtime.ids.new(),
            type=data.TYPE,
            source="test",
            time=self.clock.now(),
            key=name,
            tenant=tenant,
            aggregate_version=self._versions[name],
            origin=origin,
        )
        body = data.model_dump_json().encode()
        return InRecord(data.TOPIC or "test", 0, self._offset, name.encode(), body, encode_headers(meta), 0)

    async def emitted(self, *, clear: bool = True) -> list[SeenEvent]:
        """Events in the outbox, in order; by default they are taken out."""
        rows = await self.runtime.pool.fetch("SELECT * FROM outbox ORDER BY id")
        if clear:
            await self.runtime.pool.execute("DELETE FROM outbox WHERE id = ANY($1)", [row["id"] for row in rows])
        return [_seen(row) for row in rows]

    async def lease(self) -> None:
        """Acquire the leases that the service wants (effect lanes, pollers)."""
        await self.runtime.connections.refresh()
        await self.runtime._lease_step()

    async def run_effects(self, rounds: int = 20) -> None:
        """Send and probe everything that is due now, until nothing is."""
        await self.lease()
        worker = self.runtime.effects
        assert worker is not None, "this service has no effects"
        for _ in range(rounds):
            refs = sorted(self.runtime.book.credential_refs())
            before = await self.runtime.pool.fetchval("SELECT coalesce(sum(attempts + probes), 0) FROM effects")
            for ref in refs:
                await worker.drain(ref)
            after = await self.runtime.pool.fetchval("SELECT coalesce(sum(attempts + probes), 0) FROM effects")
            if before == after:
                return

    async def make_due(self) -> None:
        """Let every waiting effect and retry be due now: database time cannot be moved by hand."""
        await self.runtime.pool.execute("UPDATE effects SET next_at = now() - interval '1 s' WHERE settled_at IS NULL")
        await self.runtime.pool.execute("UPDATE inbox_retry SET next_at = now() - interval '1 s'")

    async def effects(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Rows of the ledger in the order they were planned."""
        rows = await self.runtime.pool.fetch(
            "SELECT * FROM effects WHERE $1::text IS NULL OR kind = $1 ORDER BY seq", kind
        )
        return [
            dict(row) | {name: orjson.loads(row[name]) for name in ("request", "context", "answer")} for row in rows
        ]

    async def parked(self) -> list[dict[str, Any]]:
        """Work that waits now."""
        rows = await self.runtime.pool.fetch("SELECT * FROM parked WHERE resolved_at IS NULL ORDER BY parked_at")
        return [dict(row) | {"data": orjson.loads(row["data"])} for row in rows]

    async def serve(self) -> str:
        """Start the service's web API on an idle port; returns its address. Token: `OPERATOR_TOKEN`."""
        self._server = WebServer(self.runtime.build_web_app())
        await self._server.start()
        return self._server.url


def _seen(row: Any) -> SeenEvent:
    headers = orjson.loads(row["headers"])
    name = headers.get("ce_type", "")
    model = BY_TYPE.get(name)
    data = model.model_validate_json(row["value"]) if model and row["value"] is not None else None
    return SeenEvent(row["topic"], row["key"], name, row["version"], headers, data)
