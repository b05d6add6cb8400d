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
from catalog_feed.store import Conn
from hub_contracts.connections import SealedCredentials


@dataclass(frozen=True, slots=True)
class Profile:
    """The feed of one connection."""

    connection_id: UUID
    tenant: str
    settings: FeedSettings
    token_sealed: SealedCredentials
    changes: int
    published_version: int | None
    problems: tuple[str, ...]
    problems_sha256: str | None
    row: dict[str, Any]
    """The rest, for people."""


LOCK = "hashtextextended('feed:' || $1::uuid::text, 0)"
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
        tenant=row["tenant"],
        settings=FeedSettings.model_validate_json(row["settings"]),
        token_sealed=SealedCredentials.model_validate_json(row["token_sealed"]),
        changes=row["changes"],
        published_version=row["published_version"],
        problems=tuple(orjson.loads(row["problems"])),
        problems_sha256=row["problems_sha256"],
        row={name: row[name] for name in SHOWN},
    )


async def profile(conn: Conn, connection_id: UUID, *, lock: bool = False) -> Profile | None:
    """The profile of a connection, optionally locked."""
    end = " FOR UPDATE" if lock else ""
    row = await conn.fetchrow(f"SELECT * FROM feed_profiles WHERE connection_id = $1{end}", connection_id)  # noqa: S608
    return profile_of(row) if row else None


async def create_profile(
    conn: Conn,
    connection_id: UUID,
    tenant: str,
    settings: FeedSettings,
    token: tuple[str, SealedCredentials],
    now: datetime,
) -> None:
    """Make a profile with its token given as (hash, sealed)."""
    await conn.execute(
        "INSERT INTO feed_profiles (connection_id, tenant, settings, token_hash, token_sealed, rotated_at, created_at,"
        " dirty_since) VALUES ($1, $2, $3, $4, $5, $6, $6, $6)",
        connection_id,
        tenant,
        settings.model_dump_json(),
        token[0],
        token[1].model_dump_json(),
        now,
    )


async def set_settings(conn: Conn, connection_id: UUID, settings: FeedSettings) -> None:
    """Replace the settings."""
    await conn.execute(
        "UPDATE feed_profiles SET settings = $2 WHERE connection_id = $1", connection_id, settings.model_dump_json()
    )


async def set_token(conn: Conn, connection_id: UUID, token: tuple[str, SealedCredentials], now: datetime) -> bool:
    """Replace the token; False when there is no profile."""
    found = await conn.fetchval(
        "UPDATE feed_profiles SET token_hash = $2, token_sealed = $3, rotated_at = $4 WHERE connection_id = $1"
        " RETURNING true",
        connection_id,
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
        "SELECT connection_id FROM feed_profiles WHERE dirty_since <= $1 ORDER BY dirty_since LIMIT $2",
        before,
        CANDIDATES,
    )
    for candidate in due:
        if not await conn.fetchval(f"SELECT pg_try_advisory_xact_lock({LOCK})", candidate["connection_id"]):
            continue
        row = await conn.fetchrow(
            "SELECT * FROM feed_profiles WHERE connection_id = $1 AND dirty_since <= $2",
            candidate["connection_id"],
            before,
        )
        if row is not None:
            return profile_of(row)
    return None


async def wait_turn(conn: Conn, connection_id: UUID) -> None:
    """Let nobody else build or publish this feed until the transaction ends."""
    await conn.execute(f"SELECT pg_advisory_xact_lock({LOCK})", connection_id)


async def built(conn: Conn, profile: Profile, *, problems: Sequence[str], digest: str | None, now: datetime) -> None:
    """Note that everything up to the profile's count of changes is built, and what stands against it."""
    await conn.execute(
        "UPDATE feed_profiles SET built_changes = $2, problems = $3, problems_sha256 = $4,"
        " dirty_since = CASE WHEN changes = $2 THEN NULL ELSE $5::timestamptz END WHERE connection_id = $1",
        profile.connection_id,
        profile.changes,
        orjson.dumps(list(problems)).decode(),
        digest,
        now,
    )


async def add_version(
    conn: Conn, connection_id: UUID, feed: Built, problems: Sequence[str], now: datetime, *, published: bool
) -> int:
    """Keep a version; one that is withheld replaces an earlier one that nobody decided upon. Returns its number."""
    await discard_withheld(conn, connection_id)
    version: int = await conn.fetchval(
        "INSERT INTO feeds (connection_id, version, rows, sha256, content, state, problems, created_at, published_at)"
        " SELECT $1, coalesce(max(version), 0) + 1, $2, $3, $4, $5, $6, $7, $8 FROM feeds WHERE connection_id = $1"
        " RETURNING version",
        connection_id,
        feed.rows,
        feed.sha256,
        feed.content,
        "published" if published else "withheld",
        orjson.dumps(list(problems)).decode(),
        now,
        now if published else None,
    )
    return version


async def set_published(conn: Conn, connection_id: UUID, version: int, keep: int) -> None:
    """Point the address at a version and drop the content of versions long past."""
    await conn.execute(
        "UPDATE feed_profiles SET published_version = $2 WHERE connection_id = $1", connection_id, version
    )
    await conn.execute(
        "UPDATE feeds SET content = NULL WHERE connection_id = $1 AND version <= $2 AND content IS NOT NULL",
        connection_id,
        version - keep,
    )


async def version_row(conn: Conn, connection_id: UUID, version: int) -> asyncpg.Record | None:
    """One version with its content."""
    return await conn.fetchrow("SELECT * FROM feeds WHERE connection_id = $1 AND version = $2", connection_id, version)


async def withheld(conn: Conn, connection_id: UUID) -> asyncpg.Record | None:
    """The version that waits for a decision."""
    return await conn.fetchrow(
        "SELECT version, rows, sha256 FROM feeds WHERE connection_id = $1 AND state = 'withheld'", connection_id
    )


async def discard_withheld(conn: Conn, connection_id: UUID) -> None:
    """What was withheld is out of date: nobody may publish it by force any more."""
    await conn.execute(
        "UPDATE feeds SET state = 'discarded' WHERE connection_id = $1 AND state = 'withheld'", connection_id
    )
