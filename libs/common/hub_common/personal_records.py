"""Records with personal data that could not be handled: what a service still keeps of them when a buyer is erased.

A record of the topic with personal data that is set aside keeps its bytes for a person to look at. Without this, an
erased buyer would live on in the tables of whatever failed.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from hub_common.database import Conn
from hub_contracts.topics import TOPICS

PERSONAL = tuple(topic.name for topic in TOPICS if topic.personal_data)

SETTLE = """
UPDATE dead_letters SET value = NULL, state = CASE state WHEN 'open' THEN 'discarded' ELSE state END,
    settled_at = coalesce(settled_at, now()), settled_by = coalesce(settled_by, 'erasure'),
    settled_reason = coalesce(settled_reason, 'the buyer''s data was erased')
WHERE key = ANY($1) AND value IS NOT NULL AND EXISTS (
    SELECT 1 FROM unnest($2::text[]) AS t(name) WHERE right(dead_letters.topic, length(t.name)) = t.name)
"""

FORGET = """
DELETE FROM inbox_retry WHERE key = ANY($1) AND EXISTS (
    SELECT 1 FROM unnest($2::text[]) AS t(name) WHERE right(inbox_retry.topic, length(t.name)) = t.name)
"""


async def forget_records(conn: Conn, order_ids: Collection[UUID]) -> None:
    """Remove the bytes of what was set aside about these orders' buyers; it can be tried again no more."""
    keys = [str(order_id) for order_id in order_ids]
    await conn.execute(SETTLE, keys, list(PERSONAL))
    await conn.execute(FORGET, keys, list(PERSONAL))
