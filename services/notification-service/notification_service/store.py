"""All SQL of notification-service about what is heard and who wants to be told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from hub_common.database import Conn
from hub_contracts.envelope import Event
from hub_contracts.orders import OrderReceived
from notification_service.domain import Channel, Kind, Notice, QuietHours, Severity, Subscription

if TYPE_CHECKING:
    import asyncpg

    Row: TypeAlias = asyncpg.Record
    Readable: TypeAlias = Conn | asyncpg.Pool[Row]

SAVE_ORDERS = """
INSERT INTO orders (order_id, tenant, connection_id, order_number, is_test)
SELECT DISTINCT ON (id) id, tenant, connection_id, number, is_test
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::bool[]) AS t(id, tenant, connection_id, number, is_test)
ON CONFLICT DO NOTHING
"""

SAVE_NOTICES = """
INSERT INTO notices (notice_id, tenant, kind, severity, cause, subject, owner, order_id, connection_id, due_at,
                     raised_at, live)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::text[], $6::text[], $7::text[],
                     $8::uuid[], $9::uuid[], $10::timestamptz[], $11::timestamptz[], $12::bool[])
ON CONFLICT DO NOTHING
"""

RESOLVE = """
UPDATE notices n SET resolved_at = t.at FROM unnest($1::text[], $2::timestamptz[]) AS t(subject, at)
WHERE n.subject = t.subject AND n.resolved_at IS NULL AND n.raised_at <= t.at
"""

SWAP_STATES = """
WITH new AS (SELECT * FROM unnest($1::uuid[], $2::text[]) AS t(id, state)),
before AS (SELECT connection_id, state FROM connection_states WHERE connection_id = ANY($1)),
written AS (
    INSERT INTO connection_states (connection_id, state) SELECT id, state FROM new ORDER BY id
    ON CONFLICT (connection_id) DO UPDATE SET state = excluded.state
)
SELECT connection_id, state FROM before
"""


async def save_orders(conn: Conn, events: Sequence[Event[OrderReceived]]) -> None:
    """Keep the numbers by which people know these orders."""
    orders = [(event.data.order, event.meta.tenant) for event in events]
    await conn.execute(
        SAVE_ORDERS,
        [order.order_id for order, _ in orders],
        [tenant for _, tenant in orders],
        [order.connection_id for order, _ in orders],
        [order.order_number for order, _ in orders],
        [order.is_test for order, _ in orders],
    )


async def save_notices(conn: Conn, notices: Sequence[Notice], live: Sequence[bool]) -> None:
    """Keep these notices; only live ones will be told."""
    if not notices:
        return
    await conn.execute(
        SAVE_NOTICES,
        [n.notice_id for n in notices],
        [n.tenant for n in notices],
        [n.kind.value for n in notices],
        [int(n.severity) for n in notices],
        [n.cause for n in notices],
        [n.subject for n in notices],
        [n.owner for n in notices],
        [n.order_id for n in notices],
        [n.connection_id for n in notices],
        [n.due_at for n in notices],
        [n.raised_at for n in notices],
        list(live),
    )


async def resolve(conn: Conn, subjects: Sequence[tuple[str, datetime]]) -> None:
    """Close what was raised about these subjects until then."""
    last = dict(subjects)
    if last:
        await conn.execute(RESOLVE, list(last), list(last.values()))


async def swap_states(conn: Conn, states: Mapping[UUID, str]) -> dict[UUID, str]:
    """Remember these states of connections; returns those before."""
    rows = await conn.fetch(SWAP_STATES, list(states), list(states.values()))
    return {row["connection_id"]: row["state"] for row in rows}


def notice_of(row: Row) -> Notice:
    """The notice that a row holds."""
    return Notice(
        notice_id=row["notice_id"],
        tenant=row["tenant"],
        kind=Kind(row["kind"]),
        severity=Severity(row["severity"]),
        cause=row["cause"],
        subject=row["subject"],
        owner=row["owner"],
        raised_at=row["raised_at"],
        order_id=row["order_id"],
        connection_id=row["connection_id"],
        due_at=row["due_at"],
    )


def subscription_of(row: Row) -> Subscription:
    """The rules that a row holds."""
    quiet = None
    if row["quiet_from"] and row["quiet_until"]:
        quiet = QuietHours(
            time.fromisoformat(row["quiet_from"]), time.fromisoformat(row["quiet_until"]), row["timezone"]
        )
    return Subscription(
        subscription_id=row["subscription_id"],
        tenant=row["tenant"],
        channel=Channel(row["channel"]),
        kinds=frozenset(Kind(kind) for kind in row["kinds"]),
        min_severity=Severity(row["min_severity"]),
        digest=timedelta(minutes=row["digest_minutes"]),
        quiet=quiet,
        muted_until=row["muted_until"],
        rank=row["rank"],
    )


async def active_subscriptions(conn: Readable, tenants: Iterable[str]) -> list[Row]:
    """Subscriptions of these tenants that are switched on."""
    return await conn.fetch(
        "SELECT * FROM subscriptions WHERE tenant = ANY($1) AND active ORDER BY rank, subscription_id", list(tenants)
    )


INSERT_SUBSCRIPTION = """
INSERT INTO subscriptions (subscription_id, tenant, label, channel, address, secret, kinds, min_severity,
                           digest_minutes, quiet_from, quiet_until, timezone, muted_until, rank, active, created_at,
                           updated_at, updated_by)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16, $17)
"""

CHANGEABLE = (
    "label", "address", "kinds", "min_severity", "digest_minutes", "quiet_from", "quiet_until", "timezone",
    "muted_until", "rank", "active",
)  # fmt: skip


async def change(conn: Conn, subscription_id: UUID, values: Mapping[str, Any], now: datetime, login: str) -> None:
    """Change columns of `CHANGEABLE`, and nothing else."""
    names = [name for name in CHANGEABLE if name in values]
    sets = ", ".join(f"{name} = ${number}" for number, name in enumerate(names, 4))
    await conn.execute(
        f"UPDATE subscriptions SET updated_at = $2, updated_by = $3{', ' if sets else ''}{sets}"  # noqa: S608  names of ours
        " WHERE subscription_id = $1",
        subscription_id,
        now,
        login,
        *(values[name] for name in names),
    )


async def release(conn: Conn, subscription_id: UUID) -> None:
    """What waits for a subscription that is gone or off is decided again, so that a deadline finds somebody else."""
    await conn.execute(
        "WITH gone AS (DELETE FROM notes WHERE subscription_id = $1 AND state = 'PENDING' RETURNING notice_id)"
        " UPDATE notices SET matched_at = NULL WHERE notice_id IN (SELECT notice_id FROM gone)"
        " AND resolved_at IS NULL",
        subscription_id,
    )
