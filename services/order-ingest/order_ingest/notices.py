"""The door for what marketplaces push. A notice only says where to look; what counts is the order as it is then read.

Anybody may knock, so nothing here costs more than a row and a digest, nothing tells which connections exist, and
nothing of what came goes to a log. Polls go on: notices make the hub faster, never complete.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from connector_kit.http import Lane
from connector_kit.manifest import Capability
from connector_kit.reading import BadNotice, Notice
from hub_common.connections import Connection
from hub_common.connectors import can
from hub_common.crypto import SealError
from hub_common.errors import is_storage_down
from hub_common.web import Operator, Problem, Role, authenticates, operator
from hub_contracts.connections import ConnectionState
from order_ingest import erasure_store, notice_store, progress
from order_ingest.config import IngestSettings
from order_ingest.notice_rate import NoticeRates
from order_ingest.pollers import pollers_of
from order_ingest.rereads import wish

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

LONGEST_REFERENCE = 200
"""Characters. No marketplace has longer ones, and what is no reference must not become a call."""
FORGET_BATCH = 5_000
UNPROVEN_HOURS = 24.0
ASKED_BY = "notice"
STRANGERS = "strangers"
"""One bucket for all connections that take no notices: a limit of their own would tell which ones do."""


@dataclass(frozen=True, slots=True)
class Proven:
    """A notice whose origin was proven and whose bytes are kept."""

    notice_id: UUID
    connection: Connection
    notice: Notice


class NoticeTaken(BaseModel):
    """The notice is kept and the hub is going to look. It need not be sent again."""

    state: Literal["taken"] = "taken"


def notice_door(runtime: Runtime) -> Sequence[APIRouter]:
    """The route that proves by itself who is calling."""
    router = APIRouter(prefix="/v1", tags=["notices"])
    by_proof = Depends(proof(runtime))

    @router.post("/notices/{connection_id}", status_code=202)
    async def post_notice(told: Proven = by_proof) -> NoticeTaken:
        """What a marketplace pushes, as its connector understands it."""
        try:
            await take(runtime, told)
        except Exception as error:
            if not _is_ours(error):
                raise
            raise _not_ready() from None
        return NoticeTaken()

    return [router]


def notice_routers(runtime: Runtime) -> APIRouter:
    """What operators may see of notices."""
    router = APIRouter(prefix="/v1", tags=["notices"])

    @router.get("/notices")
    async def notices(
        connection_id: UUID | None = None,
        state: Literal["received", "taken", "refused"] | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> dict[str, Any]:
        """Notices of the last days, newest first, without their bytes."""
        rows = await notice_store.latest(runtime.pool, connection_id, state, limit)
        return {"items": [dict(row) for row in rows]}

    @router.get("/notices/{notice_id}/raw")
    async def raw(notice_id: UUID, who: Annotated[Operator, Depends(operator(Role.OPERATOR))]) -> dict[str, Any]:
        """A notice exactly as it came. It may hold personal data: operators only."""
        body = await runtime.pool.fetchval("SELECT body FROM notices WHERE notice_id = $1", notice_id)
        if body is None:
            raise Problem("notice-unknown", "No such notice", 404, f"order-ingest has no notice {notice_id}.")
        runtime.log.info("raw_notice_read", login=who.login)
        return {"notice_id": notice_id, "body": body.decode("utf-8", errors="backslashreplace")}

    return router


def proof(runtime: Runtime) -> Callable[..., Awaitable[Proven]]:
    """Dependency: the connection's connector proves and reads the notice. Else one and the same 401."""
    settings = runtime.settings
    assert isinstance(settings, IngestSettings)
    rates = NoticeRates(settings.notices_per_minute)

    @authenticates
    async def authenticate(connection_id: str, request: Request) -> Proven:
        body = await _body(request, settings.notice_max_bytes)
        connection = _connection(runtime, connection_id)
        wait = rates.take(connection.connection_id if connection else STRANGERS, runtime.clock.monotonic())
        if wait > 0:
            headers = {"Retry-After": str(math.ceil(wait))}
            raise Problem("too-many-notices", "Too many notices", 429, "Send them later.", headers=headers)
        if connection is None:
            raise _refused()
        cid, now = connection.connection_id, runtime.clock.now()
        try:
            notice_id = await notice_store.keep(runtime.pool, runtime.ids.new(), cid, connection.tenant, body, now)
            notice = _understood(runtime, connection, request, body)
            if notice is None:
                await notice_store.refused(runtime.pool, notice_id)
                raise _refused()
        except Exception as error:
            if not _is_ours(error):
                raise
            raise _not_ready() from None
        return Proven(notice_id, connection, notice)

    return authenticate


async def take(runtime: Runtime, told: Proven) -> None:
    """Ask for the orders that a notice names, or for a poll where it names none."""
    cid, tenant = told.connection.connection_id, told.connection.tenant
    references = sorted({each for each in told.notice.order_references if _is_reference(each)})
    async with runtime.transactions.begin() as tx:
        await notice_store.taken(tx.conn, told.notice_id, len(references))
        await erasure_store.redact_notice(tx.conn, told.notice_id, cid, references)
        await wish(tx, [(cid, reference, None, tenant) for reference in references])
        if not references:
            await progress.poll_soon(tx.conn, cid, tenant, tx.now, ASKED_BY)
    pollers = pollers_of(runtime)
    (pollers.reread_wake if references else pollers.wake).set()


async def forget_step(runtime: Runtime) -> bool:
    """The duty: forget old notices; True when there may be more."""
    settings, now = runtime.settings, runtime.clock.now()
    assert isinstance(settings, IngestSettings)
    before = now - timedelta(days=settings.notices_keep_days)
    unproven = max(before, now - timedelta(hours=UNPROVEN_HOURS))
    return await notice_store.forget(runtime.pool, before, unproven, FORGET_BATCH) == FORGET_BATCH


def _understood(runtime: Runtime, connection: Connection, request: Request, body: bytes) -> Notice | None:
    """What the connector makes of it, None when it does not believe it. Raises `SealError`."""
    cid = connection.connection_id
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        speaker = pollers_of(runtime).reader.book.connector(cid, Lane.LIVE)
        notice: Notice = speaker.read_notice(headers, body)
    except BadNotice:
        runtime.log.warning("notice_refused", connection_id=str(cid))
        return None
    except SealError:
        raise
    except Exception as error:  # noqa: BLE001  a fault of a connector must not be an answer to strangers
        # Neither text nor traceback: both may quote what came.
        runtime.log.error("notice_reading_broke", connection_id=str(cid), error=type(error).__name__)
        return None
    return notice


async def _body(request: Request, most: int) -> bytes:
    """The body, read no further than allowed."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            detail = f"A notice may have {most} bytes at most."
            raise Problem("body-too-large", "Body too large", 413, detail, headers={"Connection": "close"})
    return bytes(body)


def _connection(runtime: Runtime, connection_id: str) -> Connection | None:
    """A connection that takes notices. A paused one does: what they tell of is read when it goes on."""
    try:
        found = runtime.connections.get(UUID(connection_id))
    except ValueError:
        return None
    if found is None or found.data.state is ConnectionState.INACTIVE:
        return None
    return found if can(found, Capability.NOTICES) else None


def _is_reference(text: str) -> bool:
    return 0 < len(text) <= LONGEST_REFERENCE and text.isprintable()


def _refused() -> Problem:
    """Without detail: a stranger learns neither which connections exist nor what was wrong."""
    return Problem("unauthorised", "Not authenticated", 401)


def _is_ours(error: Exception) -> bool:
    """A database that is away and credentials that cannot be opened: the sender shall try again."""
    return is_storage_down(error) or isinstance(error, SealError)


def _not_ready() -> Problem:
    detail = "The notice was not taken; send it again."
    return Problem("not-ready", "Not ready", 503, detail, headers={"Retry-After": "5"})
