"""An HTTP server inside an event loop that also runs consumers and workers.

Left to itself the server takes over SIGTERM and ends the process on a bad start; both would cut short the orderly
shutdown of everything else in the loop.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

START_SECONDS = 15.0
DRAIN_SECONDS = 5
"""Long enough for what a service answers, short enough for the half minute that a pod has to end in."""


class WebServerError(RuntimeError):
    """The server could not start; the message says why and what to do."""


class WebServer:
    """`async start()`, then `port` is the real port (also for port 0), then `async stop()`.

    `drain_seconds` is how long `stop()` waits for requests in the air before it cancels them.
    """

    def __init__(
        self, app: ASGIApp, host: str = "127.0.0.1", port: int = 0, *, drain_seconds: int = DRAIN_SECONDS
    ) -> None:
        self.host = host
        self.port = port
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=drain_seconds,
        )
        self._server = _EmbeddedServer(config)
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Base address, for logs and tests."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    async def start(self) -> None:
        """Bind and serve. Raises `WebServerError` when the address is taken or the application refuses to start."""
        listener = _bind(self.host, self.port)
        self.port = listener.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name=f"web-{self.port}")
        ready = asyncio.create_task(self._server.ready.wait())
        try:
            await asyncio.wait({self._task, ready}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if not self._server.started:
            cause = self._server.failure or "it did not get ready in time"
            self._task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._task
            listener.close()
            self._task = None
            raise WebServerError(f"web server on {self.url} did not start: {cause}")

    async def stop(self) -> None:
        """Stop accepting, let requests in the air end, close. May be called twice, and without `start`."""
        task, self._task = self._task, None
        if task is None:
            return
        self._server.should_exit = True
        await task

    @property
    def serving(self) -> bool:
        """Whether the server runs; part of a service's health."""
        return self._task is not None and not self._task.done()


class _EmbeddedServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.failure = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            # uvicorn ends the process when the application's start-up fails; that decision is the service's
            self.failure = "the application's start-up failed (an open route, or an error logged before)"
            raise WebServerError(self.failure) from None
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise WebServerError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    listener.setblocking(False)
    return listener
