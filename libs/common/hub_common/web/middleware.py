"""Two rules below every route: a body has a largest size, and an unexpected exception never shows its inside."""

from __future__ import annotations

from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from hub_common.logs import describe_error
from hub_common.web.problems import Problem, internal_error


class BodyLimit:
    """Stop reading a request body at `limit` bytes and answer 413, whatever length the caller announced.

    Counts the bytes that arrive, because `Content-Length` may lie or be absent (chunked).
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"")
        if announced.isdigit() and int(announced) > self._limit:
            await self._refuse(scope, receive, send)
            return
        counter = _Counter(receive, send, self._limit)
        with suppress(_TooLarge):
            await self._app(scope, counter.receive, counter.send)
        if counter.exceeded and not counter.started:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = Problem(
            "body-too-large",
            "Body too large",
            413,
            f"A body may have {self._limit} bytes at most.",
            headers={"Connection": "close"},
        )
        await problem.response(scope["path"])(scope, receive, send)


class _TooLarge(Exception):
    """Ends the reading of a body; turned into 413 even where a framework replaces it by its own error."""


class _Counter:
    def __init__(self, receive: Receive, send: Send, limit: int) -> None:
        self._receive, self._send, self._left = receive, send, limit
        self.exceeded = False
        self.started = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.exceeded = True
            raise _TooLarge
        return message

    async def send(self, message: Message) -> None:
        if self.exceeded and not self.started:
            return  # an error answer of the framework for the body that we cut off
        self.started = True
        await self._send(message)


class ErrorBoundary:
    """Answer 500 without internals for an exception that nobody expected, and log its type and place."""

    def __init__(self, app: ASGIApp, log: FilteringBoundLogger) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception as error:  # noqa: BLE001  the boundary: nothing may pass it, and it is logged
            route = scope.get("route")
            template = getattr(route, "path", "")
            self._log.error(
                "request_failed", method=scope.get("method", ""), path_template=template, **describe_error(error)
            )
            if started or scope["type"] == "websocket":
                raise ConnectionAbortedError("answer cut off after an internal error") from None
            await internal_error().response(scope["path"])(scope, receive, send)
