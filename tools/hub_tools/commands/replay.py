"""`hub replay`: prove that a service's tables follow from the topics, by rebuilding them and comparing."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hub_common.errors import StorageDown
from hub_common.kafka.records import BrokerDown
from hub_common.logs import setup_logging
from hub_common.replay import FenceBroken, plan_of
from hub_common.replay_given import GivenWritten
from hub_common.replay_proof import answer as answer_of
from hub_common.service import ServiceSpec
from hub_tools.client.output import AsJson, emit, progress
from hub_tools.run.cluster import Cluster
from hub_tools.run.replaying import Replayed, replay_service
from hub_tools.run.together import settings_from
from hub_tools.stack import local
from hub_tools.stack.errors import StackError
from hub_tools.stack.waiting import run_sync

_errors = Console(stderr=True, highlight=False)
_out = Console(highlight=False)
AT_ONCE = 4
"""Services rebuilt at the same time. Each mostly waits for PostgreSQL to make and migrate a database; more of them
would only wait for each other."""
NO_PLAN = "it declares no replay plan (`replay` in its main.py)"


def replay(
    service: Annotated[str, typer.Argument(help="Name of the service, e.g. order-router.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Every service, some at a time.")] = False,
    as_json: AsJson = False,
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
    answers: dict[str, dict[str, Any]] = {}
    names = [service] if service else sorted(cluster.specs)
    with progress("replaying", len(names), as_json=as_json) as at:

        def tell(spec: ServiceSpec, done: Replayed | None) -> None:
            answers[spec.name] = _answer(spec, done)
            at(len(answers))
            if not as_json:
                _show(spec, done)

        run_sync(_replay_all(cluster, names, tell))
    # For people each was drawn when it was known.
    emit({"services": [answers[name] for name in names]}, as_json, lambda _: None)
    if not all(answer["equal"] for answer in answers.values()):
        raise typer.Exit(1)


async def _replay_all(
    cluster: Cluster, names: Sequence[str], tell: Callable[[ServiceSpec, Replayed | None], None]
) -> None:
    """Each service's outcome as it comes. The first that cannot be replayed ends it: raises its `StackError`."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> None:
        spec = cluster.specs[name]
        async with places:
            tell(spec, await _replayed(cluster, spec) if spec.replay is not None else None)

    try:
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(one(name))
    except* StackError as found:
        first = found.exceptions[0]
    else:
        return
    raise first


async def _replayed(cluster: Cluster, spec: ServiceSpec) -> Replayed:
    settings = settings_from(spec, cluster.environment(spec.name))
    try:
        return await replay_service(spec, settings, cluster.stack.postgres_dsn)
    except (BrokerDown, FenceBroken, GivenWritten, StorageDown) as error:
        raise StackError(f"{spec.name}: {error}") from error


def _answer(spec: ServiceSpec, done: Replayed | None) -> dict[str, Any]:
    if done is None:
        return {"service": spec.name, "equal": None, "why_not": NO_PLAN}
    return answer_of(spec, done)


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
