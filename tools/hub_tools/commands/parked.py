"""`hub parked …`: work that waits for a person or for a missing fact."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hub_tools.client.errors import refused, usage
from hub_tools.client.hub import open_hub
from hub_tools.client.orders import an_id, order_id_of
from hub_tools.client.output import AsJson, emit, missing_note, table

app = typer.Typer(no_args_is_help=True, help="Parked work: what waits, for what, until when.")
COLUMNS = ("cause", "service", "about", "detail", "next step", "due", "parked", "id")
MOST = 1000


@app.command("list")
def list_parked(
    cause: Annotated[str | None, typer.Option(help="Only this cause.")] = None,
    order: Annotated[str | None, typer.Option(help="Only of this order: id, number, reference.")] = None,
    service: Annotated[str | None, typer.Option(help="Only of this service.")] = None,
    closed: Annotated[bool, typer.Option("--closed", help="What no longer waits.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="Items at most, per service.")] = 100,
    as_json: AsJson = False,
) -> None:
    """What waits, nearest deadline first."""
    hub = open_hub()
    order_id = order_id_of(hub, order) if order else None
    query = {"cause": cause, "order_id": order_id, "resolved": closed, "limit": limit}
    found = hub.gather(lambda one: one.get("/v1/operations/parked", query), [service] if service else None)
    items = sorted(
        found.items_of(), key=lambda item: (item["due_at"] is None, str(item["due_at"] or item["parked_at"]))
    )
    rows = [
        (
            item["cause"],
            item["service"],
            f"{item['subject_kind']} {item['subject_id']}",
            item["detail"],
            item["resolution"] if closed else item["next_step"],
            str(item["due_at"] or "")[:16],
            str(item["parked_at"])[:16],
            item["parked_id"],
        )
        for item in items
    ]
    emit(
        {"items": items, "unreachable": found.unreachable()},
        as_json,
        lambda console: console.print(table(COLUMNS, rows)),
    )
    missing_note(found.unreachable())
    if found.missing:
        raise typer.Exit(found.exit_code())


@app.command()
def close(
    parked_id: Annotated[str, typer.Argument(help="Id of the item.")],
    reason: Annotated[str, typer.Option(help="Why it needs nothing more; kept with your login.")],
    service: Annotated[str | None, typer.Option(help="Its service; looked for without.")] = None,
    as_json: AsJson = False,
) -> None:
    """Close an item that needs nothing more. What can still be done right is done elsewhere: read its next step."""
    if len(reason.strip()) < 3:
        raise usage("--reason: must have 3 characters at least")
    parked_id = an_id("PARKED_ID", parked_id)
    hub = open_hub()
    owner = service
    if owner is None:
        found = hub.gather(lambda one: one.get("/v1/operations/parked", {"limit": MOST}))
        fits = [item["service"] for item in found.items_of() if item["parked_id"] == parked_id]
        if not fits:
            missing_note(found.unreachable())
            raise refused(f"{parked_id}: nothing that waits has this id; see: hub parked list")
        owner = fits[0]
    path = f"/v1/operations/parked/{parked_id}/close"
    answer: dict[str, Any] = hub.service(owner).post(path, {"resolution": reason.strip()})
    emit({"service": owner, **answer}, as_json, lambda console: console.print(f"closed in {owner}"))
