"""`hub connections …`: accounts at marketplaces and shops."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from hub_contracts.connections import ConnectionKind, ConnectionState
from hub_contracts.orders import Environment
from hub_tools.client.connections import all_connections, connection_of
from hub_tools.client.errors import ExitCode
from hub_tools.client.hub import REGISTRY, Hub, open_hub
from hub_tools.client.output import AsJson, clean, emit, table

app = typer.Typer(no_args_is_help=True, help="Connections: state, check list, switch on and off, test orders.")
COLUMNS = ("label", "connector", "environment", "state", "verified", "tenant", "id")
Name = Annotated[str, typer.Argument(metavar="CONNECTION", help="Id or label.")]


@app.command("list")
def list_connections(
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant.")] = None,
    connector: Annotated[str | None, typer.Option(help="Only of this connector.")] = None,
    kind: Annotated[ConnectionKind | None, typer.Option(help="Only of this kind.")] = None,
    environment: Annotated[Environment | None, typer.Option(help="Only of this environment.")] = None,
    state: Annotated[ConnectionState | None, typer.Option(help="Only in this state.")] = None,
    as_json: AsJson = False,
) -> None:
    """Connections in order of creation."""
    found = all_connections(
        open_hub(),
        {
            "tenant": tenant,
            "connector": connector,
            "kind": kind.value if kind else None,
            "environment": environment.value if environment else None,
            "state": state.value if state else None,
        },
    )
    rows = [
        (
            each["label"],
            each["connector"],
            each["environment"],
            each["state"],
            _verified(each),
            each["tenant"],
            each["connection_id"],
        )
        for each in found
    ]
    emit({"items": found}, as_json, lambda console: console.print(table(COLUMNS, rows)))


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """One connection with its settings; of credentials only which are set."""
    found = connection_of(open_hub(), name)
    emit(found, as_json, lambda console: _draw(console, found))


@app.command()
def checklist(name: Name, as_json: AsJson = False) -> None:
    """What must be met before activation, and what to do about what is not. Exit code 1 when something is not met."""
    hub = open_hub()
    connection_id = connection_of(hub, name)["connection_id"]
    found: dict[str, Any] = hub.service(REGISTRY).get(f"/v1/connections/{connection_id}/checklist")
    rows = [(item["name"], item["state"], item["detail"], item["next_step"]) for item in found["items"]]
    emit(
        found,
        as_json,
        lambda console: console.print(table(("item", "state", "detail", "next step"), rows)),
    )
    if not found["ready"]:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def pause(name: Name, as_json: AsJson = False) -> None:
    """Stop fetching and sending; what is under way waits."""
    _step(name, "pause", as_json)


@app.command()
def resume(name: Name, as_json: AsJson = False) -> None:
    """Go on after a pause."""
    _step(name, "resume", as_json)


@app.command()
def activate(name: Name, as_json: AsJson = False) -> None:
    """Switch it on; refused until the check list is met."""
    _step(name, "activate", as_json)


@app.command()
def verify(name: Name, as_json: AsJson = False) -> None:
    """Try the credentials with one cheap read. Exit code 1 when they do not work."""
    hub = open_hub()
    connection_id = connection_of(hub, name)["connection_id"]
    found: dict[str, Any] = hub.service(REGISTRY, timeout=120).post(f"/v1/connections/{connection_id}/verify")
    word = "works" if found["ok"] else "does not work"
    emit(found, as_json, lambda console: console.print(Text(clean(f"{word}: {found['detail']}"))))
    if not found["ok"]:
        raise typer.Exit(ExitCode.FAILED)


@app.command("test-order")
def order_for_test(
    name: Name,
    sku: Annotated[str, typer.Option(help="The offer's SKU at the marketplace.")],
    country: Annotated[str, typer.Option(help="Two-letter country of the buyer.")],
    quantity: Annotated[int | None, typer.Option(min=1, max=1000, help="Units; drawn, 1 to 4, without.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send a test order through the hub to the shop; no marketplace ever sees it."""
    hub = open_hub()
    connection_id = connection_of(hub, name)["connection_id"]
    body = {"offer_sku": sku, "country": country.upper()} | ({"quantity": quantity} if quantity else {})
    found: dict[str, Any] = hub.service(REGISTRY).post(f"/v1/connections/{connection_id}/test-orders", body)
    emit(
        found,
        as_json,
        lambda console: console.print(f"asked for: {found['quantity']} × {sku}, test order {found['test_order_id']}"),
    )


def _step(name: str, step: str, as_json: bool) -> None:
    hub: Hub = open_hub()
    connection_id = connection_of(hub, name)["connection_id"]
    found: dict[str, Any] = hub.service(REGISTRY, timeout=120).post(f"/v1/connections/{connection_id}/{step}")
    emit(found, as_json, lambda console: console.print(Text(clean(f"{found['label']} is {found['state']}"))))


def _verified(connection: dict[str, Any]) -> str:
    seen = connection.get("verification")
    if not seen:
        return "never"
    return "yes" if seen["ok"] else f"no: {seen['detail']}"


def _draw(console: Console, found: dict[str, Any]) -> None:
    console.print(Text(clean(f"{found['label']}  {found['state']}"), style="bold"))
    for name in ("connection_id", "tenant", "connector", "environment", "base_url", "version", "created_at", "note"):
        if found.get(name) not in (None, ""):
            console.print(Text(clean(f"{name:<16}{found[name]}")))
    console.print(Text(clean(f"{'verified':<16}{_verified(found)}")))
    for each in found["credentials"]:
        word = f"set, since {each['rotated_at']}" if each["set"] else "missing" if each["required"] else "not set"
        console.print(Text(clean(f"{'credential':<16}{each['name']}: {word}")))
    for part in ("connector_settings", "settings"):
        for name, value in (found.get(part) or {}).items():
            if value not in (None, {}, [], ""):
                console.print(Text(clean(f"{part:<20}{name} = {value}")))
