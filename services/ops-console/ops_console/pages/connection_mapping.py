"""SKU links and carrier rules of a connection: change them, and try a rule on past parcels before it counts."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, UploadFile
from starlette.requests import Request
from starlette.responses import Response

from hub_common.web import Problem, Role
from ops_console.console import Console
from ops_console.pages.base import page_router
from ops_console.pages.connections import LOADERS, REGISTRY, noted, own_connection, tabs_of
from ops_console.sessions import Session

MAPPER = "carrier-mapper"
RULE_FIELDS = (
    "kind", "priority", "carrier_code", "carrier_name", "shop_carrier", "pattern", "destination_country",
    "strip_marker", "tracking_url_template",
)  # fmt: skip
RULE_KINDS = ("explicit", "pattern")
MAX_FILE = 1_000_000
"""The services take bodies of 1 MiB at most."""


def router(console: Console) -> APIRouter:
    """Routes below `/connections/{connection_id}`."""
    made = page_router(console, "/connections/{connection_id}")
    _links(made, console)
    _rules(made, console)
    return made


def _links(made: APIRouter, console: Console) -> None:
    admin = console.signed_in(Role.ADMIN)

    @made.post("/links")
    async def link(
        connection_id: UUID,
        offer_sku: Annotated[str, Form(min_length=1, max_length=255)],
        shop_connection_id: Annotated[UUID, Form()],
        shop_sku: Annotated[str, Form(min_length=1, max_length=255)],
        session: Session = admin,
    ) -> Response:
        each = {"offer_sku": offer_sku, "shop_connection_id": str(shop_connection_id), "shop_sku": shop_sku}
        call = ("PUT", f"/v1/connections/{connection_id}/sku-links", {"links": [each]})
        words = f"{offer_sku} is served by {shop_sku}. What waited for it goes on by itself."
        return await _registry(console, session, connection_id, "link_sku", call, words, each)

    @made.post("/links/remove")
    async def unlink(
        connection_id: UUID, offer_sku: Annotated[str, Form(min_length=1, max_length=255)], session: Session = admin
    ) -> Response:
        connection = await own_connection(console, session.user, connection_id)
        async with noted(console, session, "unlink_sku", connection, offer_sku=offer_sku):
            await console.services.call(
                session.user,
                "DELETE",
                REGISTRY,
                f"/v1/connections/{connection_id}/sku-links",
                params={"offer_sku": offer_sku},
            )
        return await console.back(
            session, f"/connections/{connection_id}/links", f"{offer_sku} is not linked any more."
        )

    @made.post("/links/import")
    async def import_links(
        request: Request,
        connection_id: UUID,
        file: UploadFile,
        mode: Annotated[str, Form()] = "try",
        replace: Annotated[bool, Form()] = False,
        session: Session = admin,
    ) -> Response:
        connection = await own_connection(console, session.user, connection_id)
        content = await file.read(MAX_FILE + 1)
        back = f"/connections/{connection_id}/links"
        if len(content) > MAX_FILE:
            return await console.back(session, back, "The file is larger than 1 MB: split it.", failed=True)
        try:
            async with noted(console, session, "import_links", connection, mode=mode, bytes=len(content)):
                told = await console.services.call(
                    session.user,
                    "POST",
                    REGISTRY,
                    f"/v1/connections/{connection_id}/sku-links/import",
                    params={"dry_run": mode != "save", "replace": replace},
                    content=content,
                    content_type="text/csv",
                )
        except Problem as problem:
            rows = "; ".join(f"{error.pointer}: {error.detail}" for error in problem.errors[:10])
            return await console.back(session, back, f"{problem.detail} {rows}", failed=True)
        if told["dry_run"]:
            return await console.back(session, back, f"The file is sound: {told['links']} links. Nothing was changed.")
        return await console.back(session, back, f"{told['links']} links are set.")


async def _registry(
    console: Console,
    session: Session,
    connection_id: UUID,
    action: str,
    call: tuple[str, str, Any],
    words: str,
    detail: dict[str, Any],
) -> Response:
    connection = await own_connection(console, session.user, connection_id)
    back = f"/connections/{connection_id}/links"
    try:
        async with noted(console, session, action, connection, **detail):
            await console.services.call(session.user, call[0], REGISTRY, call[1], body=call[2])
    except Problem as problem:
        rules = "; ".join(error.detail for error in problem.errors[:5])
        return await console.back(session, back, f"{problem.detail} {rules}", failed=True)
    return await console.back(session, back, words)


def _rules(made: APIRouter, console: Console) -> None:
    acts = console.signed_in(Role.OPERATOR)

    @made.post("/carriers/rules")
    async def add(request: Request, connection_id: UUID, session: Session = acts) -> Response:
        connection = await own_connection(console, session.user, connection_id)
        typed = {name: str(value).strip() for name, value in (await request.form()).items()}
        rule = {name: typed[name] for name in RULE_FIELDS if typed.get(name)}
        rule["priority"] = int(rule["priority"]) if rule.get("priority", "").isdigit() else -1  # type: ignore[assignment]
        path = f"/v1/connections/{connection_id}/carrier-rules"
        back = f"/connections/{connection_id}/carriers"
        try:
            if typed.get("mode") == "try":
                return await _try(console, request, session, connection, rule)
            async with noted(console, session, "add_carrier_rule", connection, **rule):
                told = await console.services.post(session.user, MAPPER, path, rule)
        except Problem as problem:
            rules = "; ".join(f"{e.pointer.removeprefix('#/')}: {e.detail}" for e in problem.errors[:5])
            return await console.back(session, back, f"{problem.detail} {rules}", failed=True)
        return await console.back(
            session, back, f"The rule counts. {told['decided_again']} waiting parcels looked at again."
        )

    @made.post("/carriers/rules/{rule_id}/remove")
    async def remove(connection_id: UUID, rule_id: str, session: Session = acts) -> Response:
        connection = await own_connection(console, session.user, connection_id)
        async with noted(console, session, "remove_carrier_rule", connection, rule_id=rule_id):
            await console.services.call(
                session.user, "DELETE", MAPPER, f"/v1/connections/{connection_id}/carrier-rules/{rule_id}"
            )
        return await console.back(session, f"/connections/{connection_id}/carriers", "The rule is gone.")

    @made.post("/carriers/refresh")
    async def refresh(connection_id: UUID, session: Session = acts) -> Response:
        connection = await own_connection(console, session.user, connection_id)
        back = f"/connections/{connection_id}/carriers"
        try:
            async with noted(console, session, "fetch_carriers", connection):
                await console.services.post(session.user, MAPPER, f"/v1/connections/{connection_id}/carriers/refresh")
        except Problem as problem:
            return await console.back(session, back, problem.detail, failed=True)
        return await console.back(session, back, "The marketplace's carriers are fetched within seconds.")


async def _try(
    console: Console, request: Request, session: Session, connection: dict[str, Any], rule: dict[str, Any]
) -> Response:
    """What the rule would have done to the last parcels; nothing is stored or told."""
    context = await LOADERS["carriers"](console, session.user, connection, {})
    kept = [{k: v for k, v in each.items() if k in (*RULE_FIELDS, "enabled", "id")} for each in context["rules"]]
    path = f"/v1/connections/{connection['connection_id']}/carrier-rules/dry-run"
    trial = await console.services.post(session.user, MAPPER, path, {"rules": [*kept, rule], "parcels": 500})
    shown = {"connection": connection, "tab": "carriers", "tabs": tabs_of(connection), "typed": rule}
    return console.render(request, session, "connection_carriers.html", context | shown | {"trial": trial})
