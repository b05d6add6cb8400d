"""What-if: the last days once more, through a changed acceptance, routing or carrier rule. Nothing is stored."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from hub_common.web import FieldError, Problem
from ops_console.accounts import User
from ops_console.console import Console
from ops_console.pages.base import page_router
from ops_console.pages.connection_mapping import RULE_FIELDS
from ops_console.pages.connections import REGISTRY, own_connection
from ops_console.sessions import Session
from ops_console.settings_form import BadForm, FormField, read_settings, settings_groups

KINDS = {
    "acceptance": "Acceptance policy",
    "routing": "Routing rules",
    "carriers": "Carrier rules",
}
DEFAULT_DAYS = 7
MOST_DAYS = 90
PARCELS = 2_000


def router(console: Console) -> APIRouter:
    """The page, and the same page with an answer. Viewers may ask: it changes nothing."""
    made = page_router(console, "/what-if")
    viewer = console.signed_in()

    @made.get("")
    async def ask(
        request: Request, connection: str = "", kind: str = "acceptance", session: Session = viewer
    ) -> Response:
        context = await _form(console, session.user, connection, kind, {})
        return await console.page(request, session, "what_if.html", context | {"result": None, "error": None})

    @made.post("")
    async def tried(request: Request, session: Session = viewer) -> Response:
        typed = {name: str(value) for name, value in (await request.form()).items()}
        user = session.user
        context = await _form(console, user, typed.get("connection", ""), typed.get("kind", ""), typed)
        result, error = None, None
        if context["connection"] is not None:
            try:
                result = await TRIALS[context["kind"]](console, user, context, typed)
            except BadForm as bad:
                error = Problem("invalid", "", 422, "That cannot be read.", errors=[FieldError(bad.field, str(bad))])
            except Problem as problem:
                error = problem
        return console.render(
            request,
            session,
            "what_if.html",
            context | {"result": result, "error": error},
            status=error.status if error else 200,
        )

    return made


async def _form(console: Console, user: User, connection_id: str, kind: str, typed: dict[str, str]) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    for tenant in user.tenants or (None,):
        page = await console.services.get(
            user, REGISTRY, "/v1/connections", tenant=tenant, kind="marketplace", limit=200
        )
        found += page["items"]
    chosen: dict[str, Any] | None = None
    if connection_id:
        chosen = await own_connection(console, user, _id(connection_id))
    elif found:
        chosen = found[0]
    kind = kind if kind in KINDS else "acceptance"
    days = typed.get("days", "")
    return {
        "connections": found,
        "connection": chosen,
        "kind": kind,
        "kinds": KINDS,
        "days": int(days) if days.isdigit() and 1 <= int(days) <= MOST_DAYS else DEFAULT_DAYS,
        "typed": typed,
        "fields": await _fields(console, user, chosen, typed) if chosen and kind == "acceptance" else [],
        "routing": typed.get("routing", _json(chosen["settings"]["routing"]) if chosen else "[]"),
    }


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Problem("connection-unknown", "No such connection", 404, "There is no such connection.") from None


async def _fields(console: Console, user: User, connection: dict[str, Any], typed: dict[str, str]) -> list[FormField]:
    schema = await console.services.get(user, REGISTRY, "/v1/hub-settings-schema")
    [group] = [g for g in settings_groups(schema, connection["settings"]) if g.name == "acceptance"]
    return [
        FormField(
            f.name, f.title, f.kind, typed.get(f"settings.{f.name}", f.value), f.help, f.choices, False, f.optional
        )
        for f in group.fields
    ]


async def _acceptance(console: Console, user: User, context: dict[str, Any], typed: dict[str, str]) -> dict[str, Any]:
    schema = await console.services.get(user, REGISTRY, "/v1/hub-settings-schema")
    change = read_settings(schema, context["connection"]["settings"], typed).get("acceptance", {})
    if not change:
        raise Problem("nothing-changed", "Nothing to try", 422, "Change a setting first: it is the present policy.")
    body = {"acceptance": change, "days": context["days"]}
    return await _asked(console, user, context, "order-acceptance", body)


async def _routing(console: Console, user: User, context: dict[str, Any], typed: dict[str, str]) -> dict[str, Any]:
    try:
        rules = orjson.loads(typed.get("routing", "[]") or "[]")
    except orjson.JSONDecodeError as error:
        raise BadForm("routing", f"is not JSON: {error}") from None
    return await _asked(console, user, context, "order-router", {"routing": rules, "days": context["days"]})


async def _asked(
    console: Console, user: User, context: dict[str, Any], service: str, body: dict[str, Any]
) -> dict[str, Any]:
    path = f"/v1/connections/{context['connection']['connection_id']}/what-if"
    found: dict[str, Any] = await console.services.post(user, service, path, body)
    return found | {"noun": "orders"}


async def _carriers(console: Console, user: User, context: dict[str, Any], typed: dict[str, str]) -> dict[str, Any]:
    path = f"/v1/connections/{context['connection']['connection_id']}/carrier-rules"
    present = await console.services.get(user, "carrier-mapper", path)
    kept = [{k: v for k, v in r.items() if k in (*RULE_FIELDS, "enabled", "id")} for r in present["items"]]
    rule: dict[str, Any] = {n: typed[f"rule.{n}"].strip() for n in RULE_FIELDS if typed.get(f"rule.{n}", "").strip()}
    priority = str(rule.get("priority", ""))
    rule["priority"] = int(priority) if priority.isdigit() else -1
    body = {"rules": [*kept, rule], "parcels": PARCELS}
    found = await console.services.post(user, "carrier-mapper", f"{path}/dry-run", body)
    return {
        "noun": "parcels",
        "orders": found["parcels"],
        "changed": found["changed"],
        "cut": False,
        "transitions": [
            {"from": each["from"], "to": each["to"], "orders": each["parcels"]} for each in found["transitions"]
        ],
        "changes": [
            {
                "order_id": each["order_id"],
                "order_number": each["parcel_id"][:8],
                "before": _carrier(each["before"]),
                "after": _carrier(each["after"]),
            }
            for each in found["changes"]
        ],
    }


def _carrier(decision: dict[str, Any]) -> str:
    name = decision.get("carrier_name") or decision.get("carrier_code")
    return str(name or f"waits: {decision.get('cause') or decision['outcome']}")


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


TRIALS = {"acceptance": _acceptance, "routing": _routing, "carriers": _carriers}
