"""Putting a delivery address right. The buyer's data is fetched when somebody asks to see it, which is written down,
and is kept neither here nor in the browser's history: it is shown by a POST only.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from hub_common.web import Problem, Role
from ops_console.audit import audited
from ops_console.console import Console
from ops_console.pages.base import page_router
from ops_console.pages.orders_actions import refusal
from ops_console.pages.orders_story import order_of
from ops_console.sessions import Session

FIELDS = (
    ("first_name", "First name"),
    ("last_name", "Last name"),
    ("company", "Company"),
    ("street_1", "Street"),
    ("street_2", "Street, second line"),
    ("street_3", "Street, third line"),
    ("postal_code", "Postal code"),
    ("city", "City"),
    ("region", "Region"),
    ("country_code", "Country (two letters)"),
    ("phone", "Phone"),
    ("email", "E-mail"),
    ("instructions", "Instructions"),
)
ADVICE = {
    "created": "The shop already has the order with the former address: tell it there as well.",
    "rejected": "The shop had refused the order: send it again now.",
    "blocked": "The order waits for something else.",
}


def router(console: Console) -> APIRouter:
    """Showing and correcting the address of one order."""
    made = page_router(console, "/orders/{order_id}/address")
    operator = console.signed_in(Role.OPERATOR)

    @made.post("")
    async def show(request: Request, order_id: UUID, session: Session = operator) -> Response:
        order = await order_of(console, session, order_id)
        async with audited(
            console.runtime,
            session.user,
            "buyer_revealed",
            order["order_number"],
            tenant=order["tenant"],
            order_id=order_id,
        ):
            buyer = await console.services.get(session.user, "shop-gateway", f"/v1/orders/{order_id}/customer")
        return await _form(console, request, session, order, buyer, _present(buyer), "")

    @made.post("/correct")
    async def correct(
        request: Request,
        order_id: UUID,
        reason: Annotated[str, Form(min_length=3, max_length=500)],
        session: Session = operator,
    ) -> Response:
        order, form = await order_of(console, session, order_id), await request.form()
        user, services = session.user, console.services
        buyer = await services.get(user, "shop-gateway", f"/v1/orders/{order_id}/customer")
        given = {name: str(form.get(name, "")).strip() for name, _ in FIELDS}
        changed = {name: given[name] or None for name, old in _present(buyer).items() if given[name] != old}
        if not changed:
            return await _form(console, request, session, order, buyer, given, "Nothing is otherwise than it was.")
        kept = {**_corrected(buyer), **changed}
        try:
            async with audited(
                console.runtime,
                user,
                "address_correct",
                order["order_number"],
                tenant=order["tenant"],
                order_id=order_id,
                # The reason tends to repeat the address: it is kept with the correction, where erasure reaches it.
                detail={"fields": sorted(changed)},
            ):
                path = f"/v1/orders/{order_id}/customer-correction"
                answer = await services.post(user, "shop-gateway", path, {"shipping": kept, "reason": reason})
        except Problem as problem:
            return await _form(console, request, session, order, buyer, given, refusal(problem))
        return await console.back(session, f"/orders/{order_id}", _outcome(answer))

    return made


def _corrected(buyer: dict[str, Any]) -> dict[str, Any]:
    """What the correction in force says."""
    current = next((each for each in buyer["corrections"] if not each["superseded"]), None)
    return dict(current["shipping"] or {}) if current else {}


def _present(buyer: dict[str, Any]) -> dict[str, str]:
    """The address as shops get it now."""
    original = (buyer["original"] or {}).get("shipping") or {}
    address = {**original, **_corrected(buyer)}
    return {name: str(address.get(name) or "") for name, _ in FIELDS}


def _outcome(answer: dict[str, Any]) -> str:
    states = {route["state"] for route in answer["routes"]}
    advice = " ".join(words for state, words in ADVICE.items() if state in states)
    return f"Address corrected ({len(answer['fields'])} fields). " + (advice or "The shop gets it with the order.")


async def _form(
    console: Console,
    request: Request,
    session: Session,
    order: dict[str, Any],
    buyer: dict[str, Any],
    values: dict[str, str],
    error: str,
) -> Response:
    original = (buyer["original"] or {}).get("shipping") or {}
    context = {"order": order, "buyer": buyer, "fields": FIELDS, "values": values, "original": original, "error": error}
    return console.render(request, session, "order_address.html", context, status=422 if error else 200)
