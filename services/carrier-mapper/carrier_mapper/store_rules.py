"""SQL about carrier rules and the marketplaces' own carrier lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from carrier_mapper.rules import CarrierRule, RuleKind, order_rules
from connector_kit.capabilities import MarketplaceCarrier
from hub_common.database import Conn

COLUMNS = (
    "rule_id", "kind", "priority", "carrier_code", "carrier_name", "shop_carrier", "pattern", "destination_country",
    "strip_marker", "tracking_url_template", "enabled", "version",
)  # fmt: skip

UPSERT = """
INSERT INTO carrier_rules AS r (connection_id, rule_id, kind, priority, carrier_code, carrier_name, shop_carrier,
    pattern, destination_country, strip_marker, tracking_url_template, enabled, version, changed_at, changed_by)
SELECT $1, t.*, $14, $15
FROM unnest($2::text[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
            $11::text[], $12::bool[], $13::int[])
     AS t(rule_id, kind, priority, carrier_code, carrier_name, shop_carrier, pattern, destination_country, strip_marker,
          tracking_url_template, enabled, version)
ON CONFLICT (connection_id, rule_id) DO UPDATE SET kind = excluded.kind, priority = excluded.priority,
    carrier_code = excluded.carrier_code, carrier_name = excluded.carrier_name, shop_carrier = excluded.shop_carrier,
    pattern = excluded.pattern, destination_country = excluded.destination_country,
    strip_marker = excluded.strip_marker, tracking_url_template = excluded.tracking_url_template,
    enabled = excluded.enabled, version = excluded.version, changed_at = excluded.changed_at,
    changed_by = excluded.changed_by
WHERE r.version < excluded.version
"""

SAVE_LIST = """
INSERT INTO marketplace_carriers AS m (connection_id, carriers, fetched_at, next_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (connection_id) DO UPDATE SET carriers = excluded.carriers, fetched_at = excluded.fetched_at,
    next_at = excluded.next_at, failures = 0, error = ''
"""

SAVE_FAILURE = """
INSERT INTO marketplace_carriers AS m (connection_id, next_at, failures, error) VALUES ($1, $2, 1, $3)
ON CONFLICT (connection_id) DO UPDATE SET next_at = excluded.next_at, failures = m.failures + 1, error = excluded.error
"""


def rule_of(row: asyncpg.Record) -> CarrierRule:
    """The rule that a row holds."""
    values = {name: row[name] for name in COLUMNS if name not in ("rule_id", "kind")}
    return CarrierRule(id=row["rule_id"], connection_id=str(row["connection_id"]), kind=RuleKind(row["kind"]), **values)


async def load_rules(conn: Conn, connection_ids: Iterable[UUID]) -> dict[UUID, list[CarrierRule]]:
    """Rules of these connections, in the order in which they are tried."""
    ids = list(set(connection_ids))
    found: dict[UUID, list[CarrierRule]] = {each: [] for each in ids}
    for row in await conn.fetch("SELECT * FROM carrier_rules WHERE connection_id = ANY($1)", ids):
        found[row["connection_id"]].append(rule_of(row))
    return {each: order_rules(rules) for each, rules in found.items()}


async def save_rules(
    conn: Conn, connection_id: UUID, rules: Sequence[CarrierRule], *, now: datetime, actor: str
) -> None:
    """Store rules; those whose version has not grown are left as they are."""
    columns = [[_value(rule, name) for rule in rules] for name in COLUMNS]
    await conn.execute(UPSERT, connection_id, *columns, now, actor)


def _value(rule: CarrierRule, column: str) -> Any:
    if column == "rule_id":
        return rule.id
    return rule.kind.value if column == "kind" else getattr(rule, column)


async def delete_rules(conn: Conn, connection_id: UUID, rule_ids: Sequence[str]) -> int:
    """Remove rules; returns how many there were. Decisions keep the id and version of the rule that made them."""
    status = await conn.execute(
        "DELETE FROM carrier_rules WHERE connection_id = $1 AND rule_id = ANY($2)", connection_id, list(rule_ids)
    )
    return int(status.split()[-1])


def same_rule(one: CarrierRule, other: CarrierRule) -> bool:
    """Equal but for the version."""
    return {**asdict(one), "version": 0} == {**asdict(other), "version": 0}


async def load_lists(conn: Conn, connection_ids: Iterable[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """The marketplaces' carrier lists, for connections whose list was fetched."""
    rows = await conn.fetch(
        "SELECT connection_id, carriers FROM marketplace_carriers WHERE connection_id = ANY($1)"
        " AND carriers IS NOT NULL",
        list(set(connection_ids)),
    )
    return {row["connection_id"]: orjson.loads(row["carriers"]) for row in rows}


async def list_state(conn: Conn, connection_id: UUID) -> asyncpg.Record | None:
    """All that is known of one connection's list."""
    return await conn.fetchrow("SELECT * FROM marketplace_carriers WHERE connection_id = $1", connection_id)


async def next_fetches(conn: Conn, connection_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """When each list is to be fetched next; connections that were never tried are not in it."""
    rows = await conn.fetch(
        "SELECT connection_id, next_at FROM marketplace_carriers WHERE connection_id = ANY($1)", list(connection_ids)
    )
    return {row["connection_id"]: row["next_at"] for row in rows}


async def save_list(
    conn: Conn, connection_id: UUID, carriers: Sequence[MarketplaceCarrier], *, now: datetime, next_at: datetime
) -> None:
    """Store a list as fetched."""
    entries = orjson.dumps([carrier.model_dump() for carrier in carriers]).decode()
    await conn.execute(SAVE_LIST, connection_id, entries, now, next_at)


async def save_failure(conn: Conn, connection_id: UUID, error: str, next_at: datetime) -> None:
    """Remember that a list could not be fetched; the former one stays in use."""
    await conn.execute(SAVE_FAILURE, connection_id, next_at, error[:500])


async def fetch_soon(conn: Conn, connection_id: UUID, now: datetime) -> None:
    """Let the list be fetched at the next opportunity."""
    await conn.execute(
        "INSERT INTO marketplace_carriers (connection_id, next_at) VALUES ($1, $2)"
        " ON CONFLICT (connection_id) DO UPDATE SET next_at = excluded.next_at",
        connection_id,
        now,
    )
