"""What people do to connections. Each change is checked by connection-registry or carrier-mapper, never here."""

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
from ops_console.pages.connections import REGISTRY, noted, own_connection, tabs_of
from ops_console.sessions import Session
from ops_console.settings_form import (
    BadForm,
    errors_by_field,
    manifest_fields,
    read_manifest_fields,
    read_settings,
)

STEPS = {"activate": "active", "pause": "paused", "resume": "active", "deactivate": "inactive"}


def router(console: Console) -> APIRouter:
    """Routes below `/connections` that change something."""
    made = page_router(console, "/connections")
    _creating(made, console)
    _steps(made, console)
    _settings(made, console)
    _access(made, console)
    _requests(made, console)
    return made


def _creating(made: APIRouter, console: Console) -> None:
    admin = console.signed_in(Role.ADMIN)

    async def form(
        request: Request, session: Session, chosen: str, error: Problem | None, typed: dict[str, str]
    ) -> Response:
        found = await console.services.get(session.user, REGISTRY, "/v1/connectors")
        manifest = next((item for item in found["items"] if item["name"] == chosen), None)
        context = {
            "connectors": found["items"],
            "manifest": manifest,
            "typed": typed,
            "error": error,
            "own_fields": manifest_fields(manifest["settings_fields"], {}, "own.") if manifest else [],
            "secret_fields": manifest_fields(manifest["auth_fields"], {}, "secret.") if manifest else [],
        }
        return console.render(request, session, "connection_new.html", context, status=error.status if error else 200)

    @made.get("/new")
    async def new(request: Request, connector: str = "", session: Session = admin) -> Response:
        return await form(request, session, connector, None, {})

    @made.post("/new")
    async def create(request: Request, session: Session = admin) -> Response:
        typed = {name: str(value) for name, value in (await request.form()).items()}
        user, name = session.user, typed.get("connector", "")
        tenant = typed.get("tenant", "").strip()
        if not user.sees(tenant):
            raise Problem("tenant-foreign", "Not allowed", 403, "You may only add connections for your own tenants.")
        manifest = await console.services.get(user, REGISTRY, f"/v1/connectors/{name}")
        body: dict[str, Any] = {
            "tenant": tenant,
            "connector": name,
            "label": typed.get("label", "").strip(),
            "environment": typed.get("environment", ""),
            "connector_settings": read_manifest_fields(manifest["settings_fields"], typed, "own.", whole=True),
            "credentials": read_manifest_fields(manifest["auth_fields"], typed, "secret.", whole=True),
        }
        if typed.get("base_url", "").strip():
            body["base_url"] = typed["base_url"].strip()
        try:
            async with audited(console.runtime, user, "create_connection", body["label"], tenant=tenant):
                created = await console.services.post(user, REGISTRY, "/v1/connections", body)
        except Problem as problem:
            kept = {key: value for key, value in typed.items() if not key.startswith("secret.")}
            return await form(request, session, name, problem, kept)
        words = "Created, inactive. The checklist says what is missing."
        return await console.back(session, f"/connections/{created['connection_id']}", words)


def _steps(made: APIRouter, console: Console) -> None:
    admin = console.signed_in(Role.ADMIN)

    @made.post("/{connection_id}/step/{step}")
    async def take(connection_id: UUID, step: str, session: Session = admin) -> Response:
        if step not in STEPS:
            raise Problem("step-unknown", "No such step", 404, f"Possible are {', '.join(STEPS)}.")
        path = f"/v1/connections/{connection_id}/{step}"
        return await _act(console, session, connection_id, step, path, f"It is {STEPS[step]} now.")

    @made.post("/{connection_id}/verify")
    async def verify(connection_id: UUID, session: Session = admin) -> Response:
        connection = await own_connection(console, session.user, connection_id)
        back = f"/connections/{connection_id}"
        try:
            async with noted(console, session, "verify", connection):
                told = await console.services.post(session.user, REGISTRY, f"/v1/connections/{connection_id}/verify")
        except Problem as problem:
            return await console.back(session, back, _words(problem), failed=True)
        if told["ok"]:
            return await console.back(session, back, "The outside answered: the credentials work.")
        return await console.back(session, back, f"It does not work yet: {told['detail']}", failed=True)


def _settings(made: APIRouter, console: Console) -> None:
    admin = console.signed_in(Role.ADMIN)

    @made.post("/{connection_id}/settings")
    async def change(request: Request, connection_id: UUID, session: Session = admin) -> Response:
        user = session.user
        connection = await own_connection(console, user, connection_id)
        back = f"/connections/{connection_id}/settings"
        typed = {name: str(value) for name, value in (await request.form()).items()}
        manifest = await console.services.get(user, REGISTRY, f"/v1/connectors/{connection['connector']}")
        schema = await console.services.get(user, REGISTRY, "/v1/hub-settings-schema")
        try:
            settings = read_settings(schema, connection["settings"], typed)
        except BadForm as error:
            return await console.back(session, back, f"{error.field}: {error}", failed=True)
        own = read_manifest_fields(manifest["settings_fields"], typed, "own.")
        present = connection["connector_settings"]
        own = {k: v for k, v in own.items() if str(present.get(k, "") or "") != str(v or "")}
        body: dict[str, Any] = {"expected_version": int(typed.get("version", connection["version"]))}
        body |= {"settings": settings} if settings else {}
        body |= {"connector_settings": own} if own else {}
        for name in ("label", "base_url", "note"):
            if name in typed and typed[name].strip() != str(connection.get(name) or ""):
                body[name] = typed[name].strip() or (None if name == "base_url" else "")
        if len(body) == 1:
            return await console.back(session, back, "Nothing was changed.")
        try:
            async with noted(console, session, "change_settings", connection, changed=sorted(_names(body))):
                await console.services.call(user, "PATCH", REGISTRY, f"/v1/connections/{connection_id}", body=body)
        except Problem as problem:
            return await console.back(session, back, _words(problem), failed=True)
        return await console.back(session, back, f"Saved: {', '.join(sorted(_names(body)))}.")


def _access(made: APIRouter, console: Console) -> None:
    admin = console.signed_in(Role.ADMIN)

    @made.post("/{connection_id}/credentials")
    async def credentials(request: Request, connection_id: UUID, session: Session = admin) -> Response:
        user = session.user
        connection = await own_connection(console, user, connection_id)
        typed = {name: str(value) for name, value in (await request.form()).items()}
        manifest = await console.services.get(user, REGISTRY, f"/v1/connectors/{connection['connector']}")
        given = read_manifest_fields(manifest["auth_fields"], typed, "secret.", whole=True)
        back = f"/connections/{connection_id}/access"
        body = {"credentials": given, "all_sharing": typed.get("all_sharing") == "on"}
        try:
            async with noted(console, session, "replace_credentials", connection, fields=sorted(given)):
                await console.services.call(
                    user, "PUT", REGISTRY, f"/v1/connections/{connection_id}/credentials", body=body
                )
        except Problem as problem:
            return await console.back(session, back, _words(problem), failed=True)
        return await console.back(session, back, "Replaced. Nobody can read them here; verify that they work.")

    @made.post("/{connection_id}/budgets")
    async def budgets(request: Request, connection_id: UUID, session: Session = admin) -> Response:
        typed = {name: str(value) for name, value in (await request.form()).items()}
        connection = await own_connection(console, session.user, connection_id)
        asked: dict[str, int | None] = {}
        for name, calls in connection["budgets"].items():
            text = typed.get(f"budget.{name}", str(calls)).strip()
            if text != str(calls):
                asked[name] = int(text) if text.isdigit() and int(text) > 0 else None
        back = f"/connections/{connection_id}/access"
        if not asked:
            return await console.back(session, back, "Nothing was changed.")
        try:
            async with noted(console, session, "change_budgets", connection, budgets=asked):
                await console.services.call(
                    session.user,
                    "PATCH",
                    REGISTRY,
                    f"/v1/connections/{connection_id}/budgets",
                    body={"budgets": asked},
                )
        except Problem as problem:
            return await console.back(session, back, _words(problem), failed=True)
        return await console.back(session, back, f"Budgets changed: {', '.join(sorted(asked))}.")

    @made.post("/{connection_id}/api-keys")
    async def add_key(
        request: Request, connection_id: UUID, label: Annotated[str, Form(max_length=120)], session: Session = admin
    ) -> Response:
        connection = await own_connection(console, session.user, connection_id)
        async with noted(console, session, "create_api_key", connection, label=label):
            made_key = await console.services.post(
                session.user, REGISTRY, f"/v1/connections/{connection_id}/api-keys", {"label": label}
            )
        # Shown by this answer alone: neither stored nor in an address.
        context = {"connection": connection, "tab": "access", "tabs": tabs_of(connection), "made": made_key}
        return console.render(request, session, "connection_key.html", context)

    @made.post("/{connection_id}/api-keys/{api_key_id}/revoke")
    async def revoke_key(connection_id: UUID, api_key_id: UUID, session: Session = admin) -> Response:
        connection = await own_connection(console, session.user, connection_id)
        async with noted(console, session, "revoke_api_key", connection, api_key_id=str(api_key_id)):
            await console.services.call(
                session.user, "DELETE", REGISTRY, f"/v1/connections/{connection_id}/api-keys/{api_key_id}"
            )
        return await console.back(session, f"/connections/{connection_id}/access", "The key works no more.")


def _requests(made: APIRouter, console: Console) -> None:
    admin = console.signed_in(Role.ADMIN)
    acts = console.signed_in(Role.OPERATOR)

    @made.post("/{connection_id}/test-orders")
    async def test_order(
        connection_id: UUID,
        offer_sku: Annotated[str, Form(min_length=1, max_length=255)],
        country: Annotated[str, Form(pattern="^[A-Za-z]{2}$")],
        quantity: Annotated[str, Form(max_length=4)] = "",
        session: Session = admin,
    ) -> Response:
        body: dict[str, Any] = {"offer_sku": offer_sku.strip(), "country": country.upper()}
        if quantity.strip():
            body["quantity"] = int(quantity) if quantity.strip().isdigit() else 0
        path, words = f"/v1/connections/{connection_id}/test-orders", "Asked for; it shows under Orders as a test."
        return await _act(console, session, connection_id, "test_order", path, words, body, tab="tests")

    @made.post("/{connection_id}/backfills")
    async def backfill(
        connection_id: UUID,
        created_from: Annotated[str, Form(max_length=40)],
        created_until: Annotated[str, Form(max_length=40)],
        session: Session = admin,
    ) -> Response:
        body = {"created_from": _day(created_from), "created_until": _day(created_until)}
        path, words = f"/v1/connections/{connection_id}/backfills", "Asked for. It is stored and never causes effects."
        return await _act(console, session, connection_id, "backfill", path, words, body, tab="tests")

    @made.post("/{connection_id}/poll")
    async def poll(connection_id: UUID, session: Session = acts) -> Response:
        path, words = f"/v1/pollers/{connection_id}/run", "It is polled now."
        return await _act(console, session, connection_id, "poll_now", path, words, service="order-ingest")


async def _act(
    console: Console,
    session: Session,
    connection_id: UUID,
    action: str,
    path: str,
    words: str,
    body: Any = None,
    *,
    service: str = REGISTRY,
    tab: str = "",
) -> Response:
    connection = await own_connection(console, session.user, connection_id)
    back = f"/connections/{connection_id}" + (f"/{tab}" if tab else "")
    try:
        async with noted(console, session, action, connection, **(body or {})):
            await console.services.post(session.user, service, path, body)
    except Problem as problem:
        return await console.back(session, back, _words(problem), failed=True)
    return await console.back(session, back, words)


def _words(problem: Problem) -> str:
    fields = "; ".join(f"{name}: {rule}" for name, rule in errors_by_field(problem.errors))
    return f"{problem.detail or problem.title}" + (f" {fields}" if fields else "")


def _names(body: dict[str, Any]) -> set[str]:
    names: set[str] = set()
    for key, value in body.items():
        if key == "settings":
            names |= {f"{a}.{b}" for a, inner in value.items() if isinstance(inner, dict) for b in inner}
            names |= {a for a, inner in value.items() if not isinstance(inner, dict)}
        elif key == "connector_settings":
            names |= set(value)
        elif key != "expected_version":
            names.add(key)
    return names


def _day(text: str) -> str:
    """A date or date and time of a form as RFC 3339; what is neither is refused by the service."""
    text = text.strip()
    return f"{text}T00:00:00Z" if len(text) == 10 else (f"{text}:00Z" if len(text) == 16 else text)
