"""Routes about connections themselves, and the catalogue of connectors that they can be made of."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from connection_registry import store
from connection_registry.bodies import ChangeBody, CreateBody
from connection_registry.domain import Step
from connection_registry.gate import items_of
from connection_registry.model import Stored
from connection_registry.registry import Registry
from connection_registry.view import checklist_view, connection_view, manifest_view
from connector_kit.discovery import load_connectors
from hub_common.web import Operator, Problem, Role, operator
from hub_contracts.connections import ConnectionKind, ConnectionState, HubSettings
from hub_contracts.orders import Environment

Admin = Annotated[Operator, Depends(operator(Role.ADMIN))]
Limit = Annotated[int, Query(ge=1, le=1000)]


async def present(registry: Registry, stored: Stored) -> dict[str, Any]:
    """One connection for people."""
    ref = stored.data.credential_ref
    sharing = await store.sharing(registry.runtime.pool, [ref])
    return connection_view(stored, sharing.get(ref, ()))


def connections_router(registry: Registry) -> APIRouter:
    """`/v1/connections`, `/v1/connectors`, `/v1/hub-settings-schema`."""
    router = APIRouter(prefix="/v1", tags=["connections"])
    _catalogue(router)
    _reading(router, registry)
    _writing(router, registry)
    return router


def _catalogue(router: APIRouter) -> None:
    @router.get("/connectors")
    async def list_connectors() -> dict[str, Any]:
        """Installed connectors: fields to type in, capabilities, budgets, environments."""
        found = load_connectors()
        return {"items": [manifest_view(found[name].manifest) for name in sorted(found)]}

    @router.get("/connectors/{name}")
    async def show_connector(name: str) -> dict[str, Any]:
        """One connector."""
        found = load_connectors().get(name)
        if found is None:
            installed = ", ".join(sorted(load_connectors()))
            raise Problem("connector-unknown", "No such connector", 404, f"Installed are: {installed}.")
        return manifest_view(found.manifest)

    @router.get("/hub-settings-schema")
    async def settings_schema() -> dict[str, Any]:
        """JSON Schema of `settings`, the same for every connector."""
        return HubSettings.model_json_schema()


def _reading(router: APIRouter, registry: Registry) -> None:
    @router.get("/connections")
    async def list_connections(
        tenant: str | None = None,
        connector: str | None = None,
        kind: ConnectionKind | None = None,
        environment: Environment | None = None,
        state: ConnectionState | None = None,
        after: UUID | None = None,
        limit: Limit = 100,
    ) -> dict[str, Any]:
        """Connections in order of creation; `next` is the `after` of the following page."""
        filters = {
            "tenant": tenant,
            "connector": connector,
            "kind": kind,
            "environment": environment,
            "state": state,
        }
        found = await store.page(registry.runtime.pool, dict(filters), after, limit)
        sharing = await store.sharing(registry.runtime.pool, [each.data.credential_ref for each in found])
        return {
            "items": [connection_view(each, sharing.get(each.data.credential_ref, ())) for each in found],
            "next": found[-1].connection_id if len(found) == limit else None,
        }

    @router.get("/connections/{connection_id}")
    async def show_connection(connection_id: UUID) -> dict[str, Any]:
        """One connection."""
        return await present(registry, await registry.get(connection_id))

    @router.get("/connections/{connection_id}/checklist")
    async def show_checklist(connection_id: UUID) -> dict[str, Any]:
        """What must be met before activation, and what to do about what is not."""
        async with registry.runtime.transactions.begin() as tx:
            stored = await store.read(tx.conn, connection_id) or await registry.get(connection_id)
            return checklist_view(stored, await items_of(tx.conn, stored))

    @router.get("/connections/{connection_id}/changes")
    async def list_changes(connection_id: UUID, before: UUID | None = None, limit: Limit = 100) -> dict[str, Any]:
        """Who changed which fields when, newest first."""
        await registry.get(connection_id)
        return {"items": await store.changes(registry.runtime.pool, connection_id, before, limit)}


def _writing(router: APIRouter, registry: Registry) -> None:
    @router.post("/connections", status_code=201)
    async def create_connection(body: CreateBody, who: Admin, response: Response) -> dict[str, Any]:
        """A new connection, inactive."""
        stored = await registry.create(body, who.login)
        response.headers["Location"] = f"/v1/connections/{stored.connection_id}"
        return await present(registry, stored)

    @router.patch("/connections/{connection_id}")
    async def change_connection(connection_id: UUID, body: ChangeBody, who: Admin) -> dict[str, Any]:
        """Change it; settings are merged."""
        return await present(registry, await registry.change(connection_id, body, who.login))

    for step in Step:
        _step_route(router, registry, step)


def _step_route(router: APIRouter, registry: Registry, step: Step) -> None:
    @router.post(f"/connections/{{connection_id}}/{step.value}", name=f"{step.value}_connection")
    async def take_step(connection_id: UUID, who: Admin) -> dict[str, Any]:
        return await present(registry, await registry.step(connection_id, step, who.login))
