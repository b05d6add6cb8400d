"""Topics: what the hub says, as it says it; from a record to its order, its cause and what it led to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from hub_common.web import FieldError, Problem
from hub_contracts.listeners import LISTENERS
from hub_contracts.registry import EVENT_TYPES
from hub_contracts.topics import TOPIC_BY_NAME, TOPICS, Topic
from ops_console import store_topics
from ops_console.console import PAGE_HEADERS, Console
from ops_console.lag import LagBoard
from ops_console.pages.base import page_router
from ops_console.sessions import Session
from ops_console.tail import Tail, row_context
from ops_console.topic_view import (
    HEADERS,
    Cursor,
    TopicFilter,
    envelope,
    is_uuid,
    masked_fields,
    schema_rows,
    schema_words,
)

NO_LIMIT = 2**62
"""Arrival number above all others: a page that begins at an instant shows all that was told in it."""
PAGE_SIZES = (50, 100, 200, 500)
Text = Annotated[str, Query(max_length=200)]


def wanted_of(
    type: Text = "", key: Text = "", connection: Text = "", header: Text = "", value: Text = "", text: Text = ""
) -> TopicFilter:
    """The filter that an address asks for. Raises `Problem` 422 for one that cannot be."""
    if connection and not is_uuid(connection):
        raise _unreadable("connection", "choose one of the list")
    if header and header not in HEADERS:
        raise _unreadable("header", "must be one of " + ", ".join(HEADERS))
    parts = (type.strip(), key.strip(), connection.lower(), header, value.strip(), text.strip())
    return TopicFilter(*parts)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a topic the page begins, and how it shows it."""

    before: Cursor | None
    record: UUID | None
    latest: bool
    limit: int
    until: str


def place_of(
    before: Text = "", until: Text = "", record: UUID | None = None, latest: bool = False, limit: int = 100
) -> Place:
    """The place that an address asks for. Raises `Problem` 422 for one that cannot be."""
    try:
        cursor = Cursor.parse(before) if before else None
        if until and cursor is None:
            at = datetime.fromisoformat(until)
            cursor = Cursor(at if at.tzinfo else at.replace(tzinfo=UTC), NO_LIMIT)
    except ValueError:
        raise _unreadable("until", "must be a time like 2026-11-22T14:03 (UTC)") from None
    return Place(cursor, record, latest, limit if limit in PAGE_SIZES else 100, until)


Wanted = Annotated[TopicFilter, Depends(wanted_of)]
Begin = Annotated[Place, Depends(place_of)]


def router(console: Console) -> APIRouter:
    """The pages below `/topics`."""
    made = page_router(console, "/topics")
    viewer = console.signed_in()
    lag, tail = LagBoard(console.runtime), Tail(console)
    runtime = console.runtime

    @made.get("")
    async def topics(request: Request, session: Session = viewer) -> Response:
        now, tenants = runtime.clock.now(), session.user.tenant_filter
        async with runtime.pool.acquire() as conn:
            figures = await store_topics.figures(conn, list(TOPIC_BY_NAME), now, tenants)  # type: ignore[arg-type]
        context = {
            "topics": TOPICS,
            "figures": figures,
            "listeners": LISTENERS,
            "lag": await lag.look(),
            "many": store_topics.MANY,
        }
        return await console.page(request, session, "topics.html", context)

    @made.get("/{name}")
    async def topic(request: Request, name: str, wanted: Wanted, place: Begin, session: Session = viewer) -> Response:
        context = await _topic(console, session, topic_named(name), wanted, place)
        context["lag"] = (await lag.look()).behind.get(name, ())
        return await console.page(request, session, "topic.html", context)

    @made.get("/{name}/live")
    async def live(
        name: str,
        wanted: Wanted,
        after: int = 0,
        last_event_id: Annotated[str, Header()] = "",
        session: Session = viewer,
    ) -> Response:
        topic_named(name)
        watching = await tail.join(session, name, wanted)
        since = int(last_event_id) if last_event_id.isdigit() else after
        headers = PAGE_HEADERS | {"x-accel-buffering": "no"}
        return StreamingResponse(tail.stream(watching, since), 200, headers, "text/event-stream")

    @made.get("/{name}/records/{event_id}")
    async def record(request: Request, name: str, event_id: UUID, session: Session = viewer) -> Response:
        context = await _record(console, session, topic_named(name), event_id)
        return await console.page(request, session, "topic_record.html", context)

    return made


def topic_named(name: str) -> Topic:
    """A topic of ours. Raises `Problem` 404."""
    if name not in TOPIC_BY_NAME:
        raise Problem("topic-unknown", "No such topic", 404, "The hub has no topic of this name.")
    return TOPIC_BY_NAME[name]


async def _topic(console: Console, session: Session, topic: Topic, wanted: TopicFilter, place: Place) -> dict[str, Any]:
    tenants, before, shown = session.user.tenant_filter, place.before, None
    async with console.runtime.pool.acquire() as conn:
        newest = await store_topics.last_seq(conn)  # type: ignore[arg-type]
        if place.record is not None:
            shown = await store_topics.record_of(conn, place.record, tenants)  # type: ignore[arg-type]
            if shown is None or shown["topic"] != topic.name:
                raise _no_record()
            before = await store_topics.just_above(conn, topic.name, shown, tenants)  # type: ignore[arg-type]
        page = await store_topics.page_of(
            conn,  # type: ignore[arg-type]
            topic.name,
            wanted,
            tenants=tenants,
            before=before,
            latest=place.latest,
            limit=place.limit,
        )
    seen = [one for one in console.runtime.connections.all() if session.user.sees(one.tenant)]
    return {
        "topic": topic,
        "listeners": LISTENERS[topic.name],
        "types": [model.TYPE for model in EVENT_TYPES if model.TOPIC in ("", topic.name)],
        "connections": sorted(seen, key=lambda one: one.data.label.lower()),
        "headers": HEADERS,
        "wanted": wanted,
        "place": place,
        "page": page,
        "rows": [row_context(console, row) for row in page.rows],
        "at_record": shown["event_id"] if shown else None,
        "newest": newest,
        "live": before is None and not place.latest,
        "sizes": PAGE_SIZES,
        "path_of": f"/topics/{topic.name}",
    }


async def _record(console: Console, session: Session, topic: Topic, event_id: UUID) -> dict[str, Any]:
    tenants = session.user.tenant_filter
    async with console.runtime.pool.acquire() as conn:
        found = await store_topics.record_of(conn, event_id, tenants)  # type: ignore[arg-type]
        if found is None or found["topic"] != topic.name:
            raise _no_record()
        cause = None
        if found["causation_id"] and is_uuid(found["causation_id"]):
            cause = await store_topics.record_of(conn, UUID(found["causation_id"]), tenants)  # type: ignore[arg-type]
        led_to = await store_topics.caused_by(conn, found, tenants)  # type: ignore[arg-type]
    return {
        "topic": topic,
        "row": row_context(console, found),
        "data": found["data"],
        "envelope": envelope(found),
        "masked": masked_fields(found["type"], found["data"]),
        "fields": schema_rows(found["type"]),
        "words": schema_words(found["type"]),
        "cause": cause,
        "led_to": led_to,
    }


def _no_record() -> Problem:
    words = "This topic has no such record, it is older than what is kept, or it belongs to another tenant."
    return Problem("record-unknown", "No such record", 404, words)


def _unreadable(name: str, rule: str) -> Problem:
    return Problem("invalid", "That cannot be read", 422, f"{name}: {rule}.", errors=[FieldError(name, rule)])
