"""The secret address of a feed: unguessable, stable, and the only thing that a marketplace has to show.

Only the token's hash is compared; the token itself is kept sealed so that an operator can look the address up.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from catalog_feed.config import CatalogSettings
from hub_common.web import Problem, authenticates, hash_token
from hub_contracts.connections import SealedCredentials

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

TOKEN_BYTES = 32
NOBODY = "0" * 64
"""Compared with when a connection has no feed, so that both cases take as long."""
MAX_TOKEN = 200

FETCH = """
UPDATE feed_profiles p SET last_fetched_at = $3, last_fetched_version = p.published_version, fetches = p.fetches + 1
FROM feeds f WHERE p.connection_id = $1 AND p.feed = $2
  AND f.connection_id = p.connection_id AND f.feed = p.feed AND f.version = p.published_version
RETURNING f.version, f.sha256, f.content, f.published_at
"""


def new_token(runtime: Runtime, connection_id: UUID) -> tuple[str, SealedCredentials]:
    """A fresh token as (hash, sealed)."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return hash_token(token), runtime.keyring.seal(connection_id, {"feed_token": token})


def address_of(runtime: Runtime, connection_id: UUID, sealed: SealedCredentials) -> str:
    """The address to type into the marketplace's back office."""
    token = runtime.keyring.open(connection_id, sealed)["feed_token"].get_secret_value()
    base = cast("CatalogSettings", runtime.settings).public_url or runtime.url
    return f"{base.rstrip('/')}/feeds/{connection_id}/{token}.csv"


def _proof(runtime: Runtime) -> Callable[[str, str], Awaitable[tuple[UUID, str]]]:
    @authenticates
    async def knows_address(connection_id: str, token: str) -> tuple[UUID, str]:
        """Connection and feed, for a caller who knows the address. Wrong and unknown ones look the same."""
        try:
            wanted = UUID(connection_id)
        except ValueError:
            wanted = UUID(int=0)
        rows = await runtime.pool.fetch("SELECT feed, token_hash FROM feed_profiles WHERE connection_id = $1", wanted)
        given = hash_token(token[:MAX_TOKEN])
        hashes = {row["feed"]: row["token_hash"] for row in rows} or {"": NOBODY}
        found = [feed for feed, stored in hashes.items() if hmac.compare_digest(given, stored)]
        if not rows or not found:
            raise Problem("feed-unknown", "No such feed", 404, "No feed has this address; it may have been rotated.")
        return wanted, found[0]

    return knows_address


def feed_routers(runtime: Runtime) -> list[APIRouter]:
    """The route that marketplaces fetch."""
    router = APIRouter(tags=["feeds"])
    proof = Depends(_proof(runtime))

    @router.api_route("/feeds/{connection_id}/{token}.csv", methods=["GET", "HEAD"])
    async def fetch(request: Request, feed: tuple[UUID, str] = proof) -> Response:
        row = await runtime.pool.fetchrow(FETCH, *feed, runtime.clock.now())
        if row is None:
            wait = {"Retry-After": "60"}
            raise Problem("feed-not-published", "Nothing is published yet", 404, "The feed is not built.", headers=wait)
        headers = {
            "ETag": f'"{row["sha256"]}"',
            "Last-Modified": _http_date(row["published_at"]),
            "Cache-Control": "private, no-cache",
            "X-Feed-Version": str(row["version"]),
        }
        if _unchanged(request.headers.get("if-none-match", ""), row["sha256"]):
            return Response(status_code=304, headers=headers)
        return Response(bytes(row["content"]), headers=headers, media_type="text/csv; charset=utf-8")

    return [router]


def _unchanged(wanted: str, sha256: str) -> bool:
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in wanted.split(",")]
    return sha256 in tags or "*" in tags


def _http_date(at: datetime) -> str:
    return format_datetime(at.astimezone(UTC), usegmt=True)
