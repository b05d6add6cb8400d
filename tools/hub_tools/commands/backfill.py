"""`hub backfill …`: orders of a past window, stored and shown, never acted on."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.text import Text

from hub_tools.client.connections import connection_of
from hub_tools.client.errors import usage
from hub_tools.client.hub import INGEST, REGISTRY, Hub, open_hub
from hub_tools.client.output import AsJson, clean, emit, progress, table
from hub_tools.client.times import instant

app = typer.Typer(no_args_is_help=True, help="Backfills: fetch the orders of a past window.")
COLUMNS = ("asked", "connection", "from", "until", "state", "read", "id")
LOOK_SECONDS = 1.0
Name = Annotated[str, typer.Argument(metavar="CONNECTION", help="Id or label of a marketplace connection.")]


@app.command()
def start(
    name: Name,
    since: Annotated[str, typer.Option("--from", help="First instant of the window, e.g. 2026-10-01.")],
    until: Annotated[str, typer.Option("--until", help="The window ends before this instant.")],
    wait: Annotated[bool, typer.Option("--wait", help="Stay until it is read; Ctrl-C leaves it running.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask for the orders created in a window. They never cause anything outside."""
    first, last = instant("--from", since), instant("--until", until)
    if last <= first:
        raise usage("--until: must be after --from")
    hub = open_hub()
    connection_id = connection_of(hub, name)["connection_id"]
    body = {"created_from": first.isoformat(), "created_until": last.isoformat()}
    answer: dict[str, Any] = hub.service(REGISTRY).post(f"/v1/connections/{connection_id}/backfills", body)
    if wait:
        answer = answer | _wait(hub, connection_id, answer["backfill_id"], as_json)
    state = answer.get("state", "asked for")
    emit(answer, as_json, lambda console: console.print(Text(clean(f"backfill {answer['backfill_id']}: {state}"))))


@app.command("list")
def list_backfills(
    connection: Annotated[str | None, typer.Option(help="Only of this connection: id or label.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Backfills at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Backfills, newest first, and how far they are."""
    hub = open_hub()
    connection_id = connection_of(hub, connection)["connection_id"] if connection else None
    query = {"connection_id": connection_id, "limit": limit}
    items: list[dict[str, Any]] = hub.service(INGEST).get("/v1/backfills", query)["items"]
    rows = [
        (
            str(item["requested_at"])[:16],
            item["connection_id"],
            str(item["created_from"])[:16],
            str(item["created_until"])[:16],
            item["state"],
            f"{item['percent']} %",
            item["backfill_id"],
        )
        for item in items
    ]
    emit({"items": items}, as_json, lambda console: console.print(table(COLUMNS, rows)))


def _wait(hub: Hub, connection_id: str, backfill_id: str, as_json: bool) -> dict[str, Any]:
    """Until it is no longer open; the service works on it whether or not anybody waits."""
    with progress("reading", 100, as_json=as_json) as at:
        while True:
            items = hub.service(INGEST).get("/v1/backfills", {"connection_id": connection_id, "limit": 1000})["items"]
            found: dict[str, Any] = next((item for item in items if item["backfill_id"] == backfill_id), {})
            at(found.get("percent", 0))
            if found and found["state"] != "open":
                return found
            time.sleep(LOOK_SECONDS)
