"""`hub status`: everything in one table."""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from hub_tools.client.errors import ExitCode
from hub_tools.client.hub import open_hub
from hub_tools.client.output import AsJson, age, clean, emit, table
from hub_tools.client.overview import overview

COLUMNS = ("service", "state", "lag", "outbox", "oldest", "retries", "parked", "doubts", "dead", "address")


def status(as_json: AsJson = False) -> None:
    """Services, database, broker, lag and what waits, in one table. Exit code 3 when something does not answer."""
    found = overview(open_hub())
    emit(found, as_json, lambda console: _draw(console, found))
    if not found["ok"]:
        raise typer.Exit(ExitCode.UNREACHABLE)


def _draw(console: Console, found: dict[str, Any]) -> None:
    rows = [_row(each) for each in found["services"]]
    if found["sandbox"]:
        rows.append((" sandbox (simulators)", _state(found["sandbox"]["state"]), *[""] * 7, found["sandbox"]["url"]))
    broker = "ready" if found["broker"]["reached"] else "no answer"
    databases = [each["database"] for each in found["services"] if each["database"]]
    well = sum(1 for each in databases if each == "ok")
    rows.append((" broker", _state(broker), *[""] * 7, found["broker"]["error"] or ""))
    rows.append((" databases", Text(f"{well} of {len(found['services'])} answer"), *[""] * 8))
    console.print(table(COLUMNS, rows))
    for each in found["services"]:
        if each["error"]:
            console.print(Text(clean(each["error"]), style="red"))
    tightest = found["tightest_deadline"]
    if tightest:
        left = tightest["seconds_left"]
        word = f"{age(left)} left" if left >= 0 else f"missed {age(-left)} ago"
        line = f"tightest deadline: {tightest['kind']} at {tightest['due_at']}, {word}; {tightest['count']} open"
        console.print(Text(clean(line), style="red" if left < 3600 else ""))
    else:
        console.print("no deadline is open")


def _row(each: dict[str, Any]) -> tuple[object, ...]:
    figures = each["figures"]
    numbers: tuple[object, ...] = ("",) * 6
    if figures:
        numbers = (
            figures["outbox"]["rows"],
            age(figures["outbox"]["oldest_seconds"]),
            figures["retries"],
            _alarm(figures["parked"]["count"]),
            _alarm(figures["doubts"]["count"]),
            _alarm(figures["dead_letters"]),
        )
    lag = "?" if each["lag_records"] is None else each["lag_records"]
    return (each["service"], _state(each["state"]), lag, *numbers, each["url"])


def _state(word: str) -> Text:
    return Text(word, style="green" if word == "ready" else "red")


def _alarm(count: int) -> Text:
    return Text(str(count), style="yellow" if count else "")
