"""SQL about feeds themselves: profiles with their secret address, and versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from catalog_feed.domain import Built, FeedSettings
from catalog_feed.problems import Problem
from catalog_feed.store import Conn
from hub_contracts.connections import SealedCredentials


@dataclass(frozen=True, slots=True)
class Profile:
    """One feed of one connection."""

    connection_id: UUID
    feed: str
    tenant: str
    settings: FeedSettings
    token_sealed: SealedCredentials
    changes: int
    published_version: int | None
    problems: tuple[str, ...]
    problems_sha256: str | None
    row: dict[str, Any]
    """The rest, for people."""


LOCK = "hashtextextended('feed:' || $1::uuid::text || ':' || $2::text, 0)"
MAX_ROWS_KEPT = 1_000
"""Problems kept row by row; somebody who mends a thousand builds again and sees the next."""
CANDIDATES = 16
"""More than replicas there will be: one of them is free."""

SHOWN = (
    "created_at",
    "rotated_at",
    "dirty_since",
    "published_version",
    "last_fetched_at",
    "last_fetched_version",
    "fetches",
)


def profile_of(row: asyncpg.Record) -> Profile:
    """The profile that a row holds."""
    return Profile(
        connection_id=row["connection_id"],
        feed=row["feed"],
        tenant=row["tenant"],
        settings=FeedSettings.model_validate_json(row["settings"]),
        token_sealed=SealedCredentials.model_validate_json(row["token_sealed"]),
        changes=row["changes"],
        published_version=row["published_version"],
        problems=tuple(orjson.loads(row["problems"])),
        problems_sha256=row["problems_sha256"],
        row={name: row[name] for name in SHOWN},
    )


async def profile(conn: Conn, connection_id: UUID, feed: str, *, lock: bool = False) -> Profile | None:
    """The profile of one feed, optionally locked."""
    end = " FOR UPDATE" if lock else ""
    sql = f"SELECT * FROM feed_profiles WHERE connection_id = $1 AND feed = $2{end}"  # noqa: S608
    row = await conn.fetchrow(sql, connection_id, feed)
    return profile_of(row) if row else None


async def create_profile(
    conn: Conn,
    connection_id: UUID,
    feed: str,
    tenant: str,
    settings: FeedSettings,
    token: tuple[str, SealedCredentials],
    now: datetime,
) -> None:
    """Make a profile with its token given as (hash, sealed)."""
    await conn.execute(
        "INSERT INTO feed_profiles (connection_id, feed, tenant, settings, token_hash, token_sealed, rotated_at,"
        " created_at, dirty_since) VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $7)",
        connection_id,
        feed,
        tenant,
        settings.model_dump_json(),
        token[0],
        token[1].model_dump_json(),
        now,
    )


async def set_settings(conn: Conn, connection_id: UUID, feed: str, settings: FeedSettings) -> None:
    """Replace the settings."""
    await conn.execute(
        "UPDATE feed_profiles SET settings = $3 WHERE connection_id = $1 AND feed = $2",
        connection_id,
        feed,
        settings.model_dump_json(),
    )


async def set_token(
    conn: Conn, connection_id: UUID, feed: str, token: tuple[str, SealedCredentials], now: datetime
) -> bool:
    """Replace the token; False when there is no profile."""
    found = await conn.fetchval(
        "UPDATE feed_profiles SET token_hash = $3, token_sealed = $4, rotated_at = $5"
        " WHERE connection_id = $1 AND feed = $2 RETURNING true",
        connection_id,
        feed,
        token[0],
        token[1].model_dump_json(),
        now,
    )
    return bool(found)


async def claim_due(conn: Conn, before: datetime) -> Profile | None:
    """A feed whose changes have been gathered since `before`; no other replica builds it until this transaction ends.

    The row itself is not locked: events go on being counted while a large feed is being written.
    """
    due = await conn.fetch(
        "SELECT connection_id, feed FROM feed_profiles WHERE dirty_since <= $1 ORDER BY dirty_since LIMIT $2",
        before,
        CANDIDATES,
    )
    for candidate in due:
        key = (candidate["connection_id"], candidate["feed"])
        if not await conn.fetchval(f"SELECT pg_try_advisory_xact_lock({LOCK})", *key):
            continue
        row = await conn.fetchrow(
            "SELECT * FROM feed_profiles WHERE connection_id = $1 AND feed = $2 AND dirty_since <= $3",
            *key,
            before,
        )
        if row is not None:
            return profile_of(row)
    return None


async def wait_turn(conn: Conn, connection_id: UUID, feed: str) -> None:
    """Let nobody else build or publish this feed until the transaction ends."""
    await conn.execute(f"SELECT pg_advisory_xact_lock({LOCK})", connection_id, feed)


async def built(
    conn: Conn,
    profile: Profile,
    *,
    problems: Sequence[str],
    rows: Sequence[Problem],
    digest: str | None,
    now: datetime,
) -> None:
    """Note that everything up to the profile's count of changes is built, and what stands against it: in words, and
    row by row."""
    await conn.execute(
        "UPDATE feed_profiles SET built_changes = $3, problems = $4, problems_sha256 = $5, row_problems = $6,"
        " dirty_since = CASE WHEN changes = $3 THEN NULL ELSE $7::timestamptz END"
        " WHERE connection_id = $1 AND feed = $2",
        profile.connection_id,
        profile.feed,
        profile.changes,
        orjson.dumps(list(problems)).decode(),
        digest,
        orjson.dumps([each.view() for each in rows[:MAX_ROWS_KEPT]]).decode(),
        now,
    )


async def add_version(
    conn: Conn, profile: Profile, feed: Built, problems: Sequence[str], now: datetime, *, published: bool
) -> int:
    """Keep a version; one that is withheld replaces an earlier one that nobody decided upon. Returns its number."""
    await discard_withheld(conn, profile)
    version: int = await conn.fetchval(
        "INSERT INTO feeds (connection_id, feed, version, rows, sha256, content, state, problems, created_at,"
        " published_at, separator, sku_header)"
        " SELECT $1, $2, coalesce(max(version), 0) + 1, $3, $4, $5, $6, $7, $8, $9, $10, $11"
        " FROM feeds WHERE connection_id = $1 AND feed = $2 RETURNING version",
        profile.connection_id,
        profile.feed,
        feed.rows,
        feed.sha256,
        feed.content,
        "published" if published else "withheld",
        orjson.dumps(list(problems)).decode(),
        now,
        now if published else None,
        feed.separator,
        feed.sku_header,
    )
    return version


async def set_published(conn: Conn, profile: Profile, version: int, keep: int) -> None:
    """Point the address at a version and drop the content of versions long past. Their records stay."""
    await conn.execute(
        "UPDATE feed_profiles SET published_version = $3 WHERE connection_id = $1 AND feed = $2",
        profile.connection_id,
        profile.feed,
        version,
    )
    await conn.execute(
        "UPDATE feeds SET content = NULL"
        " WHERE connection_id = $1 AND feed = $2 AND version <= $3 AND content IS NOT NULL",
        profile.connection_id,
        profile.feed,
        version - (profile.settings.keep_versions or keep),
    )


async def version_row(conn: Conn, connection_id: UUID, feed: str, version: int) -> asyncpg.Record | None:
    """One version with its content."""
    return await conn.fetchrow(
        "SELECT * FROM feeds WHERE connection_id = $1 AND feed = $2 AND version = $3", connection_id, feed, version
    )


async def withheld(conn: Conn, profile: Profile) -> asyncpg.Record | None:
    """The version that waits for a decision."""
    return await conn.fetchrow(
        "SELECT version, rows, sha256 FROM feeds WHERE connection_id = $1 AND feed = $2 AND state = 'withheld'",
        profile.connection_id,
        profile.feed,
    )


async def discard_withheld(conn: Conn, profile: Profile) -> None:
    """What was withheld is out of date: nobody may publish it by force any more."""
    await conn.execute(
        "UPDATE feeds SET state = 'discarded' WHERE connection_id = $1 AND feed = $2 AND state = 'withheld'",
        profile.connection_id,
        profile.feed,
    )
