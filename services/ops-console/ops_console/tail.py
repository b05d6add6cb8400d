"""Live tails of topics: one reader of the database per process, however many people watch.

A query per viewer would make the console slower the more people look at an incident. Viewers are bounded, a slow one
loses records (and is told so) instead of filling the memory, and a tail ends with its session.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from hub_common.errors import is_storage_down
from hub_common.web import Problem
from ops_console import store_topics
from ops_console.console import Console
from ops_console.sessions import Session
from ops_console.store_topics import Row
from ops_console.topic_view import TopicFilter, is_uuid, snippet

VIEWERS = 40
"""Tails per process; each is an open connection."""
WAITING = 500
"""Records kept for a viewer whose line is slow."""
POLL_SECONDS = 0.4
BATCH = 500
SESSION_SECONDS = 2.0
"""How late the end of a session ends a tail."""
HEARTBEAT_SECONDS = 15.0
"""Below the idle time-outs of usual proxies (60 s)."""
HOLE_ROUNDS = 10
"""Numbers that were skipped are looked for this often: transactions of another replica take milliseconds."""
HOLES = 200
"""A longer row of skipped numbers are events that came twice: their numbers were used up by nothing."""


@dataclass(eq=False, slots=True)
class Viewer:
    """One open tail."""

    session: Session
    topic: str
    wanted: TopicFilter
    queue: asyncio.Queue[Row | None] = field(default_factory=lambda: asyncio.Queue(WAITING))
    lost: int = 0
    ended: bool = False
    away: bool = False

    def give(self, row: Row) -> None:
        """Hand over a record that this viewer may and wants to see."""
        if row["topic"] != self.topic or not self.session.user.sees(row["tenant"]) or not self.wanted.fits(row):
            return
        try:
            self.queue.put_nowait(row)
        except asyncio.QueueFull:
            self.lost += 1

    def end(self) -> None:
        """Let the tail stop."""
        self.ended = True
        if not self.queue.full():
            self.queue.put_nowait(None)


class Tail:
    """Reads what arrives while anybody watches."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._viewers: set[Viewer] = set()
        self._task: asyncio.Task[None] | None = None
        self._last = 0
        self._holes: dict[int, int] = {}
        self._sessions_due = 0.0

    async def join(self, session: Session, topic: str, wanted: TopicFilter) -> Viewer:
        """Begin to watch; `leave` must follow. Raises `Problem` 503 when too many do."""
        if len(self._viewers) >= VIEWERS:
            words = f"{VIEWERS} live tails are open on this console. Close one, or reload the page to see what is new."
            raise Problem("too-many-tails", "Too many live tails", 503, words, headers={"retry-after": "30"})
        viewer = Viewer(session, topic, wanted)
        if self._task is None or self._task.done():
            async with self._console.runtime.pool.acquire() as conn:
                self._last, self._holes = await store_topics.last_seq(conn), {}  # type: ignore[arg-type]
            self._sessions_due = 0.0
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._run(), name="ops-console:tail")
        self._viewers.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Watch no more."""
        self._viewers.discard(viewer)

    @property
    def watching(self) -> int:
        """Open tails."""
        return len(self._viewers)

    async def _run(self) -> None:
        runtime = self._console.runtime
        while self._viewers and not runtime.stopping:
            busy = False
            try:
                busy = await self._poll()
                await self._check_sessions()
            except Exception as error:
                if not is_storage_down(error):
                    for viewer in self._viewers:
                        viewer.end()
                    raise
                runtime.log.warning("tail_waits_for_database", error=type(error).__name__)
            if not busy:
                await runtime.clock.sleep(POLL_SECONDS)
        for viewer in self._viewers:
            viewer.end()

    async def _poll(self) -> bool:
        topics = sorted({viewer.topic for viewer in self._viewers})
        async with self._console.runtime.pool.acquire() as conn:
            rows = await store_topics.arrived(conn, self._last, topics, BATCH)  # type: ignore[arg-type]
            late = []
            if self._holes:
                late = await store_topics.arrived_late(conn, list(self._holes), topics)  # type: ignore[arg-type]
        self._note_holes(rows, late)
        for row in (*late, *rows):
            if row["body"] is not None:
                for viewer in self._viewers:
                    viewer.give(row)
        return len(rows) == BATCH

    def _note_holes(self, rows: list[Row], late: list[Row]) -> None:
        found = {row["seq"] for row in late}
        self._holes = {
            number: tries + 1
            for number, tries in self._holes.items()
            if number not in found and tries + 1 < HOLE_ROUNDS
        }
        for row in rows:
            if 1 < row["seq"] - self._last <= HOLES:
                self._holes |= dict.fromkeys(range(self._last + 1, row["seq"]), 0)
            self._last = row["seq"]

    async def _check_sessions(self) -> None:
        runtime = self._console.runtime
        if runtime.clock.monotonic() < self._sessions_due:
            return
        self._sessions_due = runtime.clock.monotonic() + SESSION_SECONDS
        keys = list({viewer.session.key for viewer in self._viewers})
        idle = self._console.settings.session_idle_minutes
        async with runtime.pool.acquire() as conn:
            alive = await store_topics.living_sessions(conn, keys, runtime.clock.now(), idle)  # type: ignore[arg-type]
        for viewer in self._viewers:
            if viewer.session.key not in alive:
                viewer.end()

    async def stream(self, viewer: Viewer, after: int) -> AsyncIterator[bytes]:
        """What goes to the browser: what it missed since `after`, then what comes, until the session ends."""
        try:
            yield b"retry: 2000\n\n"
            sent, newest = set[int](), after
            async with self._console.runtime.pool.acquire() as conn:
                rows = await store_topics.missed(
                    conn,  # type: ignore[arg-type]
                    after,
                    viewer.topic,
                    viewer.wanted,
                    viewer.session.user.tenant_filter,
                )
                there = await store_topics.last_seq(conn)  # type: ignore[arg-type]
            if len(rows) == store_topics.MISSED or there - after > store_topics.CATCH_UP:
                yield message("gap", "Too much came at once to show all of it. Reload the page to see the newest.")
            for row in rows:
                sent.add(row["seq"])
                newest = max(newest, row["seq"])
                yield self.told(row, newest)
            async for came in self._coming(viewer):
                if viewer.lost:
                    yield message("gap", f"{viewer.lost} records came too fast to be shown here.")
                    viewer.lost = 0
                if came is None:
                    yield b": still here\n\n"
                elif came["seq"] not in sent:
                    newest = max(newest, came["seq"])
                    yield self.told(came, newest)
            yield message("end", "Your session has ended, or the console is being restarted.")
        finally:
            self.leave(viewer)

    async def _coming(self, viewer: Viewer) -> AsyncIterator[Row | None]:
        """Records as they come; None when nothing came for a while. Ends with the tail."""
        while not (viewer.ended and viewer.queue.empty()):
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    row = await viewer.queue.get()
            except TimeoutError:
                yield None
                continue
            if row is None:
                return
            yield row

    def told(self, row: Row, newest: int) -> bytes:
        """One record for the browser: a row of the page's table, as the page itself writes it."""
        context = row_context(self._console, row)
        html = self._console.templates.page("topic_row.html", {"row": context, "at_record": None})
        return f"id: {newest}\n".encode() + message("record", html)


def message(kind: str, text: str) -> bytes:
    """One message of the stream."""
    return f"event: {kind}\ndata: ".encode() + orjson.dumps(text) + b"\n\n"


def row_context(console: Console, row: Row) -> dict[str, Any]:
    """What the row of a record shows."""
    found = row["connection_id"] or ""
    connection = console.runtime.connections.get(UUID(found)) if is_uuid(found) else None
    return row | {"snippet": snippet(row["body"]), "connection": connection.data.label if connection else ""}
