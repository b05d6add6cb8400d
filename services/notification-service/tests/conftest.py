"""notification-service on a database of its own, a real mail server and a real receiver of webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes
from email.message import Message
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiosmtpd.controller import Controller
from fastapi import FastAPI, Request
from starlette.responses import Response

from hub_common.runtime import Runtime
from hub_common.testing import Harness
from hub_common.testing.harness import OPERATOR_TOKEN, TENANT
from hub_common.web import WebServer
from hub_contracts.base import EventData
from hub_tools.run.api import Api
from hub_tools.stack.ports import idle_port
from notification_service.gauges import Gauges
from notification_service.main import SPEC
from notification_service.planning import Planner
from notification_service.sending import Sender


@dataclass
class Post:
    """What the mail server took. `refuses`: it answers 451 instead."""

    letters: list[Message] = field(default_factory=list)
    refuses: bool = False

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.refuses:
            return "451 come back later"
        self.letters.append(message_from_bytes(envelope.content))
        return "250 OK"


@dataclass
class Hooks:
    """What the receiver of webhooks was sent: headers and body of each call."""

    url: str = ""
    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    status: int = 204


class World:
    """The service with its duties, one step at a time."""

    def __init__(self, harness: Harness, post: Post, hooks: Hooks, api: Api) -> None:
        self.harness, self.post, self.hooks = harness, post, hooks
        self._api = api
        self.gauges = Gauges(harness.runtime)
        self.planner = Planner(harness.runtime)
        self.sender = Sender(harness.runtime, self.gauges)
        self.clock: Any = harness.clock

    @property
    def runtime(self) -> Runtime:
        return self.harness.runtime

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        return await asyncio.to_thread(self._api.call, method, path, body)

    async def subscribe(self, channel: str = "email", **wishes: Any) -> dict[str, Any]:
        address = "ops@example.com" if channel == "email" else f"{self.hooks.url}/hook"
        body = {"tenant": TENANT, "label": "operations", "channel": channel, "address": address}
        made: dict[str, Any] = await self.ask("POST", "/v1/subscriptions", body | wishes)
        return made

    async def tell(self, *events: EventData, key: UUID | None = None, **more: Any) -> None:
        await self.harness.feed(*((key or uuid4(), event) for event in events), **more)

    async def work(self) -> None:
        """Everything that is due now."""
        for _ in range(10):
            planned = await self.planner.step()
            sent = await self.sender.step()
            if not planned and not sent:
                return

    async def later(self, **parts: float) -> None:
        """Time passes, in steps of a minute as the duties see it, and what becomes due is done."""
        left = timedelta(**parts)
        while left > timedelta(0):
            step = min(left, timedelta(minutes=1))
            self.clock.advance(step.total_seconds())
            left -= step
            await self.work()


@pytest.fixture
def post() -> Iterator[tuple[Post, int]]:
    handler = Post()
    controller = Controller(handler, hostname="127.0.0.1", port=idle_port())
    controller.start()
    try:
        yield handler, controller.port
    finally:
        controller.stop()


@pytest.fixture
async def hooks() -> AsyncIterator[Hooks]:
    app, seen = FastAPI(), Hooks()

    @app.post("/hook")
    async def take(request: Request) -> Response:
        seen.calls.append((dict(request.headers), await request.body()))
        return Response(status_code=seen.status)

    server = WebServer(app)
    await server.start()
    seen.url = server.url
    yield seen
    await server.stop()


@pytest.fixture
async def world(database: str, post: tuple[Post, int], hooks: Hooks) -> AsyncIterator[World]:
    handler, port = post
    mail = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_starttls": False}
    async with Harness(SPEC, database, console_url="https://hub.example/console", **mail) as harness:
        yield World(harness, handler, hooks, Api(await harness.serve(), OPERATOR_TOKEN))
