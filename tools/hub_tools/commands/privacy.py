"""`hub privacy …`: find a buyer's orders, give out what is held of them, erase it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.text import Text

from hub_tools.client.errors import CommandError, ExitCode, usage
from hub_tools.client.hub import CONSOLE, INGEST, Hub, open_hub
from hub_tools.client.orders import order_id_of
from hub_tools.client.output import AsJson, Yes, clean, confirm, emit, table

app = typer.Typer(no_args_is_help=True, help="Privacy: find a buyer's orders, export and erase what is held.")
OWNERS = (INGEST, "shop-gateway", "message-service")
"""Services that hold personal data in clear."""
COLUMNS = ("order", "reference", "tenant", "status", "bought", *OWNERS, "erased", "id")

Refs = Annotated[list[str] | None, typer.Argument(help="Orders: id, number, reference or tracking number.")]


@app.command()
def find(
    text: Annotated[str, typer.Argument(help="E-mail, phone, full or last name of the buyer, or an order's name.")],
    as_json: AsJson = False,
) -> None:
    """Orders of a buyer, 50 at most, and how much each service holds of him. Exit code 1 when there is none."""
    hub = open_hub()
    if len(text.strip()) < 2:
        raise usage("TEXT: must have 2 characters at least")
    items: list[dict[str, Any]] = hub.service(CONSOLE).post("/v1/buyers/find", {"text": text.strip()})["items"]
    for item in items:
        held = _held(hub, str(item["order_id"]), counts_only=True)
        item["holds"] = {name: each["holds"] for name, each in held.items()}
        item["erased"] = held[INGEST]["erased"]
    emit({"items": items}, as_json, lambda console: console.print(table(COLUMNS, [_row(item) for item in items])))
    if not items:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="File to write; only you may read it. It must not exist.")],
    orders: Refs = None,
    as_json: AsJson = False,
) -> None:
    """Write everything that is held of the buyers of these orders into one JSON file; nothing if a part is missing."""
    hub = open_hub()
    ids = _ids(hub, orders)
    found = [{"order_id": order_id, "held": _held(hub, order_id)} for order_id in ids]
    try:
        file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise usage(f"--out: cannot be written: {error.strerror}") from None
    with os.fdopen(file, "wb") as target:
        target.write(orjson.dumps({"orders": found}, option=orjson.OPT_INDENT_2))
    told = {"orders": len(found), "file": str(out)}
    emit(told, as_json, lambda console: _say(console, f"what is held of {len(found)} orders is in {out}"))


@app.command()
def erase(
    reason: Annotated[str, typer.Option(help="Why; kept with your login. Do not name the buyer.")],
    orders: Refs = None,
    tenant: Annotated[str | None, typer.Option(help="Instead of orders: everybody of this tenant, by age.")] = None,
    older_than_days: Annotated[int, typer.Option(min=1, max=3650, help="With --tenant: orders of that age.")] = 90,
    even_if_open: Annotated[bool, typer.Option("--even-if-open", help="Although a shop may need the address.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be erased, erase nothing.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Erase buyers everywhere, for good: those of these orders, or all of a tenant's finished orders of an age."""
    hub = open_hub()
    if len(reason.strip()) < 3:
        raise usage("--reason: must have 3 characters at least")
    if tenant is not None and orders:
        raise usage("name orders, or give --tenant; not both")
    if tenant is not None:
        _of_tenant(hub, tenant, older_than_days, reason.strip(), dry_run=dry_run, yes=yes, as_json=as_json)
        return
    ids = _ids(hub, orders)
    if dry_run:
        held = {order_id: _held(hub, order_id, counts_only=True) for order_id in ids}
        counts = {order_id: {name: each["holds"] for name, each in one.items()} for order_id, one in held.items()}
        emit({"dry_run": True, "orders": counts}, as_json, lambda c: _say(c, f"{len(ids)} buyers would be erased"))
        return
    confirm(f"Erase the buyers of {len(ids)} orders for good?", yes=yes, as_json=as_json)
    body = {"reason": reason.strip(), "even_if_open": even_if_open}
    done = [hub.service(INGEST).post(f"/v1/orders/{order_id}/erase-customer", body) for order_id in ids]
    new = sum(each["erased"] for each in done)
    told = {"dry_run": False, "items": done}
    emit(told, as_json, lambda console: _say(console, f"{new} erased, {len(done) - new} were erased before"))


def _of_tenant(hub: Hub, tenant: str, days: int, reason: str, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    path, body = f"/v1/tenants/{tenant}/erase-customers", {"older_than_days": days, "reason": reason}
    plan: dict[str, Any] = hub.service(INGEST).post(path, body | {"dry_run": True})
    if not dry_run:
        confirm(f"Erase the buyers of {plan['orders']} orders of {tenant} for good?", yes=yes, as_json=as_json)
        plan = hub.service(INGEST).post(path, body | {"dry_run": False})
    words = "would be erased" if dry_run else "are being erased in batches"
    text = f"the buyers of {plan['orders']} orders {words}; {plan['still_open']} open orders keep theirs"
    emit(plan, as_json, lambda console: _say(console, text))


def _ids(hub: Hub, orders: list[str] | None) -> list[str]:
    if not orders:
        raise usage("ORDERS: name one at least; see: hub privacy find")
    return list(dict.fromkeys(order_id_of(hub, each) for each in orders))


def _held(hub: Hub, order_id: str, *, counts_only: bool = False) -> dict[str, Any]:
    """Every owner's answer. Raises `CommandError` when one does not answer: a part would pass for the whole."""
    path = f"/v1/orders/{order_id}/personal-data"
    found = hub.gather(lambda one: one.get(path, {"counts_only": counts_only}), OWNERS)
    for error in found.missing.values():
        raise CommandError(str(error), error.code, service=error.service, status=error.status, problem=error.problem)
    return dict(found)


def _row(item: dict[str, Any]) -> tuple[Any, ...]:
    held = (", ".join(f"{n} {what}" for what, n in item["holds"][name].items() if n) or "–" for name in OWNERS)
    erased = str(item["erased"]["erased_at"])[:16] if item["erased"] else ""
    names = (item["order_number"], item["reference"], item["tenant"], item["status"], str(item["created_at"])[:16])
    return (*names, *held, erased, item["order_id"])


def _say(console: Console, text: str) -> None:
    console.print(Text(clean(text)))
