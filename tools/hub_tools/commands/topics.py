"""`hub topics …`: what is on the topics, read from Kafka itself."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import aclosing
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from hub_common.kafka.watch import lag_of
from hub_contracts.listeners import LISTENERS
from hub_contracts.topics import TOPIC_BY_NAME
from hub_tools.client.hub import open_hub
from hub_tools.client.orders import order_id_of
from hub_tools.client.output import AsJson, clean, emit, out, say, table
from hub_tools.client.topics import WARNING, Filters, Tail, chosen_topics, header_filters, tail
from hub_tools.stack.waiting import run_sync

app = typer.Typer(no_args_is_help=True, help="Topics: what is on them, who lags, and records as they come.")
COLUMNS = ("topic", "writer", "key", "partitions", "records", "lag by listener")
BRIEF = 160
"""Characters of a body in a line."""


@app.command("list")
def list_topics(as_json: AsJson = False) -> None:
    """Topics with partitions, kept records, and what each listener has yet to handle."""
    hub = open_hub()
    prefix = hub.target.topic_prefix
    listens: dict[str, list[str]] = {}
    for listened, services in LISTENERS.items():
        for service in services:
            listens.setdefault(prefix + service, []).append(prefix + listened)
    edges, lag = run_sync(lag_of(hub.broker(), listens))
    items: list[dict[str, Any]] = []
    for name, topic in TOPIC_BY_NAME.items():
        mine = {tp: edge for tp, edge in edges.items() if tp.topic == prefix + name}
        behind = {
            group.removeprefix(prefix): sum(n for tp, n in by_tp.items() if tp in mine)
            for group, by_tp in lag.items()
            if prefix + name in listens[group]
        }
        items.append(
            {
                "topic": name,
                "writer": topic.writer,
                "key": topic.key,
                "partitions": len(mine),
                "partitions_declared": topic.partitions,
                "compacted": topic.compacted,
                "personal_data": topic.personal_data,
                "records": sum(end - first for first, end in mine.values()),
                "lag": behind,
            }
        )
    rows = [
        (
            item["topic"] + (" (personal data)" if item["personal_data"] else ""),
            item["writer"],
            item["key"],
            _partitions(item),
            item["records"],
            ", ".join(f"{name} {n}" for name, n in item["lag"].items() if n) or "none",
        )
        for item in items
    ]
    emit({"items": items}, as_json, lambda console: console.print(table(COLUMNS, rows)))


def _partitions(item: dict[str, Any]) -> str:
    if not item["partitions"]:
        return "does not exist"
    wrong = item["partitions"] != item["partitions_declared"]
    return f"{item['partitions']}, declared {item['partitions_declared']}" if wrong else str(item["partitions"])


@app.command("tail")
def tail_topics(
    topic: Annotated[list[str] | None, typer.Argument(help="Topics, with or without `hub.`; all without any.")] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--type", help="Event type, e.g. order.*; several are fine.")
    ] = None,
    key: Annotated[list[str] | None, typer.Option(help="Record key; several are fine.")] = None,
    order: Annotated[list[str] | None, typer.Option(help="Order: id, number, reference; several are fine.")] = None,
    text: Annotated[str, typer.Option(help="In the body, as it is shown.")] = "",
    header: Annotated[list[str] | None, typer.Option(help="NAME=VALUE; several must all fit.")] = None,
    dead: Annotated[bool, typer.Option("--dead-letters", help="The dead-letter topics of these topics.")] = False,
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="Begin at the oldest kept record.")] = False,
    until_now: Annotated[bool, typer.Option("--until-now", help="End where the topics end now.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="End after so many records.")] = None,
    show_personal_data: Annotated[bool, typer.Option("--show-personal-data", help="Do not mask it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Records as they come, until Ctrl-C. With --json one document per line."""
    names = chosen_topics(topic or [], dead_letters=dead)
    headers = header_filters(header or [])
    hub = open_hub()
    orders = tuple(order_id_of(hub, each) for each in order or ())
    if show_personal_data:
        say(WARNING)
    if not as_json:
        say(f"reading {len(names)} topics; Ctrl-C ends")
    how = Tail(hub.broker(), names, hub.target.topic_prefix, from_beginning, until_now, limit, show_personal_data)
    filters = Filters(tuple(kind or ()), tuple(key or ()), orders, text, headers)
    # A loop of its own that is nobody's default: the caller may have one.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(_run(how, filters, as_json))


async def _run(how: Tail, filters: Filters, as_json: bool) -> None:
    """Print until the end or Ctrl-C, which is an end like any other."""
    task = asyncio.create_task(_print(how, filters, as_json))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        sys.stdout.flush()


async def _print(how: Tail, filters: Filters, as_json: bool) -> None:
    console = out()
    async with aclosing(tail(how, filters)) as records:
        async for record in records:
            if as_json:
                print(json.dumps(record, default=str, ensure_ascii=False), flush=True)
            else:
                _line(console, record)


def _line(console: Console, record: dict[str, Any]) -> None:
    body = record["data"]
    brief = body if isinstance(body, str) else json.dumps(body, default=str, ensure_ascii=False)
    line = Text(f"{record['at'][11:23]} ", style="dim")
    line.append(f"{clean(record['topic'].removeprefix('hub.'))} ", style="cyan")
    line.append(f"{clean(record['type']) or 'no type'} ", style="bold")
    line.append(f"{clean(record['key'])} ")
    line.append("tombstone" if record["tombstone"] else clean(brief[:BRIEF]).replace("\n", " "))
    console.print(line, soft_wrap=True)
    sys.stdout.flush()
