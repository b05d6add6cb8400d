"""Connections: every account at a marketplace or shop, its state, its checklist, and what it is told to do."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from hub_common.web import Problem
from ops_console.accounts import User
from ops_console.audit import audited
from ops_console.console import Console
from ops_console.pages.base import page_router
from ops_console.sessions import Session
from ops_console.settings_form import manifest_fields, settings_groups

REGISTRY = "connection-registry"
TABS = (
    ("", "Overview"),
    ("settings", "Settings"),
    ("access", "Access"),
    ("links", "SKU links"),
    ("carriers", "Carriers"),
    ("tests", "Test and backfill"),
    ("history", "History"),
)
MARKETPLACE_TABS = ("links", "carriers", "tests")
PAGE = 200


async def own_connection(console: Console, user: User, connection_id: UUID) -> dict[str, Any]:
    """A connection of the person's tenants. Raises `Problem` 404 for any other, as for one that does not exist."""
    found: dict[str, Any] = await console.services.get(user, REGISTRY, f"/v1/connections/{connection_id}")
    if not user.sees(found["tenant"]):
        raise Problem("connection-unknown", "No such connection", 404, f"There is no connection {connection_id}.")
    return found


def noted(
    console: Console, session: Session, action: str, connection: dict[str, Any], **detail: Any
) -> AbstractAsyncContextManager[None]:
    """An entry of the audit log around an action on this connection."""
    return audited(
        console.runtime, session.user, action, connection["label"], tenant=connection["tenant"], detail=detail
    )


def tabs_of(connection: dict[str, Any]) -> list[tuple[str, str]]:
    """The tabs that make sense for its kind."""
    marketplace = connection["kind"] == "marketplace"
    return [(name, title) for name, title in TABS if marketplace or name not in MARKETPLACE_TABS]


def router(console: Console) -> APIRouter:
    """Pages that only show; what changes something is in `connection_actions`."""
    made = page_router(console, "/connections")
    _listing(made, console)
    _overview(made, console)
    _tabs(made, console)
    return made


def _listing(made: APIRouter, console: Console) -> None:
    viewer = console.signed_in()

    @made.get("")
    async def connections(request: Request, session: Session = viewer) -> Response:
        user = session.user
        found: list[dict[str, Any]] = []
        for tenant in user.tenants or (None,):
            after = None
            while True:
                page = await console.services.get(
                    user, REGISTRY, "/v1/connections", tenant=tenant, after=after, limit=PAGE
                )
                found += page["items"]
                after = page["next"]
                if after is None:
                    break
        waiting = await _waiting(console, user)
        polls = await console.services.look(user, ("order-ingest",), "/v1/pollers")
        fresh = {item["connection_id"]: item for item in (polls[0].data or {"items": []})["items"]}
        context = {"connections": found, "waiting": waiting, "fresh": fresh, "polls_error": polls[0].error}
        return await console.page(request, session, "connections.html", context)


async def _waiting(console: Console, user: User) -> dict[str, int]:
    rows = await console.runtime.pool.fetch(
        "SELECT connection_id, count(*) AS count FROM parked_items WHERE waiting AND connection_id IS NOT NULL"
        " AND ($1::text[] IS NULL OR tenant = ANY($1)) GROUP BY 1",
        user.tenant_filter,
    )
    return {str(row["connection_id"]): row["count"] for row in rows}


def _overview(made: APIRouter, console: Console) -> None:
    viewer = console.signed_in()

    @made.get("/{connection_id}")
    async def overview(request: Request, connection_id: UUID, session: Session = viewer) -> Response:
        user = session.user
        connection = await own_connection(console, user, connection_id)
        path = f"/v1/connections/{connection_id}"
        checklist = await console.services.get(user, REGISTRY, f"{path}/checklist")
        manifest = await console.services.get(user, REGISTRY, f"/v1/connectors/{connection['connector']}")
        polls = await console.services.look(user, ("order-ingest",), "/v1/pollers")
        items = (polls[0].data or {"items": []})["items"]
        poller = next((item for item in items if item["connection_id"] == str(connection_id)), None)
        parked = await console.runtime.pool.fetch(
            "SELECT cause, count(*) AS count, min(due_at) AS due_at FROM parked_items"
            " WHERE waiting AND connection_id = $1 GROUP BY 1 ORDER BY 2 DESC",
            connection_id,
        )
        context = {"checklist": checklist, "manifest": manifest, "poller": poller, "parked": parked}
        return await _page(console, request, session, "connection.html", connection, "", context)


def _tabs(made: APIRouter, console: Console) -> None:
    viewer = console.signed_in()

    @made.get("/{connection_id}/{tab}")
    async def tab(request: Request, connection_id: UUID, tab: str, session: Session = viewer) -> Response:
        user = session.user
        connection = await own_connection(console, user, connection_id)
        if tab not in dict(tabs_of(connection)) or tab not in LOADERS:
            raise Problem("page-unknown", "No such page", 404, "A connection of this kind has no such page.")
        context = await LOADERS[tab](console, user, connection, dict(request.query_params))
        return await _page(console, request, session, f"connection_{tab}.html", connection, tab, context)


async def _page(
    console: Console,
    request: Request,
    session: Session,
    template: str,
    connection: dict[str, Any],
    tab: str,
    context: dict[str, Any],
) -> Response:
    shown = {"connection": connection, "tab": tab, "tabs": tabs_of(connection)} | context
    return await console.page(request, session, template, shown)


async def _settings(console: Console, user: User, connection: dict[str, Any], _: dict[str, str]) -> dict[str, Any]:
    manifest = await console.services.get(user, REGISTRY, f"/v1/connectors/{connection['connector']}")
    schema = await console.services.get(user, REGISTRY, "/v1/hub-settings-schema")
    profiles = [profile["name"] for profile in manifest["profiles"]]
    return {
        "manifest": manifest,
        "profiles": profiles,
        "own_fields": manifest_fields(manifest["settings_fields"], connection["connector_settings"], "own."),
        "groups": settings_groups(schema, connection["settings"]),
    }


async def _access(console: Console, user: User, connection: dict[str, Any], _: dict[str, str]) -> dict[str, Any]:
    manifest = await console.services.get(user, REGISTRY, f"/v1/connectors/{connection['connector']}")
    path = f"/v1/connections/{connection['connection_id']}/api-keys"
    keys = await console.services.get(user, REGISTRY, path) if connection["kind"] == "shop" else {"items": []}
    return {
        "manifest": manifest,
        "secret_fields": manifest_fields(manifest["auth_fields"], {}, "secret."),
        "keys": keys["items"],
    }


async def _links(console: Console, user: User, connection: dict[str, Any], asked: dict[str, str]) -> dict[str, Any]:
    connection_id = connection["connection_id"]
    search, after = asked.get("search", "").strip()[:200], asked.get("after")
    page = await console.services.get(
        user, REGISTRY, f"/v1/connections/{connection_id}/sku-links", search=search or None, after=after, limit=100
    )
    waiting = await console.services.look(
        user, ("order-router",), "/v1/operations/parked", cause="sku_unlinked", limit=500
    )
    shops = await console.services.get(
        user, REGISTRY, "/v1/connections", tenant=connection["tenant"], kind="shop", limit=PAGE
    )
    items = (waiting[0].data or {"items": []})["items"]
    return {
        "links": page["items"],
        "next": page["next"],
        "search": search,
        "suggestions": suggestions(connection_id, items),
        "suggestions_error": waiting[0].error,
        "shops": [shop for shop in shops["items"] if shop["environment"] == connection["environment"]],
    }


def suggestions(connection_id: str, parked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Offers that orders wait for: each SKU once, how many orders wait, and the shop SKUs that read nearly the same."""
    found: dict[str, dict[str, Any]] = {}
    for item in parked:
        data = item.get("data") or {}
        sku = data.get("sku") or item.get("subject_id") or ""
        if str(item.get("connection_id")) != str(connection_id) or not sku:
            continue
        entry = found.setdefault(sku, {"offer_sku": sku, "orders": set(), "near": data.get("candidates") or []})
        entry["orders"].add(item.get("order_id"))
    return [entry | {"orders": len(entry["orders"])} for _, entry in sorted(found.items())]


async def _carriers(console: Console, user: User, connection: dict[str, Any], _: dict[str, str]) -> dict[str, Any]:
    path = f"/v1/connections/{connection['connection_id']}"
    rules, listed = await console.services.look(user, ("carrier-mapper",), f"{path}/carrier-rules"), None
    lists = await console.services.look(user, ("carrier-mapper",), f"{path}/carriers")
    listed = lists[0].data
    data = rules[0].data or {"items": [], "warnings": []}
    error = rules[0].error or lists[0].error
    return {"rules": data["items"], "warnings": data["warnings"], "listed": listed, "error": error, "trial": None}


async def _tests(console: Console, user: User, connection: dict[str, Any], _: dict[str, str]) -> dict[str, Any]:
    path = f"/v1/connections/{connection['connection_id']}"
    orders = await console.services.get(user, REGISTRY, f"{path}/test-orders", limit=20)
    backfills = await console.services.look(
        user, ("order-ingest",), "/v1/backfills", connection_id=connection["connection_id"], limit=20
    )
    offers = await console.services.look(
        user, ("stock-sync",), "/v1/offers", connection=connection["connection_id"], limit=100
    )
    return {
        "test_orders": orders["items"],
        "backfills": (backfills[0].data or {"items": []})["items"],
        "offers": [o["offer_sku"] for o in (offers[0].data or {"items": []})["items"]],
        "error": backfills[0].error,
    }


async def _history(console: Console, user: User, connection: dict[str, Any], asked: dict[str, str]) -> dict[str, Any]:
    path = f"/v1/connections/{connection['connection_id']}/changes"
    found = await console.services.get(user, REGISTRY, path, before=asked.get("before"), limit=100)
    return {"changes": found["items"]}


LOADERS = {
    "settings": _settings,
    "access": _access,
    "links": _links,
    "carriers": _carriers,
    "tests": _tests,
    "history": _history,
}
