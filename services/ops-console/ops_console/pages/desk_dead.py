"""Desk: dead letters. Nothing is sent before its dry run was seen, nothing is lost when it is edited."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query
from pydantic import AwareDatetime
from starlette.requests import Request
from starlette.responses import Response

from hub_common.web import Problem, Role
from ops_console import desk_letters
from ops_console.audit import audited
from ops_console.console import Console
from ops_console.desk_causes import known
from ops_console.desk_letters import BASE, Group, owner_named
from ops_console.pages.base import page_router
from ops_console.pages.desk import Reason, in_steps
from ops_console.sessions import Session
from ops_console.topic_view import schema_rows, schema_words

Word = Annotated[str, Query(max_length=500)]
Field = Annotated[str, Form(max_length=500)]
Ids = Annotated[list[UUID] | None, Form(max_length=1000)]
Value = Annotated[str, Form(max_length=900_000)]


def group_asked(service: Word, cause: Word, topic: Word, group: Word) -> Group:
    """The group that an address names."""
    return Group(owner_named(service), cause, topic, group)


def group_posted(service: Field, cause: Field, topic: Field, group: Field) -> Group:
    """The group that a form names."""
    return Group(owner_named(service), cause, topic, group)


Asked = Annotated[Group, Depends(group_asked)]
Posted = Annotated[Group, Depends(group_posted)]


def router(console: Console) -> APIRouter:
    """The pages below `/desk/letters`."""
    made = page_router(console, "/desk/letters")
    viewer = console.signed_in()
    _lists(console, made, viewer)
    _bulk(console, made)
    _one(console, made)
    return made


def address(group: Group) -> str:
    """Where a group is shown."""
    return "/desk/letters?" + urlencode(group.query)


def _lists(console: Console, made: APIRouter, viewer: Any) -> None:
    @made.get("")
    async def letters(
        request: Request, group: Asked, before: Annotated[UUID | None, Query()] = None, session: Session = viewer
    ) -> Response:
        shown = desk_letters.SHOWN
        start = str(before) if before else None
        found = await desk_letters.page_of(
            console.services, session.user, group, before=start, until=None, limit=shown + 1
        )
        context = {
            "group": group,
            "known": known(group.cause),
            "letters": found[:shown],
            "more": len(found) > shown,
            "address": address(group),
            "type_of": desk_letters.type_of,
        }
        return await console.page(request, session, "desk_letters.html", context)


def _bulk(console: Console, made: APIRouter) -> None:
    operator = console.signed_in(Role.OPERATOR)

    @made.post("/try")
    async def dry_run(
        request: Request,
        group: Posted,
        letter_id: Ids = None,
        everything: Annotated[bool, Form()] = False,
        session: Session = operator,
    ) -> Response:
        ids = [] if everything else letter_id or []
        if not ids and not everything:
            return await console.back(session, address(group), "Choose dead letters, or all of the group.", failed=True)
        plan = await desk_letters.plan_of(console.services, session.user, group, ids)
        context = {
            "group": group,
            "plan": plan,
            "ids": ids,
            "address": address(group),
            "type_of": desk_letters.type_of,
        }
        return await console.page(request, session, "desk_dry_run.html", context)

    @made.post("/redrive")
    async def redrive(
        request: Request,
        group: Posted,
        until: Annotated[AwareDatetime, Form()],
        letter_id: Ids = None,
        everything: Annotated[bool, Form()] = False,
        after: Annotated[UUID | None, Form()] = None,
        session: Session = operator,
    ) -> Response:
        ids = [] if everything else letter_id or []
        if not ids and not everything:
            return await console.back(session, address(group), "Choose dead letters, or all of the group.", failed=True)
        return await _steps(console, request, session, group, ids, until.isoformat(), after, None)

    @made.post("/discard")
    async def discard(
        request: Request,
        group: Posted,
        reason: Reason,
        letter_id: Ids = None,
        everything: Annotated[bool, Form()] = False,
        session: Session = operator,
    ) -> Response:
        ids = [] if everything else letter_id or []
        if not ids and not everything:
            return await console.back(session, address(group), "Choose dead letters, or all of the group.", failed=True)
        until = await desk_letters.newest(console.services, session.user, group)
        return await _steps(console, request, session, group, ids, until, None, reason.strip())


async def _steps(
    console: Console,
    request: Request,
    session: Session,
    group: Group,
    ids: list[UUID],
    until: str | None,
    after: UUID | None,
    reason: str | None,
) -> Response:
    user, action = session.user, "redrive_dead_letters" if reason is None else "discard_dead_letters"
    tenant = user.tenants[0] if user.tenants is not None and len(user.tenants) == 1 else ""

    async def one(at: Any) -> tuple[int, Any]:
        detail = {"topic": group.topic, "cause": group.cause, "ids": ids[:20], "until": until, "reason": reason or ""}
        target = f"{group.service}: {group.topic}"
        async with audited(console.runtime, user, action, target, tenant=tenant, detail=detail):
            came = await desk_letters.step(
                console.services, user, group, ids, until=until, before=str(at) if at else None, reason=reason
            )
        return len(came.done), came.before

    verb = "sent back through the inbox" if reason is None else "discarded"
    return await in_steps(console, request, session, one, after, "/desk", verb)


def _one(console: Console, made: APIRouter) -> None:
    operator = console.signed_in(Role.OPERATOR)

    @made.get("/{service}/{letter_id}")
    async def letter(request: Request, service: str, letter_id: UUID, session: Session = operator) -> Response:
        found = await desk_letters.letter_of(console.services, session.user, service, letter_id)
        return await _shown(console, request, session, service, found, reveal=False)

    @made.post("/{service}/{letter_id}/reveal")
    async def reveal(request: Request, service: str, letter_id: UUID, session: Session = operator) -> Response:
        found = await desk_letters.letter_of(console.services, session.user, service, letter_id)
        tenant = str(found["headers"].get("tenant", ""))
        async with audited(
            console.runtime, session.user, "reveal_dead_letter", f"{service}: {letter_id}", tenant=tenant
        ):
            return await _shown(console, request, session, service, found, reveal=True)

    @made.post("/{service}/{letter_id}/edit")
    async def edit(
        request: Request,
        service: str,
        letter_id: UUID,
        value: Value,
        reason: Reason,
        send: Annotated[bool, Form()] = False,
        session: Session = operator,
    ) -> Response:
        user = session.user
        found = await desk_letters.letter_of(console.services, user, service, letter_id)
        tenant = str(found["headers"].get("tenant", ""))
        body = {"value": value, "reason": reason.strip(), "dry_run": not send, "tenants": user.tenant_filter}
        path = f"{BASE}/{letter_id}/edit"
        try:
            if not send:
                await console.services.post(user, service, path, body)
                return await _shown(console, request, session, service, found, edited=value, reason=reason, fits=True)
            paths = [one.path for one in desk_letters.changes(found["value"], value)][:50]
            detail = {"reason": reason, "changed": paths}
            target = f"{service}: {letter_id}"
            async with audited(console.runtime, user, "edit_dead_letter", target, tenant=tenant, detail=detail):
                answer = await console.services.post(user, service, path, body)
        except (Problem, ValueError) as error:
            refused = _refusal(error)
            return await _shown(console, request, session, service, found, edited=value, reason=reason, refused=refused)
        words = "The corrected copy is on its way; the original is kept. If it fails again, it comes back to the desk."
        return await console.back(session, f"/desk/letters/{service}/{answer['copy_id']}", words)


def _refusal(error: Problem | ValueError) -> Problem:
    """What the form says again. Raises the problem when it is none of the copy's."""
    if not isinstance(error, Problem):
        return Problem("edit-refused", "The copy may not be sent", 422, "The value is no JSON.")
    if error.status not in (409, 422):
        raise error
    return error


async def _shown(
    console: Console,
    request: Request,
    session: Session,
    service: str,
    letter: dict[str, Any],
    *,
    reveal: bool = False,
    edited: str | None = None,
    reason: str = "",
    fits: bool = False,
    refused: Problem | None = None,
) -> Response:
    """A letter's page. Personal data only with `reveal`; a person's own text is shown back as it came."""
    personal = desk_letters.is_personal(letter)
    open_ = reveal or not personal
    kind = desk_letters.type_of(letter)
    context = {
        "service": service,
        "letter": letter,
        "known": known(letter["cause"]),
        "kind": kind,
        "personal": personal,
        "value": letter["value"] if open_ else None,
        "shown": open_,
        "form": edited if edited is not None else (_indented(letter["value"]) if open_ else None),
        "reason": reason,
        "fits": fits,
        "refused": refused,
        "changes": _changes(letter, edited, open_),
        "topic": desk_letters.topic_of(letter),
        "copy": desk_letters.copy_of(letter),
        "fields": schema_rows(kind),
        "words_of_type": schema_words(kind),
    }
    return await console.page(request, session, "desk_letter.html", context)


def _changes(letter: dict[str, Any], edited: str | None, open_: bool) -> list[desk_letters.Change]:
    """Where the edit differs. Of personal data the places only: what stood there was not asked to be revealed."""
    if edited is None:
        return []
    try:
        found = desk_letters.changes(letter["value"], edited)
    except ValueError:
        return []
    return found if open_ else [desk_letters.Change(one.path, "•••", "•••") for one in found]


def _indented(value: str | None) -> str:
    return desk_letters.indented(value) if value is not None else ""
