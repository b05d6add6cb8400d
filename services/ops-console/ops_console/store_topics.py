"""SQL of the topic pages. Each look at a topic reads a bounded number of records, however rare what is looked for is:
a filter that matches nothing must not read a year of events, and says instead how far back it has looked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from hub_common.database import Conn
from ops_console.topic_view import Cursor, TopicFilter

Row = dict[str, Any]
LOOK_BACK = 5000
"""Records that one look reads at most when it filters; some 100 ms."""
CATCH_UP = 20_000
"""Records of all topics that a tail which was away looks through; who was away for longer is told so."""
MISSED = 500
"""Records that a tail which was away is given at once."""
MANY = 50_000
"""Records of an hour are counted up to here; beyond, the number tells nothing more."""
CAUSED_WITHIN = timedelta(minutes=10)
"""Outside an order's story, effects are looked for in what arrived within this time after their cause."""

COLUMNS = (
    "s.event_id, s.seq, s.order_id, s.topic, s.key, s.type, s.tenant, s.source, s.at, s.version, s.origin,"
    " s.causation_id, s.traceparent, s.received_at, o.order_number,"
    " coalesce(o.connection_id::text, s.data ->> 'connection_id', s.data ->> 'shop_connection_id') AS connection_id"
)

FITS = """
    ($5::text[] IS NULL OR s.tenant = ANY($5))
    AND ($6 = '' OR s.type = $6) AND ($7 = '' OR strpos(lower(s.key), lower($7)) > 0)
    AND ($8 = '' OR strpos(o.connection_id::text, $8) > 0 OR strpos(s.data::text, $8) > 0 OR strpos(s.key, $8) > 0)
    AND CASE WHEN $9 = '' OR $10 = '' THEN true WHEN $9 = 'source' THEN s.source = $10
             WHEN $9 = 'origin' THEN s.origin = $10 WHEN $9 = 'tenant' THEN s.tenant = $10
             WHEN $9 = 'trace' THEN strpos(coalesce(s.traceparent, ''), $10) > 0 ELSE false END
    AND ($11 = '' OR strpos(lower(s.data::text), lower($11)) > 0)
"""

PAGE = f"""
WITH looked AS MATERIALIZED (
    SELECT * FROM story_events e
    WHERE topic = $1 AND ($2::timestamptz IS NULL OR (at <= $2 AND (at, seq) < ($2, $3::bigint)))
      AND ($12::text IS NULL OR key = $12)
      AND (NOT $13::bool OR NOT EXISTS (
          SELECT 1 FROM story_events n WHERE n.topic = e.topic AND n.key = e.key AND n.seq > e.seq))
    ORDER BY at DESC, seq DESC LIMIT $4
), found AS (
    SELECT {COLUMNS}, s.data::text AS body FROM looked s LEFT JOIN orders o ON o.order_id = s.order_id
    WHERE {FITS} ORDER BY s.at DESC, s.seq DESC LIMIT $14
)
SELECT f.*, l.looked, l.last_at, l.last_seq
FROM (SELECT count(*) AS looked, min(at) AS last_at,
             (array_agg(seq ORDER BY at, seq))[1] AS last_seq FROM looked) l LEFT JOIN found f ON true
ORDER BY f.at DESC, f.seq DESC
"""  # noqa: S608  made of the constants above


@dataclass(frozen=True, slots=True)
class TopicPage:
    """Records of a topic, newest first."""

    rows: list[Row]
    older: Cursor | None
    """Where to go on; None = that is all there is."""
    looked: int
    """Records looked at to find these."""
    looked_to: datetime | None


async def page_of(
    conn: Conn,
    topic: str,
    wanted: TopicFilter,
    *,
    tenants: list[str] | None,
    before: Cursor | None = None,
    latest: bool = False,
    limit: int = 100,
) -> TopicPage:
    """One page. `latest` keeps the newest record of each key only. A key that exists is looked up as a whole."""
    exact = bool(wanted.key) and await conn.fetchval(
        "SELECT EXISTS (SELECT 1 FROM story_events WHERE topic = $1 AND key = $2)", topic, wanted.key
    )
    most = limit + 1 if wanted.empty and tenants is None else LOOK_BACK
    values = (before.at if before else None, before.seq if before else None, most, tenants)
    filters = (wanted.type, wanted.key, wanted.connection, wanted.header, wanted.value, wanted.text)
    fetched = await conn.fetch(PAGE, topic, *values, *filters, wanted.key if exact else None, latest, limit + 1)
    rows = [_row(row) for row in fetched if row["event_id"] is not None]
    looked, older = fetched[0]["looked"], None
    if len(rows) > limit:
        rows, older = rows[:limit], Cursor.of(rows[limit - 1])
    elif looked == most:
        older = Cursor(fetched[0]["last_at"], fetched[0]["last_seq"])
    return TopicPage(rows, older, looked, fetched[0]["last_at"])


def _row(row: Any) -> Row:
    return {name: value for name, value in row.items() if name not in ("looked", "last_at", "last_seq")}


async def just_above(conn: Conn, topic: str, record: Row, tenants: list[str] | None, above: int = 10) -> Cursor | None:
    """Where a page must begin to show a record with some that came after it. None = at the top."""
    rows = await conn.fetch(
        "SELECT at, seq FROM (SELECT at, seq, tenant FROM story_events WHERE topic = $1 AND at >= $2"
        " AND (at, seq) > ($2, $3::bigint) ORDER BY at, seq LIMIT $6) t"
        " WHERE $4::text[] IS NULL OR tenant = ANY($4) ORDER BY at, seq LIMIT $5",
        topic,
        record["at"],
        record["seq"],
        tenants,
        above,
        LOOK_BACK,
    )
    return Cursor(rows[-1]["at"], rows[-1]["seq"] + 1) if len(rows) == above else None


RECORD = f"""
SELECT {COLUMNS}, s.data::text AS body FROM story_events s LEFT JOIN orders o ON o.order_id = s.order_id
WHERE s.event_id = $1 AND ($2::text[] IS NULL OR s.tenant = ANY($2))
"""  # noqa: S608

LED_TO = f"""
SELECT {COLUMNS} FROM story_events s LEFT JOIN orders o ON o.order_id = s.order_id
WHERE s.event_id IN (
    SELECT event_id FROM story_events WHERE order_id = $2 AND causation_id = $1
    UNION SELECT event_id FROM story_events WHERE received_at BETWEEN $3 AND $4 AND causation_id = $1)
  AND ($5::text[] IS NULL OR s.tenant = ANY($5))
ORDER BY s.at, s.seq LIMIT 50
"""  # noqa: S608


async def record_of(conn: Conn, event_id: UUID, tenants: list[str] | None) -> Row | None:
    """One record with its body opened; None also when it is another tenant's."""
    row = await conn.fetchrow(RECORD, event_id, tenants)
    return None if row is None else dict(row) | {"data": orjson.loads(row["body"])}


async def caused_by(conn: Conn, record: Row, tenants: list[str] | None) -> list[Row]:
    """Records that name this one as their cause: of the same order, or that arrived soon after it."""
    since = record["received_at"]
    until = since + CAUSED_WITHIN
    rows = await conn.fetch(LED_TO, str(record["event_id"]), record["order_id"], since, until, tenants)
    return [dict(row) for row in rows]


FIGURES = """
SELECT t.topic, l.at AS last_at, h.events
FROM unnest($1::text[]) AS t(topic)
LEFT JOIN LATERAL (
    SELECT max(w.at) AS at FROM (
        SELECT at, tenant FROM story_events s WHERE s.topic = t.topic ORDER BY at DESC LIMIT $4) w
    WHERE $3::text[] IS NULL OR w.tenant = ANY($3)) l ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS events FROM (
        SELECT FROM story_events s
        WHERE s.topic = t.topic AND s.at > $2 AND ($3::text[] IS NULL OR s.tenant = ANY($3)) LIMIT $5) c) h ON true
"""


async def figures(conn: Conn, topics: Sequence[str], now: datetime, tenants: list[str] | None) -> dict[str, Row]:
    """Per topic when it last said something and how much it said within the last hour."""
    look = 1 if tenants is None else LOOK_BACK
    rows = await conn.fetch(FIGURES, list(topics), now - timedelta(hours=1), tenants, look, MANY)
    return {row["topic"]: dict(row) for row in rows}


async def last_seq(conn: Conn) -> int:
    """The newest record's number, of all topics."""
    return int(await conn.fetchval("SELECT coalesce(max(seq), 0) FROM story_events"))


ARRIVED = f"""
SELECT {COLUMNS}, CASE WHEN s.topic = ANY($2) THEN s.data::text END AS body
FROM story_events s LEFT JOIN orders o ON o.order_id = s.order_id AND s.topic = ANY($2)
"""  # noqa: S608
ARRIVED_AFTER = f"{ARRIVED} WHERE s.seq > $1 ORDER BY s.seq LIMIT $3"
ARRIVED_LATE = f"{ARRIVED} WHERE s.seq = ANY($1) ORDER BY s.seq"
ARRIVED_MEANWHILE = f"""{ARRIVED}
WHERE s.seq > greatest($1::bigint, (SELECT max(seq) FROM story_events) - $4::bigint)
  AND s.topic = ANY($2) AND ($3::text[] IS NULL OR s.tenant = ANY($3)) ORDER BY s.seq
"""  # noqa: S608


async def arrived(conn: Conn, after: int, topics: list[str], limit: int) -> list[Row]:
    """What came after a number, in the order of arrival; bodies of these topics only."""
    return [dict(row) for row in await conn.fetch(ARRIVED_AFTER, after, topics, limit)]


async def arrived_late(conn: Conn, numbers: list[int], topics: list[str]) -> list[Row]:
    """Records of these numbers: another replica may have taken its numbers earlier and committed later."""
    return [dict(row) for row in await conn.fetch(ARRIVED_LATE, numbers, topics)]


async def missed(conn: Conn, after: int, topic: str, wanted: TopicFilter, tenants: list[str] | None) -> list[Row]:
    """What a tail that was away has missed, oldest first, at most `MISSED`."""
    rows = await conn.fetch(ARRIVED_MEANWHILE, after, [topic], tenants, CATCH_UP)
    return [row for row in map(dict, rows) if wanted.fits(row)][-MISSED:]


async def living_sessions(conn: Conn, keys: list[bytes], now: datetime, idle_minutes: int) -> set[bytes]:
    """Which of these sessions still stand. Looking is no use of them: a tail left open must not keep one alive."""
    rows = await conn.fetch(
        "SELECT session_key FROM sessions WHERE session_key = ANY($1) AND ends_at > $2 AND seen_at > $3",
        keys,
        now,
        now - timedelta(minutes=idle_minutes),
    )
    return {row["session_key"] for row in rows}
