"""Proof that no route is open by accident: the forgotten dependency is found at start, not by a stranger."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts

from hub_common.web.auth import MARK

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""Probes and scraping: they say nothing about orders and must answer before anybody can log in."""


def unauthenticated_routes(app: FastAPI) -> list[str]:
    """Routes, mounts and sockets that anybody may call, as `METHOD /path`, without the probes."""
    also_open: frozenset[str] = getattr(app.state, "open_paths", frozenset())
    found: list[str] = []
    for context in iter_route_contexts(app.routes):
        path = context.path or "?"
        if path in OPEN_PATHS | also_open or _authenticated(context):
            continue
        methods = ",".join(sorted(context.methods or {"ANY"}))
        found.append(f"{methods} {path}")
    return sorted(found)


def assert_all_routes_authenticated(app: FastAPI) -> None:
    """Raises `AssertionError` listing open routes. Called at start-up by `build_app`, and by each service's tests."""
    found = unauthenticated_routes(app)
    if found:
        raise AssertionError("routes without authentication: " + "; ".join(found))


def _authenticated(context: RouteContext) -> bool:
    dependant = getattr(context, "dependant", None)
    return isinstance(dependant, Dependant) and _marked(dependant)


def _marked(dependant: Dependant) -> bool:
    return any(getattr(child.call, MARK, False) or _marked(child) for child in dependant.dependencies)
