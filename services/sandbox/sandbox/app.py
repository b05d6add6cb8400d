"""One web application with a simulator under each connector's name.

A mounted application gets no lifespan events from its host, so a simulator's background loop would never start and
never be stopped; the host's lifespan therefore runs theirs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts

from hub_common.web.problems import install_handlers
from sandbox.simulators import Simulators

CONTROL = "/_sandbox"


def build_app(simulators: Simulators) -> FastAPI:
    """The application: `/` lists what there is, `/healthz`, and each simulator below `/<connector>/`."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for simulator in simulators.running.values():
                await stack.enter_async_context(simulator.app.router.lifespan_context(simulator.app))
            yield

    app = FastAPI(
        title="sandbox",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    install_handlers(app)

    @app.get("/healthz")
    async def healthz() -> dict[str, Any]:
        details = {"simulators": sorted(simulators.running), "failed": simulators.failed}
        return {"status": "ok", "service": "sandbox", "details": details}

    @app.get("/")
    async def index() -> JSONResponse:
        return JSONResponse(describe(simulators))

    for name, simulator in simulators.running.items():
        app.mount(f"/{name}", simulator.app)
    return app


def describe(simulators: Simulators) -> dict[str, Any]:
    """What runs, where, with which fault switches and control routes."""
    return {
        "simulators": {
            name: {
                "title": simulators.titles.get(name, name),
                "base_path": f"/{name}",
                "faults": sorted(simulator.faults.known),
                "control": _control_routes(name, simulator.app),
            }
            for name, simulator in simulators.running.items()
        },
        "failed": simulators.failed,
    }


def _control_routes(name: str, app: FastAPI) -> list[str]:
    found: set[tuple[str, str]] = set()
    for context in iter_route_contexts(app.routes):
        path = context.path or ""
        if path.startswith(CONTROL):
            found |= {(path, method) for method in (context.methods or set()) - {"HEAD"}}
    return [f"{method} /{name}{path}" for path, method in sorted(found)]
