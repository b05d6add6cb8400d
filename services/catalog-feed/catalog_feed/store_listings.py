"""SQL about offers that were published, and values that were released."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from catalog_feed.store import Conn
from connector_kit.offers import PublishOffer

Pair = tuple[UUID, str]
"""(marketplace connection, offer SKU)"""


@dataclass(frozen=True, slots=True)
class Listing:
    """The newest statement about one offer."""

    connection_id: UUID
    offer_sku: str
    tenant: str
    request: PublishOffer
    version: int
    state: str
    effect_id: UUID
    problems: tuple[dict[str, Any], ...]
    stated_at: datetime
    stated_by: str
    resend_at: datetime | None


SAVE = """
INSERT INTO listings (connection_id, offer_sku, tenant, request, version, state, effect_id, problems, stated_at,
                      stated_by, resend_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::bigint[], $6::text[], $7::uuid[],
                     $8::jsonb[], $9::timestamptz[], $10::text[], $11::timestamptz[])
ON CONFLICT (connection_id, offer_sku) DO UPDATE SET tenant = excluded.tenant, request = excluded.request,
    version = excluded.version, state = excluded.state, effect_id = excluded.effect_id, problems = excluded.problems,
    stated_at = excluded.stated_at, stated_by = excluded.stated_by, resend_at = excluded.resend_at
"""

SETTLE = """
UPDATE listings l SET state = t.state, problems = t.problems, import_reference = t.reference,
    listed_at = CASE WHEN t.done THEN $8 ELSE l.listed_at END,
    listed_version = CASE WHEN t.done THEN t.version ELSE l.listed_version END,
    resend_at = CASE WHEN t.done THEN l.resend_at END
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::jsonb[], $6::text[], $7::bool[])
     AS t(connection_id, offer_sku, version, state, problems, reference, done)
WHERE l.connection_id = t.connection_id AND l.offer_sku = t.offer_sku AND l.version = t.version
RETURNING l.connection_id, l.offer_sku
"""

DUE = """
SELECT * FROM listings WHERE resend_at <= $1
ORDER BY connection_id, offer_sku LIMIT $2 FOR UPDATE SKIP LOCKED
"""

COUNTS = """
SELECT o.connection_id, o.offer_sku, o.available, o.priced_at FROM offers o
JOIN unnest($1::uuid[], $2::text[], $3::text[]) AS t(connection_id, offer_sku, environment)
  ON o.connection_id = t.connection_id AND o.offer_sku = t.offer_sku AND o.environment = t.environment
"""

SAVE_RELEASES = """
INSERT INTO releases (connection_id, offer_sku, fields, version, state, effect_id, reason, requested_at, requested_by)
SELECT $1, t.sku, $3, t.version, 'releasing', t.effect_id, '', $5, $6
FROM unnest($2::text[], $4::uuid[], $7::bigint[]) AS t(sku, effect_id, version)
ON CONFLICT (connection_id, offer_sku) DO UPDATE SET fields = excluded.fields, version = excluded.version,
    state = excluded.state, effect_id = excluded.effect_id, reason = '', requested_at = excluded.requested_at,
    requested_by = excluded.requested_by, settled_at = NULL
"""

SETTLE_RELEASES = """
UPDATE releases r SET state = t.state, reason = t.reason, settled_at = $6
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::text[])
     AS t(connection_id, offer_sku, version, state, reason)
WHERE r.connection_id = t.connection_id AND r.offer_sku = t.offer_sku AND r.version = t.version
RETURNING r.connection_id, r.offer_sku
"""


def listing_of(row: asyncpg.Record) -> Listing:
    """The listing that a row holds."""
    return Listing(
        connection_id=row["connection_id"],
        offer_sku=row["offer_sku"],
        tenant=row["tenant"],
        request=PublishOffer.model_validate_json(row["request"]),
        version=row["version"],
        state=row["state"],
        effect_id=row["effect_id"],
        problems=tuple(orjson.loads(row["problems"])),
        stated_at=row["stated_at"],
        stated_by=row["stated_by"],
        resend_at=row["resend_at"],
    )


async def take_turns(conn: Conn, connection_id: UUID) -> None:
    """Statements about one connection are written down one after the other: two of the same moment about an offer
    that is new would otherwise get one version, and the second would never be sent."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('listings:' || $1::text, 0))", str(connection_id))


async def listings(conn: Conn, connection_id: UUID, skus: Collection[str]) -> dict[str, Listing]:
    """What was stated last, by SKU, locked in one order."""
    rows = await conn.fetch(
        "SELECT * FROM listings WHERE connection_id = $1 AND offer_sku = ANY($2) ORDER BY offer_sku FOR UPDATE",
        connection_id,
        list(skus),
    )
    return {row["offer_sku"]: listing_of(row) for row in rows}


async def due(conn: Conn, now: datetime, limit: int) -> list[Listing]:
    """Offers whose discount begins or ends now; nobody else gets them until this transaction ends."""
    return [listing_of(row) for row in await conn.fetch(DUE, now, limit)]


async def save(conn: Conn, values: Sequence[Listing]) -> None:
    """Write statements down."""
    await conn.execute(
        SAVE,
        [v.connection_id for v in values],
        [v.offer_sku for v in values],
        [v.tenant for v in values],
        [v.request.model_dump_json() for v in values],
        [v.version for v in values],
        [v.state for v in values],
        [v.effect_id for v in values],
        [orjson.dumps(v.problems).decode() for v in values],
        [v.stated_at for v in values],
        [v.stated_by for v in values],
        [v.resend_at for v in values],
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """How one version of a statement ended."""

    pair: Pair
    version: int
    state: str
    problems: list[dict[str, Any]]
    reference: str | None
    done: bool


async def settle(conn: Conn, ended: Sequence[Ended], now: datetime) -> set[Pair]:
    """Note how statements ended; returns the offers of which it was the newest one."""
    rows = await conn.fetch(
        SETTLE,
        [e.pair[0] for e in ended],
        [e.pair[1] for e in ended],
        [e.version for e in ended],
        [e.state for e in ended],
        [orjson.dumps(e.problems).decode() for e in ended],
        [e.reference for e in ended],
        [e.done for e in ended],
        now,
    )
    return {(row["connection_id"], row["offer_sku"]) for row in rows}


@dataclass(frozen=True, slots=True)
class Count:
    """What the hub says of an offer by itself: units that may be sold, and since when its price is what it is."""

    available: int
    priced_at: datetime | None


async def counts(conn: Conn, pairs: Sequence[tuple[UUID, str, str]]) -> dict[Pair, Count]:
    """The offers that the hub counts, of those given as (connection, SKU, environment)."""
    columns = [list(column) for column in zip(*pairs, strict=True)] or [[], [], []]
    rows = await conn.fetch(COUNTS, *columns)
    return {(row["connection_id"], row["offer_sku"]): Count(row["available"], row["priced_at"]) for row in rows}


async def release_versions(conn: Conn, connection_id: UUID, skus: Collection[str]) -> dict[str, int]:
    """The last version of each release, by SKU."""
    rows = await conn.fetch(
        "SELECT offer_sku, version FROM releases WHERE connection_id = $1 AND offer_sku = ANY($2)"
        " ORDER BY offer_sku FOR UPDATE",
        connection_id,
        list(skus),
    )
    return {row["offer_sku"]: row["version"] for row in rows}


async def save_releases(
    conn: Conn,
    connection_id: UUID,
    fields: Sequence[str],
    planned: Sequence[tuple[str, UUID, int]],
    now: datetime,
    login: str,
) -> None:
    """Note what is being released, as (SKU, effect, version)."""
    skus, effects, versions = ([each[at] for each in planned] for at in range(3))
    await conn.execute(SAVE_RELEASES, connection_id, skus, list(fields), effects, now, login, versions)


async def settle_releases(conn: Conn, ended: Sequence[tuple[UUID, str, int, str, str]], now: datetime) -> set[Pair]:
    """Note how releases ended, as (connection, SKU, version, state, reason); returns those that were the newest."""
    columns = [list(column) for column in zip(*ended, strict=True)]
    rows = await conn.fetch(SETTLE_RELEASES, *columns, now)
    return {(row["connection_id"], row["offer_sku"]) for row in rows}
