"""SQL of the orders' list and of one order. Conditions are put together from fixed texts; values never are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from hub_common.database import Conn
from ops_console.accounts import User
from ops_console.tables import WORDS

LIST = """
SELECT o.order_id, o.tenant, o.connection_id, o.connector, o.is_test, o.ours, o.order_number, o.reference, o.status,
       o.marketplace_status, o.total_price, o.currency, o.units, o.created_at, o.accept_by, o.ship_by,
       coalesce(c.body ->> 'label', o.connector) AS label,
       (SELECT string_agg(DISTINCT cause, ', ') FROM parked_items p
        WHERE p.order_id = o.order_id AND p.waiting) AS parked,
       (SELECT count(*) FROM doubts d WHERE d.order_id = o.order_id AND d.open) AS doubts
FROM {source} o LEFT JOIN connections c USING (connection_id)
WHERE {conditions} ORDER BY o.created_at DESC, o.order_id DESC LIMIT {limit}
"""
RECENT = "(SELECT * FROM orders o WHERE {conditions} ORDER BY o.created_at DESC, o.order_id DESC LIMIT 10000)"
"""A word that many orders have is found among the newest; the index would fetch all of them to show fifty."""
HAS_WORDS = f"{WORDS} @@ {{}}::text::tsquery"
LIVE = "o.live AND o.ours AND NOT o.is_test"
BY_WORDS = f"SELECT order_id FROM orders WHERE {WORDS} @@ {{}}::text::tsquery"  # noqa: S608  an index's expression
BY_TRACKING = "SELECT order_id FROM tracking_numbers WHERE tracking_number = ANY({}::text[])"
BY_BUYER = "SELECT order_id FROM customer_terms WHERE term = ANY({}::bytea[])"
TRACKING_WORDS = 3
MAX_WORDS = 8


@dataclass(frozen=True, slots=True)
class Wish:
    """What to look for. Empty values do not matter."""

    tenants: list[str] | None
    text: str = ""
    buyer: Sequence[Sequence[bytes]] = ()
    """Digests, see `TermKeys.of_question`; empty = buyers are not looked at."""
    status: str = ""
    connection_id: UUID | None = None
    parked: bool = False
    cause: str = ""
    doubt: bool = False
    deadline: str = ""
    since: date | None = None
    until: date | None = None
    tests: str = ""
    """`only`, `with`, or empty: without."""
    before: tuple[datetime, UUID] | None = None
    limit: int = 50


@dataclass
class _Where:
    parts: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, text: str, *values: Any) -> None:
        """A condition; `{}` stands for each value."""
        self.values += values
        first = len(self.values) - len(values) + 1
        self.parts.append(text.format(*(f"${first + at}" for at in range(len(values)))))

    def also(self, text: str, *values: Any) -> _Where:
        """These conditions and one more."""
        more = _Where([*self.parts], [*self.values])
        more.add(text, *values)
        return more

    @property
    def text(self) -> str:
        """All conditions."""
        return " AND ".join(self.parts) or "true"


async def search(conn: Conn, wish: Wish, now: datetime) -> list[dict[str, Any]]:
    """Orders, the newest first, one more than asked for when there are more."""
    where, most = _conditions(wish, now), wish.limit + 1
    if not wish.text:
        return await _page(conn, where, most)
    words = words_query(wish.text)
    found = await _page(conn, _Where(values=[*where.values]).also(HAS_WORDS, words), most, RECENT, where)
    if len(found) < most:
        found = await _page(conn, where.also(f"o.order_id IN ({BY_WORDS})", words), most)
    ways, values = _other_ways(wish)
    found += await _page(conn, where.also(f"o.order_id IN ({' UNION '.join(ways)})", *values), most)
    once = {row["order_id"]: row for row in found}
    return sorted(once.values(), key=lambda row: (row["created_at"], row["order_id"]), reverse=True)[:most]


async def _page(
    conn: Conn, where: _Where, most: int, source: str = "orders", inner: _Where | None = None
) -> list[dict[str, Any]]:
    text = LIST.format(
        source=source.format(conditions=inner.text) if inner else source, conditions=where.text, limit=int(most)
    )
    return [dict(row) for row in await conn.fetch(text, *where.values)]


def _conditions(wish: Wish, now: datetime) -> _Where:
    """Everything but the text."""
    where = _Where()
    if wish.tenants is not None:
        where.add("o.tenant = ANY({}::text[])", wish.tenants)
    if wish.status:
        where.add("o.status = {}", wish.status)
    if wish.connection_id:
        where.add("o.connection_id = {}", wish.connection_id)
    if wish.parked or wish.cause:
        where.add(
            "o.order_id IN (SELECT order_id FROM parked_items WHERE waiting AND ({0}::text IS NULL OR cause = {0}))",
            wish.cause or None,
        )
    if wish.doubt:
        where.add("o.order_id IN (SELECT order_id FROM doubts WHERE open)")
    if wish.deadline:
        _deadline(where, wish.deadline, now)
    if wish.since:
        where.add("o.created_at >= {}::date", wish.since)
    if wish.until:
        where.add("o.created_at < {}::date", wish.until + timedelta(days=1))
    if wish.tests != "with":
        where.add("o.is_test" if wish.tests == "only" else "NOT o.is_test")
    if wish.before:
        where.add("(o.created_at, o.order_id) < ({}::timestamptz, {}::uuid)", *wish.before)
    return where


def _other_ways(wish: Wish) -> tuple[list[str], list[Any]]:
    """Besides words of references, numbers and SKUs: a tracking number, an order's id, or the buyer."""
    ways, values = [BY_TRACKING], list[Any]([_tracking(wish.text)])
    try:
        values.append(UUID(wish.text.strip()))
        ways.append("SELECT {}::uuid")
    except ValueError:
        pass
    if wish.buyer:
        whole, *words = wish.buyer
        ways.append(BY_BUYER)
        values.append(whole)
        if words:
            ways.append("(" + " INTERSECT ".join(BY_BUYER for _ in words) + ")")
            values += words
    return ways, values


def words_query(text: str) -> str:
    """A question for the index of words: every word must be there, as a beginning at least."""
    words = [word[:200].replace("\\", "\\\\").replace("'", "''") for word in text.lower().split()[:MAX_WORDS]]
    return " & ".join(f"'{word}':*" for word in words)


def _tracking(text: str) -> list[str]:
    """A tracking number as it may have been typed: with blanks, in small letters."""
    bare = "".join(text.split())
    return list(dict.fromkeys([text.strip(), bare, bare.upper()]))[:TRACKING_WORDS]


BEGIN = {"below_1_h": 0.0, "below_4_h": 0.0, "below_1_day": 0.0, "later": 24.0}
END = {"missed": 0.0, "below_1_h": 1.0, "below_4_h": 4.0, "below_1_day": 24.0}


def _deadline(where: _Where, name: str, now: datetime) -> None:
    """Orders whose running clock ends in a span of time."""
    begin = now + timedelta(hours=BEGIN[name]) if name in BEGIN else None
    end = now + timedelta(hours=END[name]) if name in END else None
    parts: list[str] = []
    values: list[Any] = []
    for due, status in (("accept_by", "PENDING"), ("ship_by", "PREPARATION")):
        part = f"SELECT order_id FROM orders o WHERE o.status = '{status}' AND {LIVE}"  # noqa: S608  fixed texts
        for sign, bound in ((">=", begin), ("<", end)):
            if bound is not None:
                part += f" AND o.{due} {sign} {{}}::timestamptz"
                values.append(bound)
        parts.append(part)
    where.add(f"o.order_id IN ({' UNION ALL '.join(parts)})", *values)


async def order_for(conn: Conn, user: User, order_id: UUID) -> dict[str, Any] | None:
    """An order with the names of its connection; None when there is none or it is none of the person's business."""
    row = await conn.fetchrow(
        "SELECT o.*, c.body AS connection FROM orders o LEFT JOIN connections c USING (connection_id)"
        " WHERE o.order_id = $1",
        order_id,
    )
    if row is None or not user.sees(row["tenant"]):
        return None
    body = orjson.loads(row["connection"]) if row["connection"] else {}
    names = {name: body.get(name, "") for name in ("label", "state", "environment")}
    return {k: v for k, v in row.items() if k not in ("connection", "search")} | {"connection": names}


async def waiting_of(conn: Conn, order_id: UUID) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What of an order is parked and what is in doubt now."""
    parked = await conn.fetch(
        "SELECT * FROM parked_items WHERE order_id = $1 AND waiting ORDER BY due_at NULLS LAST, changed_at", order_id
    )
    doubts = await conn.fetch("SELECT * FROM doubts WHERE order_id = $1 AND open ORDER BY changed_at", order_id)
    return [dict(row) for row in parked], [dict(row) for row in doubts]
