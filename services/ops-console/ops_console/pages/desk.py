"""Desk: everything that waits for a person, grouped by cause, with what it means and what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Form, Query
from pydantic import AwareDatetime
from starlette.requests import Request
from starlette.responses import Response

from hub_common.web import Problem, Role
from ops_console import store_desk
from ops_console.audit import audited
from ops_console.console import PAGE_HEADERS, Console
from ops_console.desk_causes import known
from ops_console.desk_letters import BASE, OWNERS, owner_named, tenants_of
from ops_console.pages.base import page_router, wants_page
from ops_console.sessions import Session, set_flash

CHUNK = 200
"""Parked items closed per call; the owner tells an event for each."""
STEPS = 25
"""Calls that one request makes at most for a browser without scripts: 5,000 items. Scripts ask step by step."""
HEARD_SECONDS, HEARD_STEP = 3.0, 0.05
"""How long a page waits until the console has heard what it just did; usually a tenth of a second."""
Reason = Annotated[str, Form(min_length=3, max_length=500)]


def router(console: Console) -> APIRouter:
    """The pages below `/desk` about parked work, and the overview."""
    made = page_router(console, "/desk")
    viewer, operator = console.signed_in(), console.signed_in(Role.OPERATOR)
    runtime = console.runtime

    @made.get("")
    async def desk(request: Request, session: Session = viewer) -> Response:
        return await console.page(request, session, "desk.html", await _overview(console, session))

    @made.get("/parked")
    async def parked(
        request: Request,
        owner: Annotated[str, Query(max_length=100)],
        cause: Annotated[str, Query(max_length=100)],
        skip: Annotated[int, Query(ge=0, le=100_000)] = 0,
        session: Session = viewer,
    ) -> Response:
        async with runtime.pool.acquire() as conn:
            items = await store_desk.parked_items(conn, owner, cause, session.user.tenant_filter, skip)  # type: ignore[arg-type]
        context = {
            "owner": owner,
            "cause": cause,
            "known": known(cause),
            "items": items[: store_desk.PAGE],
            "more": len(items) > store_desk.PAGE,
            "skip": skip,
            "until": runtime.clock.now(),
        }
        return await console.page(request, session, "desk_parked.html", context)

    @made.post("/parked/close")
    async def close(
        request: Request,
        owner: Annotated[str, Form(max_length=100)],
        cause: Annotated[str, Form(max_length=100)],
        reason: Reason,
        until: Annotated[AwareDatetime, Form()],
        parked_id: Annotated[list[UUID] | None, Form(max_length=1000)] = None,
        everything: Annotated[bool, Form()] = False,
        after: Annotated[UUID | None, Form()] = None,
        session: Session = operator,
    ) -> Response:
        chosen = None if everything else parked_id or []
        if chosen == []:
            return await console.back(session, _group(owner, cause), "Choose what to close.", failed=True)

        async def one(at: UUID | None) -> tuple[int, UUID | None]:
            return await _close(console, session, owner, cause, chosen, reason.strip(), until, at)

        back = _group(owner, cause)
        return await in_steps(console, request, session, one, after, back, "closed")

    return made


Stepped = Callable[[Any], Awaitable[tuple[int, Any]]]


async def in_steps(
    console: Console, request: Request, session: Session, step: Stepped, after: Any, back: str, verb: str
) -> Response:
    """A bulk action: one step for a script that shows how far it is, all of them for a browser without."""
    if not wants_page(request):
        told = str((await request.form()).get("sofar", "0"))
        done, following = await step(after)
        total = done + (int(told) if told.isdigit() else 0)
        if following is None:
            await flash(console, session, f"{total} {verb}.")
        where = "/desk" if total > 1 else back
        body = {"done": done, "after": None if following is None else str(following), "back": where}
        return Response(orjson.dumps(body), 200, PAGE_HEADERS, "application/json")
    total = 0
    for _ in range(STEPS):
        done, after = await step(after)
        total += done
        if after is None:
            return await console.back(session, "/desk" if total > 1 else back, f"{total} {verb}.")
    return await console.back(session, back, f"{total} {verb}. More are left: do it again to go on.")


async def flash(console: Console, session: Session, words: str) -> None:
    """Say something at the top of the next page."""
    async with console.runtime.pool.acquire() as conn:
        await set_flash(conn, session.key, ("done", words))  # type: ignore[arg-type]


async def heard(check: Callable[[], Awaitable[bool]]) -> bool:
    """Wait a moment until the console's own copy shows what was done, so that the next page is not the old one."""
    for _ in range(round(HEARD_SECONDS / HEARD_STEP)):
        if await check():
            return True
        await asyncio.sleep(HEARD_STEP)
    return False


async def _overview(console: Console, session: Session) -> dict[str, Any]:
    now, user = console.runtime.clock.now(), session.user
    asked = asyncio.gather(
        console.services.look(user, OWNERS, f"{BASE}/causes", tenants=tenants_of(user)),
        console.services.look(user, OWNERS, "/v1/operations/retries", tenants=tenants_of(user), limit=1000),
    )
    async with console.runtime.pool.acquire() as conn:
        groups = await store_desk.parked_groups(conn, user.tenant_filter, now)  # type: ignore[arg-type]
        doubts = await store_desk.doubts(conn, user.tenant_filter)  # type: ignore[arg-type]
    letters, retries = await asked
    found = [one | {"service": told.service} for told in letters for one in (told.data or {}).get("items", ())]
    return {
        "groups": groups,
        "known": known,
        "doubts": doubts,
        "letters": sorted(found, key=lambda one: (str(one["first"]), one["service"])),
        "retries": _retry_groups([(told.service, told.data) for told in retries if told.data]),
        "away": {told.service: told.error for told in (*letters, *retries) if told.error},
        "totals": {
            "parked": sum(one["count"] - one["tests"] for one in groups),
            "late": sum(one["late"] for one in groups),
            "letters": sum(one["count"] for one in found),
            "doubts": sum(one["needs_operator"] for one in doubts),
        },
    }


def _retry_groups(told: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    """Events that are being tried, by service, topic and error; those that only wait behind another are counted."""
    groups: dict[tuple[str, str, str], dict[str, Any]] = {}
    for service, answer in told:
        for one in answer["items"]:
            error = str(one["error"]).partition("\n")[0]
            key = (service, one["topic"], error)
            group = groups.setdefault(
                key,
                {
                    "service": service,
                    "topic": one["topic"],
                    "error": error,
                    "count": 0,
                    "attempts": 0,
                    "oldest": one["first_failed_at"],
                    "next_at": one["next_at"],
                },
            )
            group["count"] += 1
            group["attempts"] = max(group["attempts"], one["attempts"])
            group["oldest"] = min(group["oldest"], one["first_failed_at"])
            group["next_at"] = min(group["next_at"], one["next_at"])
    return sorted(groups.values(), key=lambda one: str(one["oldest"]))


async def _close(
    console: Console,
    session: Session,
    owner: str,
    cause: str,
    ids: list[UUID] | None,
    reason: str,
    until: datetime,
    after: UUID | None,
) -> tuple[int, UUID | None]:
    """Close the next items; returns how many, and where to go on."""
    user, runtime = session.user, console.runtime
    async with runtime.pool.acquire() as conn:
        items = await store_desk.waiting(
            conn,  # type: ignore[arg-type]
            owner_named(owner),
            cause,
            ids=ids,
            tenants=user.tenant_filter,
            until=until,
            after=after,
            limit=CHUNK,
        )
    if not items:
        if ids is not None and after is None:
            raise Problem("parked-unknown", "Nothing is parked there", 404, "It was closed meanwhile, or never there.")
        return 0, None
    mine = [item["parked_id"] for item in items]
    tenants = {item["tenant"] for item in items}
    detail = {"reason": reason, "count": len(mine), "parked_ids": mine[:20]}
    tenant = tenants.pop() if len(tenants) == 1 else ""
    async with audited(runtime, user, "close_parked", f"{owner}: {cause}", tenant=tenant, detail=detail):
        answer = await console.services.post(
            user, owner, "/v1/operations/parked/close", {"ids": mine, "resolution": reason}
        )

    async def gone() -> bool:
        async with runtime.pool.acquire() as conn:
            return not await store_desk.still_waiting(conn, [UUID(str(one)) for one in answer["closed"]])  # type: ignore[arg-type]

    await heard(gone)
    return len(answer["closed"]), mine[-1] if len(mine) == CHUNK else None


def _group(owner: str, cause: str) -> str:
    return f"/desk/parked?owner={owner}&cause={cause}"
