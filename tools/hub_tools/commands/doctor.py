"""`hub doctor`: look at everything the hub needs, and say what to do about what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from hub_tools.client.errors import CommandError, ExitCode
from hub_tools.client.hub import Hub, open_hub
from hub_tools.client.output import AsJson, clean, emit, progress
from hub_tools.doctor import accounts, broker, machine, services
from hub_tools.doctor.model import Finding, Grade, bad, skipped

STYLES = {Grade.OK: "green", Grade.WARN: "yellow", Grade.BAD: "red", Grade.SKIPPED: "dim"}


def doctor(
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as problems.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check every dependency; each finding says what to do. Exit code 1 when something is wrong."""
    findings = examine(as_json)
    counted = {grade.value: sum(1 for each in findings if each.grade is grade) for grade in Grade}
    wrong = counted["bad"] > 0 or (strict and counted["warn"] > 0)
    answer = {"ok": not wrong, "counts": counted, "findings": [each.as_dict() for each in findings]}
    emit(answer, as_json, lambda console: _draw(console, findings, answer))
    if wrong:
        raise typer.Exit(ExitCode.FAILED)


def examine(as_json: bool) -> list[Finding]:
    """All findings, in the order in which things depend on each other."""
    try:
        hub = open_hub()
    except CommandError as error:
        if error.code is ExitCode.USAGE:
            raise
        return [*machine.programs(), machine.disk(None), bad("hub", str(error), "start it with: hub up")]
    steps: list[Callable[[], Sequence[Finding]]] = []
    if hub.target.local:
        steps += _local(hub)
    else:
        why = "the hub runs elsewhere"
        steps.append(lambda: [skipped("machine", f"programs, disk, servers and ports: {why}")])
    steps += [lambda: broker.broker(hub), lambda: services.services(hub), lambda: accounts.accounts(hub)]
    findings: list[Finding] = []
    with progress("looking", len(steps), as_json=as_json) as at:
        for number, step in enumerate(steps, 1):
            findings += step()
            at(number)
    return findings


def _local(hub: Hub) -> list[Callable[[], Sequence[Finding]]]:
    folder = hub.target.folder
    return [
        machine.programs,
        lambda: [machine.disk(folder)],
        lambda: machine.servers(folder),
        lambda: machine.ports(folder, hub.target.urls),
    ]


def _draw(console: Console, findings: Sequence[Finding], answer: dict[str, Any]) -> None:
    for each in findings:
        line = Text(f"{each.grade.value:<8}", style=STYLES[each.grade])
        line.append(clean(f"{each.check:<16}"), style="bold")
        line.append(clean(f"{each.service + ': ' if each.service else ''}{each.found}"), style="")
        console.print(line, soft_wrap=True)
        if each.do:
            console.print(Text(clean(f"{'':<24}→ {each.do}")), soft_wrap=True)
    counts = answer["counts"]
    console.print(
        Text(f"{counts['bad']} bad, {counts['warn']} to see to, {counts['ok']} fine, {counts['skipped']} not looked at")
    )
