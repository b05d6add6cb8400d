"""What people may ask of catalog-feed: make a feed, see what stands against it, force, download, check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Response

from catalog_feed import store, store_feeds
from catalog_feed.address import address_of, new_token
from catalog_feed.api_products import products_router
from catalog_feed.api_templates import templates_router
from catalog_feed.bodies import ForceBody, ProfileBody
from catalog_feed.building import conclude, draft, tell_published
from catalog_feed.config import CatalogSettings
from catalog_feed.domain import check_file
from catalog_feed.store_feeds import Profile
from hub_common.connections import load_connections
from hub_common.web import Operator, Problem, Role, operator

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]
Admin = Annotated[Operator, Depends(operator(Role.ADMIN))]


def routers(runtime: Runtime) -> list[APIRouter]:
    """Routes below `/v1/feeds` and `/v1/products`."""
    router = APIRouter(prefix="/v1/feeds", tags=["feeds"])
    _profiles(router, runtime)
    _secrets(router, runtime)
    _versions(router, runtime)
    _checking(router, runtime)
    return [router, templates_router(runtime), products_router(runtime)]


def no_feed() -> Problem:
    """The connection has no feed."""
    return Problem("feed-unknown", "No such feed", 404, "This connection has no feed; make one with PUT.")


async def _profile(runtime: Runtime, connection_id: UUID) -> Profile:
    async with runtime.pool.acquire() as conn:
        found = await store_feeds.profile(cast("store.Conn", conn), connection_id)
    if found is None:
        raise no_feed()
    return found


def _shown(profile: Profile) -> dict[str, Any]:
    return {
        "connection_id": profile.connection_id,
        "settings": profile.settings.model_dump(),
        "problems": profile.problems,
        **profile.row,
    }


def _profiles(router: APIRouter, runtime: Runtime) -> None:
    @router.get("")
    async def list_feeds() -> dict[str, Any]:
        """All feeds with what stands against them and when they were fetched last."""
        rows = await runtime.pool.fetch("SELECT * FROM feed_profiles ORDER BY connection_id LIMIT 1000")
        return {"items": [_shown(store_feeds.profile_of(row)) for row in rows]}

    @router.get("/{connection_id}")
    async def show_feed(connection_id: UUID) -> dict[str, Any]:
        return _shown(await _profile(runtime, connection_id))

    @router.put("/{connection_id}")
    async def put_feed(connection_id: UUID, body: ProfileBody, response: Response, who: Admin) -> dict[str, Any]:
        """Make the feed of a marketplace connection, or change how it is written. Its address stays."""
        async with runtime.transactions.begin() as tx:
            known = (await load_connections(tx.conn, [connection_id])).get(connection_id)
            if known is None or not known.is_marketplace:
                detail = "Feeds belong to marketplace connections; none of this id is known."
                raise Problem("connection-unknown", "No such marketplace connection", 404, detail)
            before = await store_feeds.profile(tx.conn, connection_id, lock=True)
            if before is None:
                token = new_token(runtime, connection_id)
                await store_feeds.create_profile(tx.conn, connection_id, known.tenant, body.settings(), token, tx.now)
                response.status_code = 201
            else:
                await store_feeds.set_settings(tx.conn, connection_id, body.settings())
                await store.mark_changed(tx.conn, [connection_id], tx.now)
        return _shown(await _profile(runtime, connection_id))


def _secrets(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/{connection_id}/address")
    async def show_address(connection_id: UUID, who: Admin) -> dict[str, Any]:
        """The secret address to type into the marketplace's back office, for both of its imports."""
        profile = await _profile(runtime, connection_id)
        return {"address": address_of(runtime, connection_id, profile.token_sealed)}

    @router.post("/{connection_id}/rotate")
    async def rotate(connection_id: UUID, who: Admin) -> dict[str, Any]:
        """Give the feed a new address; the old one ends at once."""
        token = new_token(runtime, connection_id)
        async with runtime.transactions.begin() as tx:
            if not await store_feeds.set_token(tx.conn, connection_id, token, tx.now):
                raise no_feed()
        return {"address": address_of(runtime, connection_id, token[1])}


def _versions(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/{connection_id}/versions")
    async def list_versions(connection_id: UUID, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> dict[str, Any]:
        await _profile(runtime, connection_id)
        rows = await runtime.pool.fetch(
            "SELECT version, rows, sha256, state, problems, created_at, published_at, forced_by, forced_reason,"
            " content IS NOT NULL AS kept FROM feeds WHERE connection_id = $1 ORDER BY version DESC LIMIT $2",
            connection_id,
            limit,
        )
        return {"items": [dict(row) | {"problems": orjson.loads(row["problems"])} for row in rows]}

    @router.get("/{connection_id}/versions/{version}")
    async def download(connection_id: UUID, version: int) -> Response:
        """The bytes of a version, published or not."""
        async with runtime.pool.acquire() as conn:
            row = await store_feeds.version_row(cast("store.Conn", conn), connection_id, version)
        if row is None or row["content"] is None:
            raise Problem("version-unknown", "No such version", 404, "It never was, or its content is no longer kept.")
        headers = {"Content-Disposition": f'attachment; filename="feed-{connection_id}-{version}.csv"'}
        return Response(bytes(row["content"]), headers=headers, media_type="text/csv; charset=utf-8")

    @router.post("/{connection_id}/versions/{version}/force")
    async def force(connection_id: UUID, version: int, body: ForceBody, who: CanAct) -> dict[str, Any]:
        """Publish a version that was withheld because it shrank."""
        keep = cast("CatalogSettings", runtime.settings).feed_keep_versions
        async with runtime.transactions.begin() as tx:
            await store_feeds.wait_turn(tx.conn, connection_id)
            profile = await store_feeds.profile(tx.conn, connection_id, lock=True)
            row = await store_feeds.version_row(tx.conn, connection_id, version)
            if profile is None or row is None:
                raise Problem("version-unknown", "No such version", 404, "This feed has no such version.")
            if row["state"] != "withheld":
                raise Problem("version-not-withheld", "The version is not withheld", 409, f"It is {row['state']}.")
            await tx.conn.execute(
                "UPDATE feeds SET state = 'published', published_at = $3, forced_by = $4, forced_reason = $5"
                " WHERE connection_id = $1 AND version = $2",
                connection_id,
                version,
                tx.now,
                who.login,
                body.reason,
            )
            await tell_published(tx, profile, version, row["rows"], row["sha256"], keep=keep)
            await store.mark_changed(tx.conn, [connection_id], tx.now)
        return {"connection_id": connection_id, "version": version, "forced_by": who.login}


def _checking(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/{connection_id}/preview")
    async def preview(connection_id: UUID, limit: Annotated[int, Query(ge=0, le=1000)] = 20) -> dict[str, Any]:
        """The feed as it would be now: its first rows and every problem, without publishing."""
        profile = await _profile(runtime, connection_id)
        async with runtime.pool.acquire() as conn:
            found = await draft(cast("store.Conn", conn), profile)
        if found is None:
            raise no_feed()
        lines = found.built.content.decode().split("\r\n")
        return {
            "outcome": found.verdict.outcome,
            "rows": found.built.rows,
            "sha256": found.built.sha256,
            "problems": [
                {"sku": each.sku, "column": each.column, "rule": each.rule} for each in found.built.problems[:1000]
            ],
            "verdict": found.verdict.problems,
            "text": "\n".join(lines[: limit + 1]),
        }

    @router.post("/{connection_id}/build")
    async def build_now(connection_id: UUID, who: CanAct) -> dict[str, Any]:
        """Build at once instead of when the next changes have been gathered."""
        keep = cast("CatalogSettings", runtime.settings).feed_keep_versions
        async with runtime.transactions.begin() as tx:
            await store_feeds.wait_turn(tx.conn, connection_id)
            profile = await store_feeds.profile(tx.conn, connection_id)
            if profile is None:
                raise no_feed()
            found = await draft(tx.conn, profile)
            await conclude(tx, profile, found, keep=keep)
        return {
            "outcome": found.verdict.outcome if found else "unknown",
            "problems": found.verdict.problems if found else (),
        }

    @router.post("/{connection_id}/self-check")
    async def self_check(connection_id: UUID) -> dict[str, Any]:
        """Read the published bytes as a marketplace would; compare them with their record and with today's facts."""
        profile = await _profile(runtime, connection_id)
        if profile.published_version is None:
            raise Problem("feed-not-published", "Nothing is published yet", 409, "There are no bytes to check.")
        async with runtime.pool.acquire() as conn:
            row = await store_feeds.version_row(cast("store.Conn", conn), connection_id, profile.published_version)
            found = await draft(cast("store.Conn", conn), profile)
        assert row is not None, "the published version is always kept"
        assert found is not None, "a profile's connection is known"
        result = check_file(bytes(row["content"]), row["rows"], row["sha256"], found.built)
        return {
            "version": profile.published_version,
            "ok": not result.defects,
            "defects": result.defects,
            "outdated": result.outdated,
        }
