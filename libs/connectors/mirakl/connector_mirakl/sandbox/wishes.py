"""More wishes below `/_sandbox`: a buyer opens a return, or writes. For tests and demos."""

from __future__ import annotations

from typing import Protocol

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict


class ReturnWish(BaseModel):
    """Body of `POST /_sandbox/returns`."""

    model_config = ConfigDict(extra="forbid")
    order_id: str
    lines: dict[str, int]
    """Units by line id."""
    state: str = "WAITING_ACCEPTANCE"
    reason: str = "RETURN_OTHER"


class MessageWish(BaseModel):
    """Body of `POST /_sandbox/messages`."""

    model_config = ConfigDict(extra="forbid")
    order_id: str
    body: str
    sender: str = "CUSTOMER_USER"
    thread_id: str | None = None


class TakesWishes(Protocol):
    """What the routes need of the simulator."""

    def open_return(self, order_id: str, lines: dict[str, int], *, state: str, reason: str) -> str: ...

    def write_message(self, order_id: str, body: str, *, sender: str, thread_id: str | None) -> str: ...


def wish_routes(simulator: TakesWishes) -> APIRouter:
    """Routes for what buyers do after their order."""
    router = APIRouter(prefix="/_sandbox")

    @router.post("/returns")
    async def post_return(wish: ReturnWish) -> dict[str, str]:
        try:
            found = simulator.open_return(wish.order_id, wish.lines, state=wish.state, reason=wish.reason)
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        return {"return_id": found}

    @router.post("/messages")
    async def post_message(wish: MessageWish) -> dict[str, str]:
        try:
            found = simulator.write_message(wish.order_id, wish.body, sender=wish.sender, thread_id=wish.thread_id)
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        return {"thread_id": found}

    return router
