"""`hub stock …`: state stock levels by file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from hub_tools.client.errors import CommandError, ExitCode
from hub_tools.client.files import parts_of, read_file, row_errors
from hub_tools.client.http import ServiceClient
from hub_tools.client.hub import open_hub
from hub_tools.client.output import AsJson, clean, emit, progress

app = typer.Typer(no_args_is_help=True, help="Stock: state levels by file.")
PATH = "/v1/stock/import"
SHOWN = 20


@app.callback()
def stock() -> None:
    """Stock: state levels by file."""


@app.command("import")
def import_stock(
    file: Annotated[Path, typer.Argument(help="CSV: shop_connection_id, shop_sku, quantity and, optional, warehouse.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row, change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """State stock levels. Every row is checked first; with one that is wrong nothing at all is stated."""
    service = open_hub().service("stock-sync", timeout=120)
    parts = parts_of(read_file(file))
    rows = stored = older = 0
    with progress("checking", len(parts), as_json=as_json) as at:
        for number, (before, part) in enumerate(parts, 1):
            rows += _send(service, part, before, dry_run=True)["rows"]
            at(number)
    if not dry_run:
        with progress("importing", len(parts), as_json=as_json) as at:
            for number, (before, part) in enumerate(parts, 1):
                answer = _send(service, part, before, dry_run=False)
                stored, older = stored + answer["stored"], older + answer["older"]
                at(number)
    found = {"dry_run": dry_run, "rows": rows, "stored": stored, "older": older}
    emit(found, as_json, lambda console: _draw(console, found))


def _send(service: ServiceClient, part: bytes, before: int, *, dry_run: bool) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = service.call(
            "POST", PATH, body=part, query={"dry_run": dry_run}, content_type="text/csv"
        )
    except CommandError as error:
        wrong = row_errors(error.problem, before, ("rows",))
        if not wrong:
            raise
        text = "; ".join(f"row {row['row']} {row['column']}: {row['rule']}" for row in wrong[:SHOWN])
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        problem = (error.problem or {}) | {"rows": wrong}
        raise CommandError(
            f"{text}{more}", ExitCode.REFUSED, service=service.name, status=error.status, problem=problem
        ) from None
    return answer


def _draw(console: Console, found: dict[str, Any]) -> None:
    if found["dry_run"]:
        console.print(Text(clean(f"{found['rows']} rows are sound; nothing was changed")))
    else:
        console.print(Text(clean(f"{found['stored']} of {found['rows']} levels stated, {found['older']} were newer")))
