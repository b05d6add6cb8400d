"""What people put right in delivery addresses. What the marketplace gave is never changed: both are kept side by side,
with who corrected it, when and why, until the buyer is erased.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import orjson

from connector_kit.requests import ShopAddress, ShopCustomer

Conn: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Reads: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.Pool[asyncpg.Record]"

WHOLE = ("street_1", "postal_code", "city", "country_code")
"""Without these, and a last name or a company, nobody can deliver."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What people have put right in one order so far."""

    made: int
    """Corrections up to now; none is ever removed."""
    shipping: Mapping[str, str | None] | None
    """What the one in force says; None when there is none."""
    actor: str | None
    """Who made the one in force."""


def changed_fields(original: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the fields that come out otherwise with one correction than with another, sorted.

    A correction takes the place of the one before it, so a field that it no longer names is as in the original again.
    """
    was, now = {**original, **before}, {**original, **after}
    return tuple(sorted(name for name in was.keys() | now.keys() if (was.get(name) or "") != (now.get(name) or "")))


async def standing_of(conn: Reads, order_id: UUID) -> Standing:
    """How often an order's address was corrected, and what is in force."""
    rows = await conn.fetch(
        "SELECT shipping, actor, superseded FROM customer_corrections WHERE order_id = $1", order_id
    )
    row = next((each for each in rows if not each["superseded"]), None)
    shipping = orjson.loads(row["shipping"]) if row and row["shipping"] else None
    return Standing(len(rows), shipping, row["actor"] if row else None)


async def save_correction(
    conn: Conn,
    correction_id: UUID,
    order_id: UUID,
    shipping: Mapping[str, str | None],
    actor: str,
    reason: str,
    now: datetime,
) -> None:
    """Keep a correction; it takes the place of an earlier one, which is kept as well."""
    await conn.execute(
        "UPDATE customer_corrections SET superseded = true WHERE order_id = $1 AND NOT superseded", order_id
    )
    await conn.execute(
        "INSERT INTO customer_corrections (correction_id, order_id, shipping, actor, reason, corrected_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        correction_id,
        order_id,
        orjson.dumps(dict(shipping)).decode(),
        actor,
        reason,
        now,
    )


async def with_corrections(
    conn: Reads, order_ids: Sequence[UUID], customers: Mapping[UUID, ShopCustomer]
) -> dict[UUID, ShopCustomer]:
    """Buyers as shops are to know them: corrected fields in place of those that the marketplace gave."""
    rows = await conn.fetch(
        "SELECT order_id, shipping FROM customer_corrections"
        " WHERE order_id = ANY($1) AND NOT superseded AND shipping IS NOT NULL",
        order_ids,
    )
    found = dict(customers)
    for row in rows:
        known = found.get(row["order_id"], ShopCustomer())
        given = known.shipping.model_dump() if known.shipping else {}
        address = ShopAddress.model_validate({**given, **orjson.loads(row["shipping"])})
        found[row["order_id"]] = known.model_copy(update={"shipping": address, "billing": known.billing or address})
    return found


async def corrections_of(conn: Reads, order_id: UUID) -> list[asyncpg.Record]:
    """All corrections of an order, the newest first."""
    return await conn.fetch(
        "SELECT * FROM customer_corrections WHERE order_id = $1 ORDER BY corrected_at DESC, superseded", order_id
    )


async def forget_corrections(conn: Reads, order_ids: Sequence[UUID], before: datetime | None = None) -> None:
    """Erase what people wrote about these buyers, and what anybody wrote before an instant.

    That there was a correction, by whom and when, is kept.
    """
    await conn.execute(
        "UPDATE customer_corrections SET shipping = NULL, reason = ''"
        " WHERE (order_id = ANY($1) OR corrected_at < $2) AND shipping IS NOT NULL",
        order_ids,
        before,
    )
