"""Routes for test orders and backfills."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from connection_registry import requests
from connection_registry.api_connections import Admin, Limit
from connection_registry.bodies import BackfillBody, TestOrderBody
from connection_registry.registry import Registry


def requests_router(registry: Registry) -> APIRouter:
    """Routes below `/v1/connections/{id}`."""
    router = APIRouter(prefix="/v1/connections/{connection_id}", tags=["requests"])
    pool = registry.runtime.pool

    @router.post("/test-orders", status_code=202)
    async def create_test_order(connection_id: UUID, body: TestOrderBody, who: Admin) -> dict[str, Any]:
        """Ask for a test order; it is flagged as test through its whole life."""
        return await requests.request_test_order(registry, connection_id, body, who.login)

    @router.get("/test-orders")
    async def list_test_orders(connection_id: UUID, before: UUID | None = None, limit: Limit = 100) -> dict[str, Any]:
        """Test orders asked for, newest first."""
        await registry.get(connection_id)
        return {"items": await requests.test_orders(pool, connection_id, before, limit)}

    @router.post("/backfills", status_code=202)
    async def create_backfill(connection_id: UUID, body: BackfillBody, who: Admin) -> dict[str, Any]:
        """Ask for the orders of a past window. They are stored and shown, and never cause effects outside."""
        return await requests.request_backfill(registry, connection_id, body, who.login)

    @router.get("/backfills")
    async def list_backfills(connection_id: UUID, before: UUID | None = None, limit: Limit = 100) -> dict[str, Any]:
        """Backfills asked for, newest first."""
        await registry.get(connection_id)
        return {"items": await requests.backfills(pool, connection_id, before, limit)}

    return router
