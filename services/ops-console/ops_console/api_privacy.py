"""Finding a buyer's orders for the command line. What is held is asked of its owners, not of the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from hub_common.web import Operator, Role, operator
from ops_console import privacy
from ops_console.buyer_terms import TermKeys

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanErase = Annotated[Operator, Depends(operator(Role.ADMIN))]


class FindBuyer(BaseModel):
    """Whom to look for; in the body, because addresses are logged."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(min_length=2, max_length=120)


def privacy_router(runtime: Runtime) -> APIRouter:
    """Routes below `/v1/buyers`."""
    router = APIRouter(prefix="/v1/buyers", tags=["privacy"])
    keys = TermKeys.parse(runtime.settings.credentials_keys)

    @router.post("/find")
    async def find(body: FindBuyer, who: CanErase) -> dict[str, Any]:
        """Orders of buyers found by last name, full name, e-mail or phone, and orders of that name; 50 at most."""
        async with runtime.pool.acquire() as conn:
            rows = await privacy.find(conn, keys, body.text.strip(), None, runtime.clock.now())  # type: ignore[arg-type]
            digests = await privacy.digests_of(conn, [row["order_id"] for row in rows])  # type: ignore[arg-type]
        runtime.log.info("buyer_searched", login=who.login, count=len(rows))
        shown = ("order_id", "order_number", "reference", "tenant", "status", "created_at", "connector", "is_test")
        return {
            "items": [{n: row[n] for n in shown} | {"digests": digests.get(row["order_id"], 0)} for row in rows],
            "owners": privacy.OWNERS,
        }

    return router
