"""SQL about orders and parcels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from hub_common.database import Conn
from hub_common.tx import Cause
from hub_contracts.envelope import Event
from hub_contracts.orders import OrderSnapshot, OrderStatusChanged
from hub_contracts.shop_activity import ParcelHandedOver

# Changing what decisions rest on (rules, default, carrier list) and deciding exclude each other per connection: a
# parcel decided by the old rules while new ones are saved would otherwise wait for a rule that exists.
LOCK = """
SELECT {function}(k)
FROM (SELECT DISTINCT hashtextextended('carriers:' || c, 0) AS k FROM unnest($1::text[]) AS c ORDER BY 1) AS t
"""

UPSERT_ORDERS = """
INSERT INTO orders (order_id, version, order_references, destination_country, ship_by)
SELECT DISTINCT ON (t.order_id) t.order_id, t.version, t.refs::text[], t.country, t.ship_by
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[])
     AS t(order_id, version, refs, country, ship_by)
ORDER BY t.order_id, t.version DESC
ON CONFLICT (order_id) DO UPDATE SET version = excluded.version, order_references = excluded.order_references,
    destination_country = coalesce(excluded.destination_country, orders.destination_country),
    ship_by = coalesce(excluded.ship_by, orders.ship_by)
WHERE orders.version < excluded.version
"""

# Locks the rows of orders, known or not yet, so that an order and a parcel of it that come at the same moment through
# two topics cannot miss each other.
EXPECT_ORDERS = """
INSERT INTO orders (order_id) SELECT DISTINCT o FROM unnest($1::uuid[]) AS o ORDER BY o
ON CONFLICT (order_id) DO UPDATE SET version = orders.version
"""

# Restating the same parcel changes nothing; a correction makes it undecided again.
UPSERT_PARCELS = """
INSERT INTO parcels AS p (parcel_id, order_id, connection_id, tenant, live, version, body, handed_over_at, traceparent,
                          causation_id)
SELECT DISTINCT ON (t.parcel_id) t.parcel_id, t.order_id, t.connection_id, t.tenant, t.live, t.version, t.body,
       min(t.handed_over_at) OVER (PARTITION BY t.parcel_id), t.traceparent, t.causation_id
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bool[], $6::bigint[], $7::jsonb[], $8::timestamptz[],
            $9::text[], $10::text[])
     AS t(parcel_id, order_id, connection_id, tenant, live, version, body, handed_over_at, traceparent, causation_id)
ORDER BY t.parcel_id, t.version DESC
ON CONFLICT (parcel_id) DO UPDATE SET version = excluded.version,
    outcome = CASE WHEN p.body - 'handed_over_at' = excluded.body - 'handed_over_at' THEN p.outcome END,
    corrected = p.corrected OR p.body - 'handed_over_at' <> excluded.body - 'handed_over_at',
    body = excluded.body, live = p.live OR excluded.live, traceparent = excluded.traceparent,
    causation_id = excluded.causation_id, handed_over_at = least(p.handed_over_at, excluded.handed_over_at)
WHERE p.version < excluded.version
"""

UNDECIDED = """
SELECT p.*, o.version > 0 AS order_known, o.order_references, o.destination_country, o.ship_by
FROM parcels p JOIN orders o USING (order_id)
WHERE p.parcel_id = ANY($1) AND p.outcome IS NULL AND p.live ORDER BY p.parcel_id FOR UPDATE OF p
"""

REOPEN = """
UPDATE parcels SET outcome = NULL
WHERE live AND connection_id = ANY($1) AND (outcome = 'parked' OR outcome = 'mapped' AND connection_id = ANY($2)
      AND told ->> 'tracking_url' IS NULL AND decided_by IS NULL AND handed_over_at > $3)
RETURNING parcel_id
"""

RECORD = """
UPDATE parcels p SET outcome = t.outcome, cause = t.cause, mapped_by = t.mapped_by, decision = t.decision,
       told = coalesce(t.told, p.told), corrected = false, decided_at = $7, decided_by = $8
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[])
     AS t(parcel_id, outcome, cause, mapped_by, decision, told)
WHERE p.parcel_id = t.parcel_id
"""

PAST = """
SELECT p.*, o.version > 0 AS order_known, o.order_references, o.destination_country, o.ship_by
FROM parcels p JOIN orders o USING (order_id)
WHERE p.connection_id = $1 ORDER BY p.handed_over_at DESC, p.parcel_id LIMIT $2
"""

ONE = """
SELECT p.*, o.version > 0 AS order_known, o.order_references, o.destination_country, o.ship_by
FROM parcels p JOIN orders o USING (order_id) WHERE p.parcel_id = $1
"""

LINKLESS_DAYS = 30
"""How far back a parcel told without a link is decided again when a rule might give it one; older ones arrived."""


@dataclass(frozen=True, slots=True)
class StoredParcel:
    """A parcel as this service keeps it, with what it knows of the order."""

    parcel: ParcelHandedOver
    tenant: str
    traceparent: str | None
    causation_id: str | None
    outcome: str | None
    cause_of_parking: str | None
    corrected: bool
    told: dict[str, Any] | None
    order_known: bool
    references: tuple[str, ...]
    country: str | None
    ship_by: datetime | None

    @property
    def why(self) -> Cause:
        """Whatever is decided about it follows from its hand-over."""
        return Cause(tenant=self.tenant, traceparent=self.traceparent, causation_id=self.causation_id)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is written down of a decision. `told` None: nothing new is told."""

    parcel_id: UUID
    outcome: str
    cause: str | None
    mapped_by: str | None
    decision: str | None
    told: dict[str, Any] | None


def parcel_of(row: asyncpg.Record) -> StoredParcel:
    """The parcel that a row holds."""
    return StoredParcel(
        parcel=ParcelHandedOver.model_validate_json(row["body"]),
        tenant=row["tenant"],
        traceparent=row["traceparent"],
        causation_id=row["causation_id"],
        outcome=row["outcome"],
        cause_of_parking=row["cause"],
        corrected=row["corrected"],
        told=orjson.loads(row["told"]) if row["told"] else None,
        order_known=row["order_known"],
        references=tuple(row["order_references"]),
        country=row["destination_country"],
        ship_by=row["ship_by"],
    )


async def lock_deciding(conn: Conn, connection_ids: Iterable[UUID]) -> None:
    """Keep what decisions at these connections rest on as it is until this transaction ends. Before any row lock."""
    await conn.execute(LOCK.format(function="pg_advisory_xact_lock_shared"), [str(each) for each in connection_ids])


async def lock_changing(conn: Conn, connection_ids: Iterable[UUID]) -> None:
    """Wait for those who decide at these connections and keep others out. Before any row lock."""
    await conn.execute(LOCK.format(function="pg_advisory_xact_lock"), [str(each) for each in connection_ids])


async def save_orders(conn: Conn, facts: Sequence[tuple[int, OrderSnapshot]]) -> None:
    """Keep what decisions need of orders: (version, order)."""
    await conn.execute(
        UPSERT_ORDERS,
        [order.order_id for _, order in facts],
        [version for version, _ in facts],
        [_array(_references(order)) for _, order in facts],
        [order.destination_country for _, order in facts],
        [order.ship_by for _, order in facts],
    )


def _references(order: OrderSnapshot) -> list[str]:
    found = (order.marketplace_reference, order.order_number, order.commercial_reference)
    return list(dict.fromkeys(each for each in found if each))


def _array(values: Sequence[str]) -> str:
    """A PostgreSQL array literal: arrays of arrays must be rectangular, texts of arrays need not be."""
    quoted = ('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
    return "{" + ",".join(quoted) + "}"


async def save_ship_by(conn: Conn, events: Sequence[Event[OrderStatusChanged]]) -> None:
    """Keep ship-by instants that came with a status."""
    known = {e.data.order_id: e.data.ship_by for e in events if e.data.ship_by is not None}
    await conn.execute(
        "UPDATE orders o SET ship_by = t.ship_by FROM unnest($1::uuid[], $2::timestamptz[]) AS t(order_id, ship_by)"
        " WHERE o.order_id = t.order_id",
        list(known),
        list(known.values()),
    )


async def expect_orders(conn: Conn, order_ids: Iterable[UUID]) -> None:
    """Lock orders, also those that were not heard of yet."""
    await conn.execute(EXPECT_ORDERS, list(order_ids))


async def save_parcels(conn: Conn, events: Sequence[Event[ParcelHandedOver]]) -> None:
    """Keep the newest word on each parcel."""
    await conn.execute(
        UPSERT_PARCELS,
        [e.data.parcel_id for e in events],
        [e.data.order_id for e in events],
        [e.data.connection_id for e in events],
        [e.meta.tenant for e in events],
        [e.live for e in events],
        [e.meta.aggregate_version for e in events],
        [e.data.model_dump_json() for e in events],
        [e.data.handed_over_at for e in events],
        [e.meta.traceparent for e in events],
        [str(e.meta.event_id) for e in events],
    )


async def undecided(conn: Conn, parcel_ids: Iterable[UUID]) -> list[StoredParcel]:
    """Those of these parcels that are to be decided, locked."""
    return [parcel_of(row) for row in await conn.fetch(UNDECIDED, list(set(parcel_ids)))]


async def reopen_of_orders(conn: Conn, order_ids: Iterable[UUID]) -> list[UUID]:
    """Parked parcels of these orders become undecided: they waited for the order, or its references changed."""
    rows = await conn.fetch(
        "UPDATE parcels SET outcome = NULL WHERE order_id = ANY($1) AND live AND outcome = 'parked'"
        " RETURNING parcel_id",
        list(order_ids),
    )
    return [row["parcel_id"] for row in rows]


async def reopen(
    conn: Conn, connection_ids: Sequence[UUID], needing_links: Sequence[UUID], now: datetime
) -> list[UUID]:
    """What a change may decide otherwise becomes undecided: parked parcels, and those that lack a link they need."""
    since = now - timedelta(days=LINKLESS_DAYS)
    rows = await conn.fetch(REOPEN, list(connection_ids), list(needing_links), since)
    return [row["parcel_id"] for row in rows]


async def record(conn: Conn, rows: Sequence[Recorded], now: datetime, actor: str | None = None) -> None:
    """Write decisions down. `actor` is the person who decided, None for the rules."""
    await conn.execute(
        RECORD,
        [row.parcel_id for row in rows],
        [row.outcome for row in rows],
        [row.cause for row in rows],
        [row.mapped_by for row in rows],
        [row.decision for row in rows],
        [orjson.dumps(row.told).decode() if row.told is not None else None for row in rows],
        now,
        actor,
    )


async def past_parcels(conn: Conn, connection_id: UUID, limit: int) -> list[StoredParcel]:
    """The last parcels of a connection, newest first."""
    return [parcel_of(row) for row in await conn.fetch(PAST, connection_id, limit)]


async def find_parcel(conn: Conn, parcel_id: UUID, *, lock: bool = False) -> asyncpg.Record | None:
    """One parcel's row, optionally locked."""
    return await conn.fetchrow(ONE + (" FOR UPDATE OF p" if lock else ""), parcel_id)
