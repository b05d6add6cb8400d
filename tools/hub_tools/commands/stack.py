"""`hub stack …`: PostgreSQL and a broker on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hub_tools.stack import local
from hub_tools.stack.state import DataFolder
from hub_tools.stack.supervisor import Supervisor

app = typer.Typer(no_args_is_help=True, help="PostgreSQL and a Kafka broker on this machine, without containers.")
_errors = Console(stderr=True, highlight=False)
_out = Console(highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def _say(line: str) -> None:
    _errors.print(line, markup=False, soft_wrap=True)


@app.command()
def up(
    as_json: AsJson = False,
    durable: Annotated[bool, typer.Option(help="PostgreSQL waits for the disk (fsync).")] = True,
) -> None:
    """Start PostgreSQL and the broker; they stay until `hub stack down`."""
    info = local.up(durable=durable, say=_say)
    if as_json:
        typer.echo(json.dumps(_status_as_dict()))
    else:
        _say(f"stack is up; Kafka at {info.bootstrap_servers}, data in {info.data_dir}; stop it with: make down")


@app.command()
def down() -> None:
    """Stop services, broker and PostgreSQL; the data stays."""
    local.down(say=_say)
    _say("stack is down")


@app.command()
def status(as_json: AsJson = False) -> None:
    """What runs. Exit code 0 when PostgreSQL and the broker answer, else 3."""
    found = _status_as_dict()
    if as_json:
        typer.echo(json.dumps(found))
    else:
        _print_status()
    if not found["up"]:
        raise typer.Exit(3)


@app.command()
def clean() -> None:
    """Stop everything and delete the data folder."""
    local.clean(say=_say)


def _status_as_dict() -> dict[str, object]:
    servers = local.status()
    services = Supervisor(DataFolder().services).statuses()
    return {
        "up": all(server.running for server in servers),
        "data_dir": str(DataFolder().path),
        "servers": [asdict(server) for server in servers],
        "services": [{**asdict(service), "log": str(service.log)} for service in services],
    }


def _print_status() -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("name", "state", "kind", "pid", "address / log"):
        table.add_column(column)
    for server in local.status():
        state = "[green]up[/]" if server.running else "[red]down[/]"
        table.add_row(server.name, state, server.kind or "-", str(server.pid or "-"), server.address or "-")
    for service in Supervisor(DataFolder().services).statuses():
        state = "[green]up[/]" if service.running else "[red]down[/]"
        table.add_row(service.name, state, "service", str(service.pid or "-"), str(service.log))
    _out.print(table)
