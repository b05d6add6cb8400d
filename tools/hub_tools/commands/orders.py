"""`hub orders …`: find orders, and read one's whole story."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hub_contracts.status import OrderStatus
from hub_tools.client.connections import connection_of
from hub_tools.client.errors import ExitCode, usage
from hub_tools.client.hub import CONSOLE, Hub, open_hub
from hub_tools.client.orders import order_id_of
from hub_tools.client.output import AsJson, emit, table
from hub_tools.client.story import draw_story, until
from hub_tools.client.times import instant

app = typer.Typer(no_args_is_help=True, help="Orders: find them, and read what happened to one.")
PAGE = 500
COLUMNS = ("created", "marketplace", "reference", "status", "its word", "units", "total", "waits", "id")

Limit = Annotated[int, typer.Option(min=1, max=100_000, help="Orders at most.")]


@app.command("list")
def list_orders(
    status: Annotated[OrderStatus | None, typer.Option(help="Only orders in this status.")] = None,
    connection: Annotated[str | None, typer.Option(help="Only orders of this connection: id or label.")] = None,
    parked: Annotated[bool, typer.Option("--parked", help="Only orders of which something waits.")] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Orders, newest first."""
    hub = open_hub()
    query = {
        "status": status.value if status else None,
        "connection_id": connection_of(hub, connection)["connection_id"] if connection else None,
        "parked": parked or None,
    }
    _show(_pages(hub, query, limit), as_json)


@app.command()
def find(
    text: Annotated[str, typer.Argument(help="Number, marketplace reference, SKU or tracking number; parts will do.")],
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Find orders by any of their names. Exit code 1 when none fits."""
    if not text.strip():
        raise usage("TEXT: must not be empty")
    found = _pages(open_hub(), {"q": text.strip()}, limit)
    _show(found, as_json)
    if not found:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def story(
    ref: Annotated[str, typer.Argument(help="Id, number, marketplace reference or tracking number.")],
    as_of: Annotated[
        str | None,
        typer.Option(help="What was known then, e.g. 2026-11-06T14:03Z; UTC without an offset."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """One order from first to last: every event with its cause, decisions, effects, parcels and money."""
    then = instant("--as-of", as_of) if as_of else None
    hub = open_hub()
    order_id = order_id_of(hub, ref)
    query = {"as_of": then.isoformat() if then else None}
    found: dict[str, Any] = hub.service(CONSOLE).get(f"/v1/orders/{order_id}/story", query)
    ledgers = hub.gather(lambda service: service.get("/v1/operations/effects", {"order_id": order_id, "limit": 1000}))
    effects = sorted(ledgers.items_of(), key=lambda effect: (str(effect["created_at"]), str(effect["effect_id"])))
    for effect in effects:
        one = hub.service(effect["service"]).get(f"/v1/operations/effects/{effect['effect_id']}")
        effect["ledger"] = one["ledger"]
    answer = found | {"effects": until(effects, then), "unreachable": ledgers.unreachable()}
    emit(answer, as_json, lambda console: draw_story(console, answer))
    if ledgers.missing:
        raise typer.Exit(ledgers.exit_code())


def _pages(hub: Hub, query: dict[str, Any], limit: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while len(rows) < limit:
        asked = query | {"limit": min(PAGE, limit - len(rows)), "cursor": cursor}
        page = hub.service(CONSOLE).get("/v1/orders", asked)
        rows += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    return rows


def _show(rows: list[dict[str, Any]], as_json: bool) -> None:
    shown = [
        (
            str(row["created_at"])[:16],
            row["connector"] + (" (test)" if row["is_test"] else ""),
            row["reference"],
            row["status"],
            row["marketplace_status"],
            row["units"],
            f"{row['total_price']} {row['currency']}",
            _waits(row),
            row["order_id"],
        )
        for row in rows
    ]
    emit({"items": rows}, as_json, lambda console: console.print(table(COLUMNS, shown)))


def _waits(row: dict[str, Any]) -> str:
    parts = [
        f"{row['parked']} parked" if row.get("parked") else "",
        f"{row['doubts']} in doubt" if row.get("doubts") else "",
    ]
    return ", ".join(part for part in parts if part)
