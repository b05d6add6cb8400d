"""Routes about versions of a feed: what was published when, what changed, and publishing one by force."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, cast
from uuid import UUID

import asyncpg
import orjson
from fastapi import APIRouter, Depends, Query, Response

from catalog_feed import store, store_feeds
from catalog_feed.bodies import ForceBody
from catalog_feed.building import tell_published
from catalog_feed.config import CatalogSettings
from catalog_feed.desk import FeedName, conn_of, csv_file, profile_or_404
from catalog_feed.judging import Version, diff, view
from hub_common.web import Operator, Problem, Role, operator

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]


def version_routes(router: APIRouter, runtime: Runtime) -> None:
    """List, download, compare and force versions of the feed that the router's path names."""

    @router.get("/versions")
    async def list_versions(
        connection_id: UUID, feed: FeedName, limit: Annotated[int, Query(ge=1, le=1000)] = 50
    ) -> dict[str, Any]:
        await profile_or_404(runtime, connection_id, feed)
        rows = await runtime.pool.fetch(
            "SELECT version, rows, sha256, state, problems, created_at, published_at, forced_by, forced_reason,"
            " content IS NOT NULL AS kept FROM feeds WHERE connection_id = $1 AND feed = $2"
            " ORDER BY version DESC LIMIT $3",
            connection_id,
            feed,
            limit,
        )
        return {"items": [dict(row) | {"problems": orjson.loads(row["problems"])} for row in rows]}

    @router.get("/versions/{before}/diff/{after}")
    async def compare(
        connection_id: UUID,
        feed: FeedName,
        before: int,
        after: int,
        limit: Annotated[int, Query(ge=0, le=10_000)] = 1000,
    ) -> dict[str, Any]:
        """Rows added, removed and changed from one version to another, cell by cell."""
        first = version_of(await _kept(runtime, connection_id, feed, before))
        second = version_of(await _kept(runtime, connection_id, feed, after))
        found = await asyncio.to_thread(diff, first, second)
        return {
            "before": before,
            "after": after,
            **found.counts(),
            "columns_added": found.columns_added,
            "columns_removed": found.columns_removed,
            "rows": [view(change) for change in found.changes[:limit]],
        }

    @router.get("/versions/{version}.csv")
    async def download_csv(connection_id: UUID, feed: FeedName, version: int) -> Response:
        """The bytes of a version, published or not."""
        row = await _kept(runtime, connection_id, feed, version)
        return csv_file(bytes(row["content"]), f"feed-{feed}-{connection_id}-{version}.csv")

    @router.get("/versions/{version}")
    async def download(connection_id: UUID, feed: FeedName, version: int) -> Response:
        return await download_csv(connection_id, feed, version)

    @router.post("/versions/{version}/force")
    async def force(connection_id: UUID, feed: FeedName, version: int, body: ForceBody, who: CanAct) -> dict[str, Any]:
        """Publish a version that was withheld because it shrank: this one, once; the guard stays."""
        keep = cast("CatalogSettings", runtime.settings).feed_keep_versions
        async with runtime.transactions.begin() as tx:
            await store_feeds.wait_turn(tx.conn, connection_id, feed)
            profile = await store_feeds.profile(tx.conn, connection_id, feed, lock=True)
            row = await store_feeds.version_row(tx.conn, connection_id, feed, version)
            if profile is None or row is None:
                raise Problem("version-unknown", "No such version", 404, "This feed has no such version.")
            if row["state"] != "withheld":
                raise Problem("version-not-withheld", "The version is not withheld", 409, f"It is {row['state']}.")
            await tx.conn.execute(
                "UPDATE feeds SET state = 'published', published_at = $4, forced_by = $5, forced_reason = $6"
                " WHERE connection_id = $1 AND feed = $2 AND version = $3",
                connection_id,
                feed,
                version,
                tx.now,
                who.login,
                body.reason,
            )
            await tell_published(tx, profile, version, row["rows"], row["sha256"], keep=keep)
            await store.mark_changed(tx.conn, [connection_id], tx.now)
        return {"connection_id": connection_id, "feed": feed, "version": version, "forced_by": who.login}


def version_of(row: asyncpg.Record) -> Version:
    """A stored version that still has its content."""
    return Version(bytes(row["content"]), row["rows"], row["sha256"], row["separator"], row["sku_header"])


async def _kept(runtime: Runtime, connection_id: UUID, feed: str, version: int) -> asyncpg.Record:
    async with runtime.pool.acquire() as conn:
        row = await store_feeds.version_row(conn_of(conn), connection_id, feed, version)
    if row is None or row["content"] is None:
        raise Problem("version-unknown", "No such version", 404, "It never was, or its content is no longer kept.")
    return row
