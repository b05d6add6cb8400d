"""Issues statements: one per connection and UTC day once the day is over and settled, and on demand for today."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import orjson

from connector_kit.discovery import UnknownConnector, connector
from connector_kit.manifest import Capability
from hub_common.connections import Connection, load_connections
from hub_common.connectors import supports
from hub_common.database import Conn
from hub_common.runtime import Runtime
from hub_common.tx import Cause, Tx
from hub_contracts.base import rfc3339
from hub_contracts.ids import statement_id_for
from hub_contracts.reconciliations import StatementIssued
from hub_contracts.status import OPEN
from reconciliation import statement, store_differences
from reconciliation.config import ReconciliationServiceSettings
from reconciliation.life import Difference
from reconciliation.statement import Facts
from reconciliation.work import comparer_of

SHOWN = 500
"""Open differences listed in a statement; the counts are of all."""
AT_ONCE = 20
OPEN_WORDS = [status.value for status in OPEN]

COUNT_ORDERS = """
SELECT count(*) AS orders,
       count(*) FILTER (WHERE o.compared_at >= coalesce(d.last_at, $3)) AS compared,
       min(o.compared_at) FILTER (WHERE o.compared_at >= coalesce(d.last_at, $3)) AS since
FROM orders o LEFT JOIN order_days d ON d.connection_id = o.connection_id AND d.order_id = o.order_id AND d.day = $2
WHERE o.connection_id = $1 AND NOT o.is_test AND o.created_at < $4
  AND (d.day IS NOT NULL OR o.status = ANY($5))
"""

COUNT_OFFERS = """
SELECT count(*) AS offers, count(*) FILTER (WHERE compared_at >= $2) AS compared,
       min(compared_at) FILTER (WHERE compared_at >= $2) AS since
FROM offers WHERE connection_id = $1 AND (quantity_pushed_at IS NOT NULL OR price_pushed_at IS NOT NULL)
"""

SAVE = """
INSERT INTO statements (statement_id, connection_id, day, tenant, final, issued_at, issued_by, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (statement_id) DO UPDATE SET final = excluded.final, issued_at = excluded.issued_at,
    issued_by = excluded.issued_by, body = excluded.body
WHERE NOT statements.final RETURNING statement_id
"""

LAST_DAYS = """
SELECT c.connection_id, c.tenant, c.first_day, c.finished_started_at,
       (SELECT max(s.day) FROM statements s WHERE s.connection_id = c.connection_id AND s.final) AS last_day
FROM comparisons c WHERE c.connection_id = ANY($1)
"""


def day_start(day: date) -> datetime:
    """Midnight, UTC."""
    return datetime.combine(day, time(), UTC)


def next_day(first_day: date, last_day: date | None, today: date, most: int) -> date | None:
    """The oldest day that is over and has no statement, at most `most` days back; None when there is none."""
    following = first_day if last_day is None else last_day + timedelta(days=1)
    day = max(following, today - timedelta(days=most))
    return day if day < today else None


def may_issue(day: date, now: datetime, settle: timedelta, latest: timedelta, round_started: datetime | None) -> bool:
    """Once the day has settled and a comparison began after that, or when waiting for one has lasted long enough."""
    settled_at = day_start(day) + timedelta(days=1) + settle
    if now < settled_at:
        return False
    fresh = round_started is not None and round_started >= settled_at
    return fresh or now >= settled_at + latest


class Statements:
    """The duty."""

    def __init__(self, runtime: Runtime) -> None:
        settings = runtime.settings
        assert isinstance(settings, ReconciliationServiceSettings)
        self._runtime, self._settings = runtime, settings

    async def step(self) -> bool:
        """Issue what is due, a day per connection at a time; True when there may be more."""
        mine, now = comparer_of(self._runtime).mine(), self._runtime.clock.now()
        rows = await self._runtime.pool.fetch(LAST_DAYS, list(mine))
        latest = timedelta(hours=self._settings.statement_latest_hours)
        due: list[tuple[Connection, date]] = []
        for row in rows:
            connection = mine[row["connection_id"]]
            settle = timedelta(minutes=connection.data.settings.reconciliation.settle_minutes)
            day = next_day(row["first_day"], row["last_day"], now.date(), self._settings.statement_days)
            if day is not None and may_issue(day, now, settle, latest, row["finished_started_at"]):
                due.append((connection, day))
        for connection, day in due[:AT_ONCE]:
            async with self._runtime.transactions.begin() as tx:
                await issue(tx, connection, day)
                await _forget(tx.conn, connection.connection_id, day - timedelta(days=self._settings.keep_days))
        return bool(due)


async def issue(tx: Tx, connection: Connection, day: date, issued_by: str | None = None) -> dict[str, Any] | None:
    """Make, keep and tell a day's statement; returns its body, None when the day's final one exists already."""
    facts = await _facts(tx, connection, day)
    told = statement.issue(facts)
    body = _body(facts, told, tx.now, issued_by)
    saved = await tx.conn.fetchval(
        SAVE,
        told.statement_id,
        told.connection_id,
        day,
        connection.tenant,
        facts.final,
        tx.now,
        issued_by,
        orjson.dumps(body).decode(),
    )
    if saved is None:
        return None
    tx.emit(told, key=connection.connection_id, cause=Cause(connection.tenant))
    return body


async def _facts(tx: Tx, connection: Connection, day: date) -> Facts:
    conn, cid, start = tx.conn, connection.connection_id, day_start(day)
    end = start + timedelta(days=1)
    orders = await conn.fetchrow(COUNT_ORDERS, cid, day, start, end, OPEN_WORDS)
    offers = await conn.fetchrow(COUNT_OFFERS, cid, start)
    effects = await conn.fetch(
        "SELECT kind, count(*) AS n FROM taken WHERE connection_id = $1 AND day = $2 AND NOT is_test"
        " GROUP BY kind ORDER BY kind",
        cid,
        day,
    )
    found, resolved, by_kind = await store_differences.counts_of_day(conn, cid, day, start)
    listed = await store_differences.open_of(conn, cid, SHOWN)
    state = await conn.fetchrow("SELECT finished_at, gaps FROM comparisons WHERE connection_id = $1", cid)
    assert orders is not None, "counts are always one row"
    assert offers is not None, "counts are always one row"
    finished = state["finished_at"] if state else None
    fresh = finished if finished is not None and finished >= start else None
    # Without orders and offers a finished comparison is what proves that there was nothing.
    compared_at = min(filter(None, (orders["since"], offers["since"])), default=fresh)
    return Facts(
        connection_id=cid,
        label=connection.data.label,
        environment=connection.data.environment.value,
        day=day,
        orders=orders["orders"],
        orders_compared=orders["compared"],
        offers=offers["offers"],
        offers_compared=offers["compared"],
        effects_by_kind={row["kind"]: row["n"] for row in effects},
        found=found,
        resolved=resolved,
        open_by_kind=by_kind,
        open=listed,
        compared_at=compared_at if fresh is not None else None,
        orders_why_not=_why_not(connection, Capability.ORDERS),
        offers_why_not=_why_not(connection, Capability.OFFERS),
        gaps=state["gaps"] if state else "",
        final=tx.now >= end,
    )


def _why_not(connection: Connection, capability: Capability) -> str:
    wanted = connection.data.settings.reconciliation
    on = wanted.compare_orders if capability is Capability.ORDERS else wanted.compare_offers
    if not on:
        return f"comparing {capability.value} is switched off"
    try:
        manifest = connector(connection.data.connector).manifest
    except UnknownConnector:
        return f"connector {connection.data.connector} is not installed"
    if not supports(manifest, connection.data.settings.capabilities_off, capability):
        return f"the connector cannot read {capability.value} back, or this connection does not use it"
    return ""


def _body(facts: Facts, told: StatementIssued, now: datetime, issued_by: str | None) -> dict[str, Any]:
    return told.model_dump(mode="json") | {
        "label": facts.label,
        "environment": facts.environment,
        "final": facts.final,
        "issued_at": rfc3339(now),
        "issued_by": issued_by,
        "headline": statement.headline(told),
        "not_compared": statement.missing_parts(facts),
        "open": [_listed(each, now) for each in facts.open],
    }


def _listed(row: Difference, now: datetime) -> dict[str, Any]:
    what = "/".join(filter(None, (row.marketplace_reference or row.offer_sku, row.line_id)))
    return {
        "difference_id": str(row.difference_id),
        "kind": row.kind,
        "what": what,
        "order_id": str(row.order_id) if row.order_id else None,
        "hub_value": row.hub_value,
        "marketplace_value": row.marketplace_value,
        "found_at": rfc3339(row.found_at),
        "age": statement.age(row.found_at, now),
        "owner": row.owner,
        "repair": row.repair,
        "attempts": row.attempts,
        "next_step": row.next_step,
    }


async def _forget(conn: Conn, connection_id: UUID, day: date) -> None:
    """What lies behind old statements; the statements themselves stay."""
    await conn.execute("DELETE FROM taken WHERE connection_id = $1 AND day < $2", connection_id, day)
    await conn.execute("DELETE FROM order_days WHERE connection_id = $1 AND day < $2", connection_id, day)


async def known(conn: Conn, connection_id: UUID) -> Connection | None:
    """The connection, if it was heard of."""
    return (await load_connections(conn, [connection_id])).get(connection_id)


def statement_of(connection_id: UUID, day: date) -> UUID:
    """The statement of a day."""
    return statement_id_for(connection_id, day.isoformat())


__all__: Sequence[str] = ("Statements", "day_start", "issue", "known", "may_issue", "next_day", "statement_of")
