"""What people may ask of catalog-feed: make a feed, see what stands against it, force, download, check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Response

from catalog_feed import store, store_feeds
from catalog_feed.address import address_of, new_token
from catalog_feed.api_golive import go_live_router
from catalog_feed.api_grids import grids_router
from catalog_feed.api_imports import imports_router
from catalog_feed.api_offers import offers_router
from catalog_feed.api_products import products_router
from catalog_feed.api_releases import releases_router
from catalog_feed.api_templates import templates_router
from catalog_feed.api_versions import version_of, version_routes
from catalog_feed.bodies import ProfileBody
from catalog_feed.building import conclude, draft
from catalog_feed.config import CatalogSettings
from catalog_feed.desk import FeedName, conn_of, csv_file, no_feed, profile_or_404
from catalog_feed.domain import write_csv
from catalog_feed.judging import check_file
from catalog_feed.store_feeds import Profile
from hub_common.connections import load_connections
from hub_common.web import Operator, Problem, Role, operator

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]
Admin = Annotated[Operator, Depends(operator(Role.ADMIN))]


PREFIXES = ("/v1/connections/{connection_id}/feeds/{feed}", "/v1/feeds/{connection_id}")
"""The second one, without a feed's name, means the feed `catalogue`."""


def routers(runtime: Runtime) -> list[APIRouter]:
    """Every route that needs an operator's token."""
    lists = APIRouter(prefix="/v1", tags=["feeds"])
    _lists(lists, runtime)
    made = [lists]
    for prefix in PREFIXES:
        router = APIRouter(prefix=prefix, tags=["feeds"])
        _profiles(router, runtime)
        _secrets(router, runtime)
        version_routes(router, runtime)
        _checking(router, runtime)
        made.append(router)
    return [
        *made,
        templates_router(runtime),
        grids_router(runtime),
        products_router(runtime),
        go_live_router(runtime),
        offers_router(runtime),
        releases_router(runtime),
        imports_router(runtime),
    ]


def _shown(profile: Profile) -> dict[str, Any]:
    return {
        "connection_id": profile.connection_id,
        "feed": profile.feed,
        "settings": profile.settings.model_dump(),
        "problems": profile.problems,
        **profile.row,
    }


def _lists(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/feeds")
    async def list_feeds() -> dict[str, Any]:
        """All feeds with what stands against them and when they were fetched last."""
        rows = await runtime.pool.fetch("SELECT * FROM feed_profiles ORDER BY connection_id, feed LIMIT 1000")
        return {"items": [_shown(store_feeds.profile_of(row)) for row in rows]}

    @router.get("/connections/{connection_id}/feeds")
    async def list_feeds_of(connection_id: UUID) -> dict[str, Any]:
        rows = await runtime.pool.fetch(
            "SELECT * FROM feed_profiles WHERE connection_id = $1 ORDER BY feed", connection_id
        )
        return {"items": [_shown(store_feeds.profile_of(row)) for row in rows]}


def _profiles(router: APIRouter, runtime: Runtime) -> None:
    @router.get("")
    async def show_feed(connection_id: UUID, feed: FeedName) -> dict[str, Any]:
        return _shown(await profile_or_404(runtime, connection_id, feed))

    @router.put("")
    async def put_feed(
        connection_id: UUID, feed: FeedName, body: ProfileBody, response: Response, who: Admin
    ) -> dict[str, Any]:
        """Make the feed of a marketplace connection, or change how it is written. Its address stays."""
        async with runtime.transactions.begin() as tx:
            known = (await load_connections(tx.conn, [connection_id])).get(connection_id)
            if known is None or not known.is_marketplace:
                detail = "Feeds belong to marketplace connections; none of this id is known."
                raise Problem("connection-unknown", "No such marketplace connection", 404, detail)
            before = await store_feeds.profile(tx.conn, connection_id, feed, lock=True)
            settings = body.settings(feed)
            if before is None:
                token = new_token(runtime, connection_id)
                await store_feeds.create_profile(tx.conn, connection_id, feed, known.tenant, settings, token, tx.now)
                response.status_code = 201
            else:
                await store_feeds.set_settings(tx.conn, connection_id, feed, settings)
                await store.mark_changed(tx.conn, [connection_id], tx.now)
        return _shown(await profile_or_404(runtime, connection_id, feed))


def _secrets(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/address")
    async def show_address(connection_id: UUID, feed: FeedName, who: Admin) -> dict[str, Any]:
        """The secret address to type into the marketplace's back office, for both of its imports."""
        profile = await profile_or_404(runtime, connection_id, feed)
        return {"address": address_of(runtime, connection_id, profile.token_sealed)}

    @router.post("/rotate")
    async def rotate(connection_id: UUID, feed: FeedName, who: Admin) -> dict[str, Any]:
        """Give the feed a new address; the old one ends at once."""
        token = new_token(runtime, connection_id)
        async with runtime.transactions.begin() as tx:
            if not await store_feeds.set_token(tx.conn, connection_id, feed, token, tx.now):
                raise no_feed()
        return {"address": address_of(runtime, connection_id, token[1])}


def _checking(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/preview")
    async def preview(
        connection_id: UUID, feed: FeedName, limit: Annotated[int, Query(ge=0, le=1000)] = 20
    ) -> dict[str, Any]:
        """The feed as it would be now: its first rows and every problem, without publishing."""
        profile = await profile_or_404(runtime, connection_id, feed)
        async with runtime.pool.acquire() as conn:
            found = await draft(conn_of(conn), profile)
        if found is None:
            raise no_feed()
        lines = found.built.content.decode().split("\r\n")
        return {
            "outcome": found.verdict.outcome,
            "rows": found.built.rows,
            "sha256": found.built.sha256,
            "problems": [each.view() for each in found.built.problems[:1000]],
            "verdict": found.verdict.problems,
            "text": "\n".join(lines[: limit + 1]),
        }

    @router.get("/problems")
    async def list_problems(connection_id: UUID, feed: FeedName) -> dict[str, Any]:
        """What stood against the feed when it was built last, row by row, with what to do next."""
        return {"items": await _problems(runtime, connection_id, feed)}

    @router.get("/problems.csv")
    async def download_problems(connection_id: UUID, feed: FeedName) -> Response:
        names = ("sku", "column", "rule", "next_step")
        rows = [[row[name] for name in names] for row in await _problems(runtime, connection_id, feed)]
        return csv_file(write_csv([names, *rows]), f"problems-{feed}-{connection_id}.csv")

    @router.post("/build")
    async def build_now(connection_id: UUID, feed: FeedName, who: CanAct) -> dict[str, Any]:
        """Build at once instead of when the next changes have been gathered."""
        keep = cast("CatalogSettings", runtime.settings).feed_keep_versions
        async with runtime.transactions.begin() as tx:
            await store_feeds.wait_turn(tx.conn, connection_id, feed)
            profile = await store_feeds.profile(tx.conn, connection_id, feed)
            if profile is None:
                raise no_feed()
            found = await draft(tx.conn, profile)
            await conclude(tx, profile, found, keep=keep)
        return {
            "outcome": found.verdict.outcome if found else "unknown",
            "problems": found.verdict.problems if found else (),
        }

    @router.post("/self-check")
    async def self_check(connection_id: UUID, feed: FeedName) -> dict[str, Any]:
        """Read the published bytes as a marketplace would; compare them with their record and with today's facts."""
        profile = await profile_or_404(runtime, connection_id, feed)
        if profile.published_version is None:
            raise Problem("feed-not-published", "Nothing is published yet", 409, "There are no bytes to check.")
        async with runtime.pool.acquire() as conn:
            row = await store_feeds.version_row(conn_of(conn), connection_id, feed, profile.published_version)
            found = await draft(conn_of(conn), profile)
        assert row is not None, "the published version is always kept"
        assert found is not None, "a profile's connection is known"
        result = check_file(version_of(row), found.built)
        return {
            "version": profile.published_version,
            "ok": not result.defects,
            "defects": result.defects,
            "outdated": result.outdated,
        }


async def _problems(runtime: Runtime, connection_id: UUID, feed: str) -> list[dict[str, str]]:
    found = await runtime.pool.fetchval(
        "SELECT row_problems FROM feed_profiles WHERE connection_id = $1 AND feed = $2", connection_id, feed
    )
    if found is None:
        raise no_feed()
    problems: list[dict[str, str]] = orjson.loads(found)
    return problems
