"""`hub carriers …`: which of the marketplace's carriers a shop's carrier is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from hub_tools.client.connections import connection_of
from hub_tools.client.errors import CommandError, ExitCode
from hub_tools.client.files import read_file, row_errors
from hub_tools.client.hub import open_hub
from hub_tools.client.output import AsJson, Yes, clean, confirm, emit, say, table

app = typer.Typer(no_args_is_help=True, help="Carriers: the rules of a connection, as a list and as a file.")
COLUMNS = ("priority", "kind", "shop's carrier", "pattern", "country", "becomes", "on", "id")
SERVICE = "carrier-mapper"
SHOWN = 20
Name = Annotated[str, typer.Argument(metavar="CONNECTION", help="Id or label of a marketplace connection.")]
File = Annotated[Path, typer.Argument(help="CSV as `GET …/carrier-rules.csv` gives it; the whole rule set.")]


@app.command("list")
def list_rules(name: Name, as_json: AsJson = False) -> None:
    """The rules of a connection, and the carriers that its marketplace knows."""
    hub = open_hub()
    connection_id = connection_of(hub, name)["connection_id"]
    base = f"/v1/connections/{connection_id}"
    rules: dict[str, Any] = hub.service(SERVICE).get(f"{base}/carrier-rules")
    known: dict[str, Any] = hub.service(SERVICE).get(f"{base}/carriers")
    answer = {"connection_id": connection_id, "rules": rules["items"], "warnings": rules["warnings"], "known": known}
    emit(answer, as_json, lambda console: _draw(console, answer))


@app.command("import")
def import_rules(name: Name, file: File, yes: Yes = False, as_json: AsJson = False) -> None:
    """Replace the rule set by the file, whole or not at all. Try it first: hub carriers dry-run."""
    hub = open_hub()
    connection = connection_of(hub, name)
    data = read_file(file)
    confirm(f"Replace all carrier rules of {connection['label']} by {file}?", yes=yes, as_json=as_json)
    path = f"/v1/connections/{connection['connection_id']}/carrier-rules.csv"
    try:
        answer: dict[str, Any] = hub.service(SERVICE, timeout=120).call("PUT", path, body=data, content_type="text/csv")
    except CommandError as error:
        wrong = row_errors(error.problem, 0, ("row_errors",))
        if not wrong:
            raise
        raise _refused(wrong, error.status, error.problem) from None
    lines = (
        f"{answer['rules']} rules: {answer['changed']} changed, {answer['removed']} removed;"
        f" {answer['decided_again']} waiting parcels decided again"
    )
    emit(answer, as_json, lambda console: console.print(Text(clean(lines))))
    for warning in answer["warnings"] if not as_json else ():
        say(f"warning: {warning}")


@app.command("dry-run")
def dry_run(
    name: Name,
    file: File,
    parcels: Annotated[int, typer.Option(min=1, max=2000, help="Past parcels to try, newest first.")] = 500,
    as_json: AsJson = False,
) -> None:
    """Decide past parcels by the file's rules and by the present ones. Nothing changes."""
    hub = open_hub()
    connection_id = connection_of(hub, name)["connection_id"]
    body = {"rules": _rules_in(read_file(file), connection_id), "parcels": parcels}
    path = f"/v1/connections/{connection_id}/carrier-rules/dry-run"
    answer: dict[str, Any] = hub.service(SERVICE, timeout=120).post(path, body)
    emit(answer, as_json, lambda console: _draw_dry_run(console, answer))


def _rules_in(data: bytes, connection_id: str) -> list[dict[str, Any]]:
    """The file's rules as the dry run takes them, read by the very code that the import uses."""
    from carrier_mapper.rules_csv import import_rules as read_rules

    fresh = iter(range(1, 1_000_000))
    read = read_rules(data, connection_id, lambda: f"new-{next(fresh)}")
    if read.errors:
        wrong = [{"row": e.row, "column": e.column, "rule": e.rule, "message": e.message} for e in read.errors]
        raise _refused(wrong, 0, {"row_errors": wrong})
    hidden = ("connection_id", "version")
    return [{name: value for name, value in asdict(rule).items() if name not in hidden} for rule in read.rules]


def _refused(wrong: Sequence[dict[str, Any]], status: int, problem: dict[str, Any] | None) -> CommandError:
    text = "; ".join(f"row {row['row']} {row['column']}: {row['message']}" for row in wrong[:SHOWN])
    more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    return CommandError(f"FILE: {text}{more}", ExitCode.REFUSED, service=SERVICE, status=status, problem=problem)


def _draw(console: Console, answer: dict[str, Any]) -> None:
    rows = [
        (
            rule["priority"],
            rule["kind"],
            rule["shop_carrier"],
            rule["pattern"],
            rule["destination_country"],
            rule["carrier_name"] or rule["carrier_code"],
            "on" if rule["enabled"] else "off",
            rule["id"],
        )
        for rule in answer["rules"]
    ]
    console.print(table(COLUMNS, rows))
    for warning in answer["warnings"]:
        console.print(Text(clean(f"warning: {warning}"), style="yellow"))
    known = answer["known"]
    if known["carriers"] is not None:
        console.print(
            Text(clean(f"the marketplace knows {len(known['carriers'])} carriers, as of {known['fetched_at']}"))
        )
    elif known["error"]:
        console.print(Text(clean(f"the marketplace's list cannot be read: {known['error']}"), style="yellow"))


def _draw_dry_run(console: Console, answer: dict[str, Any]) -> None:
    head = (
        f"{answer['parcels']} past parcels: {answer['changed']} would change,"
        f" {answer['newly_mapped']} newly mapped, {answer['newly_parked']} newly parked"
    )
    console.print(Text(clean(head), style="bold"))
    rows = [(each["from"], each["to"], each["parcels"]) for each in answer["transitions"]]
    if rows:
        console.print(table(("from", "to", "parcels"), rows))
    if answer["idle_rules"]:
        console.print(Text(clean(f"rules that no parcel meets: {', '.join(answer['idle_rules'])}")))
