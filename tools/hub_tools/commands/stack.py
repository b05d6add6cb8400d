"""`hub stack …`: PostgreSQL and a broker on this machine."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hub_tools.client.output import AsJson, emit, teller
from hub_tools.stack import local
from hub_tools.stack.report import report
from hub_tools.stack.state import DataFolder

app = typer.Typer(no_args_is_help=True, help="PostgreSQL and a Kafka broker on this machine, without containers.")


@app.command()
def up(
    as_json: AsJson = False,
    durable: Annotated[bool, typer.Option(help="PostgreSQL waits for the disk (fsync).")] = True,
) -> None:
    """Start PostgreSQL and the broker; they stay until `hub stack down`."""
    tell = teller(as_json)
    info = local.up(durable=durable, say=tell)
    last = f"stack is up; Kafka at {info.bootstrap_servers}, data in {info.data_dir}; stop it with: make down"
    emit(report(), as_json, lambda _: tell(last))


@app.command()
def down(as_json: AsJson = False) -> None:
    """Stop services, broker and PostgreSQL; the data stays."""
    stop(as_json, "stack is down")


def stop(as_json: bool, last: str) -> None:
    """Stop everything that runs in the data folder and say so."""
    tell = teller(as_json)
    stopped = local.down(say=tell)
    emit({**report(), "stopped": stopped}, as_json, lambda _: tell(last))


@app.command()
def status(as_json: AsJson = False) -> None:
    """What runs. Exit code 0 when PostgreSQL and the broker answer, else 3."""
    found = report()
    emit(found, as_json, lambda console: _draw(console, found))
    if not found["up"]:
        raise typer.Exit(3)


@app.command()
def clean(as_json: AsJson = False) -> None:
    """Stop everything and delete the data folder."""
    folder = str(DataFolder().path)
    emit({"data_dir": folder, "removed": local.clean(say=teller(as_json))}, as_json, lambda _: None)


def _draw(console: Console, found: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("name", "state", "kind", "pid", "address / log"):
        table.add_column(column)
    for server in found["servers"]:
        table.add_row(
            server["name"], _state(server), server["kind"] or "-", str(server["pid"] or "-"), server["address"] or "-"
        )
    for service in found["services"]:
        table.add_row(service["name"], _state(service), "service", str(service["pid"] or "-"), service["log"])
    console.print(table)


def _state(server: dict[str, Any]) -> str:
    return "[green]up[/]" if server["running"] else "[red]down[/]"
