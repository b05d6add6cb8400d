"""Routes about a connection's way to the outside: credentials, verification, budgets, and shops' API keys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from connection_registry import access, store, store_keys
from connection_registry.api_connections import Admin, present
from connection_registry.bodies import ApiKeyBody, BudgetsBody, CredentialsBody
from connection_registry.model import Note, Stored
from connection_registry.registry import Registry
from hub_common.crypto import SealError, new_api_key
from hub_common.tx import Tx
from hub_common.web import Problem
from hub_contracts.connections import ConnectionKind


def access_router(registry: Registry) -> APIRouter:
    """Routes below `/v1/connections/{id}` and `POST /v1/credentials/reseal`."""
    router = APIRouter(prefix="/v1", tags=["access"])
    _credentials(router, registry)
    _api_keys(router, registry)
    return router


def _credentials(router: APIRouter, registry: Registry) -> None:
    @router.put("/connections/{connection_id}/credentials")
    async def put_credentials(connection_id: UUID, body: CredentialsBody, who: Admin) -> dict[str, Any]:
        """Replace credentials without restarting anything."""
        written = await access.set_credentials(
            registry, connection_id, body.credentials, who.login, sharing=body.all_sharing, unchecked=body.unchecked
        )
        return await present(registry, written[0]) | {"changed": [str(each.connection_id) for each in written]}

    @router.post("/connections/{connection_id}/verify")
    async def verify_connection(connection_id: UUID, who: Admin) -> dict[str, Any]:
        """One cheap read. A failed check is an answer (200) with `ok` false and what to do."""
        stored, result = await access.verify(registry, connection_id, who.login)
        return {"ok": result.ok, "detail": result.detail, "connection": await present(registry, stored)}

    @router.patch("/connections/{connection_id}/budgets")
    async def change_budgets(connection_id: UUID, body: BudgetsBody, who: Admin) -> dict[str, Any]:
        """Calls per hour for all connections of the credential."""
        written = await access.set_budgets(registry, connection_id, body.budgets, who.login)
        one = written[0]
        return {
            "budgets": one.data.budgets,
            "budget_overrides": one.details.budget_overrides,
            "connections": [str(each.connection_id) for each in written],
        }

    @router.post("/credentials/reseal")
    async def reseal_credentials(who: Admin) -> dict[str, int]:
        """After a new deployment key was put first everywhere: seal everything with it, so the old one can go."""
        try:
            return {"resealed": await access.reseal(registry, who.login)}
        except SealError as error:
            raise Problem("seal-broken", "Credentials cannot be opened", 409, str(error)) from None


def _api_keys(router: APIRouter, registry: Registry) -> None:
    @router.post("/connections/{connection_id}/api-keys", status_code=201)
    async def create_api_key(connection_id: UUID, body: ApiKeyBody, who: Admin, response: Response) -> dict[str, Any]:
        """A key for the shop. `api_key` is shown here and never again."""
        plain, digest = new_api_key()
        async with registry.runtime.transactions.begin() as tx:
            stored = await registry.locked(tx, connection_id)
            if stored.data.kind is not ConnectionKind.SHOP:
                detail = "Only shops call the hub; marketplaces are called by it."
                raise Problem("not-a-shop", "Not a shop connection", 409, detail)
            _refuse_too_many(stored, registry.settings.api_keys_max)
            api_key_id = await store_keys.add(tx, connection_id, body.label, digest, who.login)
            await _tell_keys(tx, stored, Note("api_key_created", (body.label,)), who.login)
        await registry.runtime.connections.refresh()
        response.headers["Cache-Control"] = "no-store"
        return {"api_key_id": api_key_id, "label": body.label, "api_key": plain.get_secret_value()}

    @router.get("/connections/{connection_id}/api-keys")
    async def list_api_keys(connection_id: UUID) -> dict[str, Any]:
        """Keys that are and were, without what they are."""
        await registry.get(connection_id)
        return {"items": await store_keys.listing(registry.runtime.pool, connection_id)}

    @router.delete("/connections/{connection_id}/api-keys/{api_key_id}", status_code=204)
    async def revoke_api_key(connection_id: UUID, api_key_id: UUID, who: Admin) -> None:
        """Revoke a key for good; a repeat changes nothing."""
        async with registry.runtime.transactions.begin() as tx:
            stored = await registry.locked(tx, connection_id)
            revoked = await store_keys.revoke(tx, connection_id, api_key_id, who.login)
            if revoked is None:
                raise Problem("api-key-unknown", "No such API key", 404, "The connection has no API key of this id.")
            if revoked:
                await _tell_keys(tx, stored, Note("api_key_revoked", (str(api_key_id),)), who.login)
        await registry.runtime.connections.refresh()


def _refuse_too_many(stored: Stored, most: int) -> None:
    if len(stored.data.api_key_hashes) >= most:
        detail = f"A connection has at most {most} live API keys; revoke one first."
        raise Problem("too-many-api-keys", "Too many API keys", 409, detail)


async def _tell_keys(tx: Tx, stored: Stored, note: Note, actor: str) -> None:
    hashes = tuple(await store_keys.live(tx.conn, stored.connection_id))
    data = stored.data.model_copy(update={"api_key_hashes": hashes})
    await store.write(tx, replace(stored, data=data), note, actor)
