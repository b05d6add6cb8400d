"""What routes share: naming a feed, finding a connection and the connector that speaks for it, handing out files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast
from uuid import UUID

from fastapi import Depends, Request, Response

from catalog_feed import store_feeds
from catalog_feed.domain import CATALOGUE, COLUMNS_OF
from catalog_feed.store import Conn
from catalog_feed.store_feeds import Profile
from connector_kit.discovery import UnknownConnector, connector
from connector_kit.http import Lane
from connector_kit.manifest import Capability, Manifest
from hub_common.connections import Connection, load_connections
from hub_common.connectors import supports
from hub_common.web import Problem
from hub_contracts.connections import ConnectionState

if TYPE_CHECKING:
    from hub_common.runtime import Runtime


def _feed(request: Request) -> str:
    name = str(request.path_params.get("feed", CATALOGUE))
    if name not in COLUMNS_OF:
        raise Problem("feed-unknown", "No such feed", 404, f"A feed is one of {', '.join(COLUMNS_OF)}.")
    return name


FeedName = Annotated[str, Depends(_feed)]


def conn_of(conn: object) -> Conn:
    """A pool's connection behaves as a connection."""
    return cast("Conn", conn)


def no_feed() -> Problem:
    """The connection has no such feed."""
    return Problem("feed-unknown", "No such feed", 404, "This connection has no feed of this name; make one with PUT.")


async def profile_or_404(runtime: Runtime, connection_id: UUID, feed: str) -> Profile:
    """The feed. Raises `Problem` 404."""
    async with runtime.pool.acquire() as conn:
        found = await store_feeds.profile(conn_of(conn), connection_id, feed)
    if found is None:
        raise no_feed()
    return found


def csv_file(content: bytes, name: str) -> Response:
    """A CSV to be saved."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, headers=headers, media_type="text/csv; charset=utf-8")


@dataclass(frozen=True, slots=True)
class Market:
    """A marketplace connection that may be told something, with the connector object that speaks for it."""

    connection: Connection
    manifest: Manifest
    speaker: Any

    @property
    def connection_id(self) -> UUID:
        """The connection's id."""
        return self.connection.connection_id


async def marketplace(runtime: Runtime, connection_id: UUID) -> tuple[Connection, Manifest]:
    """A marketplace connection and its connector's manifest. Raises `Problem` 404 or 409."""
    async with runtime.pool.acquire() as conn:
        known = (await load_connections(conn_of(conn), [connection_id])).get(connection_id)
    if known is None or not known.is_marketplace:
        detail = "No marketplace connection of this id is known."
        raise Problem("connection-unknown", "No such marketplace connection", 404, detail)
    try:
        return known, connector(known.data.connector).manifest
    except UnknownConnector:
        detail = f"The connector {known.data.connector} is not installed here."
        raise Problem("connector-missing", "Connector not installed", 409, detail) from None


def why_not(connection: Connection, manifest: Manifest, capability: Capability) -> str:
    """Why nothing of a capability may be planned for a connection; empty when it may. A paused one is planned for."""
    if connection.data.state is ConnectionState.INACTIVE:
        return "The connection is not active; nothing is sent before it is."
    if not supports(manifest, connection.data.settings.capabilities_off, capability.value):
        return f"The connector has no capability {capability.value}, or this connection does not use it."
    return ""


async def market(runtime: Runtime, connection_id: UUID, capability: Capability) -> Market:
    """The connection with its connector, for something of this capability. Raises `Problem` 404 or 409."""
    known, manifest = await marketplace(runtime, connection_id)
    obstacle = why_not(known, manifest, capability)
    if obstacle:
        raise Problem("capability-off", "This connection cannot do that", 409, obstacle)
    try:
        return Market(known, manifest, runtime.book.build(known, Lane.STOCK))
    except (KeyError, ValueError) as error:
        detail = f"Its settings or credentials are not complete: {type(error).__name__}. Verify the connection first."
        raise Problem("connection-incomplete", "The connection is not complete", 409, detail) from None
