"""Every action of a person, written down before it is tried and with its outcome after: what was done cannot be
denied, and what was begun and never ended shows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from hub_common.database import Conn
from hub_common.web import Problem
from ops_console.accounts import User

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

STARTED, DONE, REFUSED, FAILED = "started", "done", "refused", "failed"


@asynccontextmanager
async def audited(
    runtime: Runtime,
    user: User,
    action: str,
    target: str,
    *,
    tenant: str = "",
    order_id: UUID | None = None,
    detail: Mapping[str, Any] | None = None,
) -> AsyncIterator[None]:
    """Write the action down, let the block do it, write down what came of it.

    `detail` holds what was asked for; never credentials and never personal data.
    """
    audit_id = runtime.ids.new()
    async with runtime.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO audit_log (audit_id, at, login, role, action, target, tenant, order_id, detail, outcome)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'started')",
            audit_id,
            runtime.clock.now(),
            user.login,
            user.role.name.lower(),
            action,
            target,
            tenant,
            order_id,
            orjson.dumps(dict(detail or {}), default=str).decode(),
        )
    try:
        yield
    except Problem as problem:
        await _end(runtime, audit_id, REFUSED if problem.status < 500 else FAILED, problem.detail or problem.title)
        raise
    except BaseException as error:
        await _end(runtime, audit_id, FAILED, type(error).__name__)
        raise
    await _end(runtime, audit_id, DONE, "")


async def _end(runtime: Runtime, audit_id: UUID, outcome: str, why: str) -> None:
    await runtime.pool.execute(
        "UPDATE audit_log SET outcome = $2, why = $3, ended_at = $4 WHERE audit_id = $1",
        audit_id,
        outcome,
        why[:500],
        runtime.clock.now(),
    )


async def entries(
    conn: Conn,
    *,
    tenants: list[str] | None,
    login: str | None = None,
    order_id: UUID | None = None,
    before: datetime | None = None,
    limit: int = 200,
) -> list[dict[str, Any]]:
    """The newest entries first. Entries without a tenant (sign-ins) are shown to those who see all tenants."""
    rows = await conn.fetch(
        "SELECT * FROM audit_log WHERE ($1::text[] IS NULL OR tenant = ANY($1)) AND ($2::text IS NULL OR login = $2)"
        " AND ($3::uuid IS NULL OR order_id = $3) AND ($4::timestamptz IS NULL OR at < $4)"
        " ORDER BY at DESC, audit_id DESC LIMIT $5",
        tenants,
        login,
        order_id,
        before,
        limit,
    )
    return [dict(row) | {"detail": orjson.loads(row["detail"])} for row in rows]
