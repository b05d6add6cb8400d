"""The API of connection-registry: viewers read, admins write."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from connection_registry.api_access import access_router
from connection_registry.api_connections import connections_router
from connection_registry.api_links import links_router
from connection_registry.api_requests import requests_router
from connection_registry.registry import Registry
from hub_common.runtime import Runtime


def build_routers(runtime: Runtime) -> Sequence[APIRouter]:
    """All routers; the application demands an operator for each."""
    registry = Registry(runtime)
    return [make(registry) for make in (connections_router, access_router, links_router, requests_router)]
