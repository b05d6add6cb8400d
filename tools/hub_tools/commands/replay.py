"""`hub replay`: prove that a service's tables follow from the topics, by rebuilding them and comparing."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hub_common.errors import StorageDown
from hub_common.kafka.records import BrokerDown
from hub_common.logs import setup_logging
from hub_common.replay import FenceBroken, plan_of
from hub_common.replay_given import GivenWritten
from hub_common.service import ServiceSpec
from hub_tools.client.output import progress
from hub_tools.run.cluster import Cluster
from hub_tools.run.replaying import Replayed, replay_service
from hub_tools.run.together import settings_from
from hub_tools.stack import local
from hub_tools.stack.errors import StackError
from hub_tools.stack.waiting import run_sync

_errors = Console(stderr=True, highlight=False)
_out = Console(highlight=False)
NO_PLAN = "it declares no replay plan (`replay` in its main.py)"


def replay(
    service: Annotated[str, typer.Argument(help="Name of the service, e.g. order-router.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Every service, one after the other.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
) -> None:
    """Rebuild a service's tables from the topics in a fresh database and compare. Exit code 1 when they differ, or when
    a service has no replay plan."""
    if bool(service) == every:
        raise typer.BadParameter("name one service, or give --all")
    setup_logging("json", os.environ.get("HUB_LOG_LEVEL", "WARNING"))  # each replayed event would have its say
    cluster = Cluster(local.connect(None))
    if service and service not in cluster.specs:
        raise typer.BadParameter(f"{service}: no such service; there are {', '.join(sorted(cluster.specs))}")
    cluster.prepare()
    answers = []
    names = [service] if service else sorted(cluster.specs)
    with progress("replaying", len(names), as_json=as_json) as at:
        for number, name in enumerate(names, 1):
            spec = cluster.specs[name]
            done = _replayed(cluster, spec) if spec.replay is not None else None
            answers.append(_answer(spec, done))
            at(number)
            if not as_json:
                _show(spec, done)
    if as_json:
        typer.echo(json.dumps({"services": answers}, default=str))
    if not all(answer["equal"] for answer in answers):
        raise typer.Exit(1)


def _replayed(cluster: Cluster, spec: ServiceSpec) -> Replayed:
    settings = settings_from(spec, cluster.environment(spec.name))
    try:
        return run_sync(replay_service(spec, settings, cluster.stack.postgres_dsn))
    except (BrokerDown, FenceBroken, GivenWritten, StorageDown) as error:
        raise StackError(f"{spec.name}: {error}") from error


def _answer(spec: ServiceSpec, done: Replayed | None) -> dict[str, Any]:
    if done is None:
        return {"service": spec.name, "equal": None, "why_not": NO_PLAN}
    report = done.report
    return {
        "service": spec.name,
        "equal": done.equal,
        "records": report.records,
        "handled": report.handled,
        "dead": report.dead,
        "waiting": report.waiting,
        "effects_fenced": report.fenced,
        "seconds": round(report.seconds, 3),
        "topics_cut": list(report.cut),
        "tables": [
            {
                "table": table.table,
                "present": {"rows": table.present.rows, "sha256": table.present.sha256},
                "rebuilt": {"rows": table.rebuilt.rows, "sha256": table.rebuilt.sha256},
                "equal": table.equal,
                "odd": [{"side": row.side, "key": row.key} for row in done.odd.get(table.table, ())],
            }
            for table in done.tables
        ],
        "given": [
            {"table": each.name, "rows": report.given[each.name], "where": each.where, "why": each.why}
            for each in plan_of(spec).given
        ],
        "left_out": dict(plan_of(spec).left_out),
    }


def _show(spec: ServiceSpec, done: Replayed | None) -> None:
    if done is None:
        _out.print(f"{spec.name}: not replayed: {NO_PLAN}", markup=False, soft_wrap=True)
        return
    report = done.report
    _out.print(
        f"{spec.name}: {report.records} records in {report.seconds:.1f} s, {report.handled} events handled,"
        f" {report.fenced} effects fenced, none planned, nothing sent",
        markup=False,
        soft_wrap=True,
    )
    shown = Table("table", "rows now", "rows rebuilt", "")
    for table in done.tables:
        word = "equal" if table.equal else "[red]different[/]"
        shown.add_row(table.table, str(table.present.rows), str(table.rebuilt.rows), word)
    _out.print(shown)
    for each in plan_of(spec).given:
        rows = f"{report.given[each.name]} rows" + (f" where {each.where}" if each.where else "")
        _out.print(f"  given: {each.name} ({rows}): {each.why}", markup=False, soft_wrap=True)
    for name, why in plan_of(spec).left_out.items():
        _out.print(f"  not compared: {name}: {why}", markup=False, soft_wrap=True)
    for topic in report.cut:
        _say(f"  {topic} no longer keeps its first records: what rested on them cannot be rebuilt")
    if report.dead or report.waiting:
        _say(f"  {report.dead} records became dead letters, {report.waiting} events could not be handled")
    for name, differing in done.odd.items():
        for row in differing:
            _say(f"  {name}: only {row.side}, or otherwise: {json.dumps(row.key, default=str)}")


def _say(line: str) -> None:
    _errors.print(line, markup=False, soft_wrap=True)
