"""Desk: effects in doubt. A person says what is true outside, with evidence; only then it is sent again or given up."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from hub_common.web import Problem, Role
from ops_console import store_desk
from ops_console.audit import audited
from ops_console.console import Console
from ops_console.desk_letters import owner_named
from ops_console.pages.base import page_router
from ops_console.pages.desk import heard
from ops_console.sessions import Session

VERDICTS = {
    "applied": "It was applied: the marketplace or shop shows it. Nothing is sent again.",
    "not_applied_resend": "It was not applied: send it again.",
    "not_applied_give_up": "It was not applied and shall not be: give it up.",
}


def router(console: Console) -> APIRouter:
    """The pages below `/desk/effects`."""
    made = page_router(console, "/desk/effects")
    viewer, operator = console.signed_in(), console.signed_in(Role.OPERATOR)

    @made.get("/{owner}/{effect_id}")
    async def effect(request: Request, owner: str, effect_id: UUID, session: Session = viewer) -> Response:
        found = await _effect(console, session, owner, effect_id)
        return await _shown(console, request, session, owner, found, reveal=False)

    @made.post("/{owner}/{effect_id}/reveal")
    async def reveal(request: Request, owner: str, effect_id: UUID, session: Session = operator) -> Response:
        found = await _effect(console, session, owner, effect_id)
        order_id = UUID(found["order_id"]) if found["order_id"] else None
        async with audited(
            console.runtime,
            session.user,
            "reveal_effect",
            f"{owner}: {found['natural_key']}",
            tenant=found["tenant"],
            order_id=order_id,
        ):
            return await _shown(console, request, session, owner, found, reveal=True)

    @made.post("/{owner}/{effect_id}/settle")
    async def settle(
        owner: str,
        effect_id: UUID,
        verdict: Annotated[Literal["applied", "not_applied_resend", "not_applied_give_up"], Form()],
        evidence: Annotated[str, Form(min_length=3, max_length=1000)],
        session: Session = operator,
    ) -> Response:
        found = await _effect(console, session, owner, effect_id)
        path = f"/v1/operations/effects/{effect_id}/settle"
        to = f"/desk/effects/{owner}/{effect_id}"
        order_id = UUID(found["order_id"]) if found["order_id"] else None
        detail = {"verdict": verdict, "evidence": evidence.strip()}
        try:
            async with audited(
                console.runtime,
                session.user,
                "settle_effect",
                f"{owner}: {found['natural_key']}",
                tenant=found["tenant"],
                order_id=order_id,
                detail=detail,
            ):
                await console.services.post(session.user, owner, path, detail)
        except Problem as problem:
            return await console.back(session, to, f"{problem.detail or problem.title}", failed=True)

        async def settled() -> bool:
            async with console.runtime.pool.acquire() as conn:
                return not await store_desk.in_doubt(conn, effect_id)  # type: ignore[arg-type]

        await heard(settled)
        return await console.back(session, "/desk", f"{found['kind']} is settled: {verdict.replace('_', ' ')}.")

    return made


async def _effect(console: Console, session: Session, owner: str, effect_id: UUID) -> dict[str, Any]:
    """An effect with its ledger, from its owner. Raises `Problem` 404, also for another tenant's."""
    path = f"/v1/operations/effects/{effect_id}"
    found: dict[str, Any] = await console.services.get(session.user, owner_named(owner), path)
    if not session.user.sees(str(found.get("tenant", ""))):
        raise Problem("effect-unknown", "No such effect", 404, f"{owner} has no effect {effect_id}.")
    return found


async def _shown(
    console: Console, request: Request, session: Session, owner: str, effect: dict[str, Any], *, reveal: bool
) -> Response:
    """The effect's page. What was sent and answered may name the buyer, so it is only shown when asked for."""
    numbers: dict[UUID, str] = {}
    if effect["order_id"]:
        async with console.runtime.pool.acquire() as conn:
            numbers = await store_desk.order_numbers(
                conn,  # type: ignore[arg-type]
                [UUID(effect["order_id"])],
                session.user.tenant_filter,
            )
    connection = console.runtime.connections.get(UUID(effect["connection_id"]))
    context = {
        "owner": owner,
        "effect": effect,
        "sent": {"request": effect["request"], "answer": effect["answer"]} if reveal else None,
        "order_number": next(iter(numbers.values()), ""),
        "connection": connection.data.label if connection else effect["connection_id"],
        "verdicts": VERDICTS,
    }
    return await console.page(request, session, "desk_effect.html", context)
