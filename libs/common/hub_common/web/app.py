"""One way to make a service's web application, with health, metrics, errors, limits and log-in never forgotten."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from fastapi import APIRouter, Depends, FastAPI
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub_common.logs import describe_error, get_logger
from hub_common.tracing import Tracing
from hub_common.tracing_work import WebSpans
from hub_common.web.auth import OperatorTokens, Role, operator
from hub_common.web.middleware import BodyLimit, ErrorBoundary
from hub_common.web.problems import install_handlers
from hub_common.web.routes import assert_all_routes_authenticated

CHECK_SECONDS = 2.0
"""A probe that takes longer is a failing probe; kubelet's own time-out must be above this."""
BODY_LIMIT = 1024 * 1024
"""Largest order update of any shop we know is far below 1 MiB."""
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Health:
    """Answer of a health or readiness callable. `details` are shown without log-in: no secrets, no order data."""

    ok: bool
    details: Mapping[str, Any] = field(default_factory=dict)


Check = Callable[[], Health | Awaitable[Health]]


def _always_ok() -> Health:
    return Health(True)


def build_app(
    name: str,
    *,
    version: str = "0.1.0",
    operators: OperatorTokens | None = None,
    routers: Sequence[APIRouter] = (),
    self_authenticated: Sequence[APIRouter] = (),
    health: Check = _always_ok,
    ready: Check = _always_ok,
    metrics: Callable[[], bytes] = bytes,
    body_limit: int = BODY_LIMIT,
    openapi: bool = False,
    default_role: Role = Role.VIEWER,
    tracing: Tracing | None = None,
) -> FastAPI:
    """The web application of service `name`.

    Every route of `routers` needs an operator of `default_role`; a route may demand more with `operator(Role.ADMIN)`.
    Routes of `self_authenticated` bring their own proof of identity (a dependency marked with `authenticates`).
    Without that the application refuses to start. `openapi=True` serves `/openapi.json` openly; the documentation
    pages are always off. Answers of `/healthz` and `/readyz` are 200 or 503 with details as JSON.
    """
    log = get_logger(name)
    app = FastAPI(
        title=name,
        version=version,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if openapi else None,
        lifespan=_refuse_open_routes,
        middleware=[
            *([Middleware(WebSpans, tracing=tracing)] if tracing is not None else []),
            Middleware(ErrorBoundary, log=log),
            Middleware(BodyLimit, limit=body_limit),
        ],
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.operator_tokens = operators or OperatorTokens()
    app.state.open_paths = frozenset({"/openapi.json"} if openapi else ())
    install_handlers(app)
    app.router.routes += [
        Route("/healthz", _probe(name, health), methods=["GET"]),
        Route("/readyz", _probe(name, ready), methods=["GET"]),
        Route("/metrics", _metrics(metrics), methods=["GET"]),
    ]
    for router in routers:
        app.include_router(router, dependencies=[Depends(operator(default_role))])
    for router in self_authenticated:
        app.include_router(router)
    return app


@asynccontextmanager
async def _refuse_open_routes(app: FastAPI) -> AsyncIterator[None]:
    assert_all_routes_authenticated(app)
    yield


def _probe(name: str, check: Check) -> Callable[[Request], Awaitable[Response]]:
    async def probe(_request: Request) -> Response:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                result = check()
                health = await result if inspect.isawaitable(result) else result
        except TimeoutError:
            health = Health(False, {"error": f"check took longer than {CHECK_SECONDS:g} s"})
        except Exception as error:  # noqa: BLE001  a failing check is an answer, and it is logged
            get_logger(name).error("health_check_failed", **describe_error(error))
            health = Health(False, {"error": type(error).__name__})
        body = {"status": "ok" if health.ok else "failing", "service": name, "details": dict(health.details)}
        content = orjson.dumps(body, default=str, option=orjson.OPT_NON_STR_KEYS)
        return Response(content, 200 if health.ok else 503, media_type="application/json")

    return probe


def _metrics(render: Callable[[], bytes]) -> Callable[[Request], Awaitable[Response]]:
    async def metrics(_request: Request) -> Response:
        return Response(render(), headers={"content-type": METRICS_TYPE})

    return metrics
