"""Connections by what people call them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub_tools.client.errors import refused
from hub_tools.client.hub import REGISTRY, Hub
from hub_tools.client.orders import is_uuid

PAGE = 1000


def all_connections(hub: Hub, query: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
    """Every connection that fits, in order of creation."""
    found: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        page = hub.service(REGISTRY).get("/v1/connections", {**(query or {}), "after": after, "limit": PAGE})
        found += page["items"]
        after = page["next"]
        if after is None:
            return found


def connection_of(hub: Hub, name: str) -> dict[str, Any]:
    """One connection by id or label. Raises `CommandError` (refused) when none or several have it."""
    if is_uuid(name):
        one: dict[str, Any] = hub.service(REGISTRY).get(f"/v1/connections/{name}")
        return one
    wanted = name.strip().lower()
    fits = [each for each in all_connections(hub) if each["label"].lower() == wanted]
    if not fits:
        raise refused(f"{name}: no connection has this id or label; see: hub connections list")
    if len(fits) > 1:
        ids = ", ".join(each["connection_id"] for each in fits)
        raise refused(f"{name}: {len(fits)} connections have this label, use an id: {ids}")
    return fits[0]
