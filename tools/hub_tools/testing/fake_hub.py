"""A real HTTP server on loopback that answers as the services do, with the real log-in, errors and limits.

For tests of what commands make of answers: what the answers are is tested with the services.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from hub_common.web import Problem, Role, WebServer, build_app, hash_token, operator
from hub_common.web.auth import OperatorTokens

START_SECONDS = 20.0
VIEWER, ADMIN = "hub_test_viewer_token", "hub_test_admin_token"
Answer = tuple[int, Any]


@dataclass(frozen=True)
class Asked:
    """One call that arrived."""

    method: str
    service: str
    path: str
    query: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class FakeHub:
    """`with FakeHub() as hub:` then say what a path answers: `hub.on("GET", "order-router", "/v1/x", {...})`."""

    answers: dict[tuple[str, str, str], Answer | Callable[[Asked], Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def on(
        self, method: str, service: str, path: str, body: Any = None, *, status: int = 200,
        by: Callable[[Asked], Answer] | None = None,
    ) -> None:  # fmt: skip
        """What this path answers from now on; `by` makes the answer from the call."""
        self.answers[method, service, path] = by or (status, body)

    def refuse(self, method: str, service: str, path: str, problem: Problem) -> None:
        """This path answers a problem."""
        self.on(method, service, path, problem.body(path), status=problem.status)

    def calls(self, method: str, service: str = "", path: str = "") -> list[Asked]:
        """Calls that arrived, in order."""
        return [a for a in self.asked if a.method == method and service in ("", a.service) and path in ("", a.path)]

    def environment(self, token: str = ADMIN) -> dict[str, str]:
        """Settings under which commands mean this hub and nothing else."""
        return {"HUB_URL_TEMPLATE": f"{self.url}/{{service}}", "HUB_SERVICE_URLS": "", "HUB_TOKEN": token}

    def __enter__(self) -> FakeHub:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake-hub", daemon=True)
        self._thread.start()
        self._server = WebServer(self._app())
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(START_SECONDS)
        self.url = self._server.url
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(START_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS)
        self._loop.close()

    def _app(self) -> Any:
        looking, acting = APIRouter(), APIRouter(dependencies=[Depends(operator(Role.OPERATOR))])
        looking.add_api_route("/{service}/{path:path}", self._answer, methods=["GET"])
        acting.add_api_route("/{service}/{path:path}", self._answer, methods=["POST", "PUT", "PATCH", "DELETE"])
        tokens = OperatorTokens.parse(f"guest:viewer:{hash_token(VIEWER)},chief:admin:{hash_token(ADMIN)}")
        return build_app("fake-hub", operators=tokens, routers=[looking, acting])

    async def _answer(self, service: str, path: str, request: Request) -> Response:
        asked = Asked(request.method, service, f"/{path}", dict(request.query_params), await request.body())
        self.asked.append(asked)
        found = self.answers.get((asked.method, service, asked.path))
        if found is None:
            raise Problem("not-found", "Not found", 404, f"Nothing is at {asked.path}.")
        status, body = found(asked) if callable(found) else found
        if isinstance(body, bytes):
            return Response(body, status, {"location": "http://elsewhere.invalid/"} if 300 <= status < 400 else {})
        return Response(json.dumps(body, default=str), status, media_type="application/json")
