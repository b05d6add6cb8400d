"""`hub new-connector`: a connector that passes the kit's suite against its own simulator from the first minute."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from hub_tools.client.output import AsJson, emit, write
from hub_tools.scaffold.connector_plan import KINDS, ConnectorPlan, belongs_to, plan_connector
from hub_tools.setup.paths import REPO

WHERE = REPO / "libs" / "connectors"


def new_connector(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits, underscores: acme_market")],
    title: Annotated[str | None, typer.Option(help="As people write it; made from NAME when not given")] = None,
    kind: Annotated[str, typer.Option(help=" or ".join(KINDS))] = KINDS[0],
    into: Annotated[Path, typer.Option(help="Folder to make NAME in", show_default="libs/connectors")] = WHERE,
    as_json: AsJson = False,
) -> None:
    """Write a new connector: manifest, client, mapping, simulator and its conformance test."""
    plan = plan_connector(name, title=title, kind=kind, into=into)
    files = [path.relative_to(plan.folder).as_posix() for path in plan.write()]
    about = {"connector": plan.name, "title": plan.title, "kind": plan.kind, "package": plan.package}
    answer = {**about, "folder": str(plan.folder), "files": files, "next": next_commands(plan)}
    lines = [f"{plan.folder}: {len(files)} files", *next_steps(plan)]
    emit(answer, as_json, lambda console: write(console, lines))


def next_commands(plan: ConnectorPlan) -> list[str]:
    """What to do now, as commands that can be pasted."""
    folder = os.path.relpath(plan.folder)
    inside = belongs_to(plan.folder, REPO)
    install = "make setup" if inside else f"uv pip install --no-deps -e {folder}"
    return [install, f"{'.venv/bin/python' if inside else 'python'} -m pytest {folder}"]


def next_steps(plan: ConnectorPlan) -> list[str]:
    """The same for people, and what comes then."""
    return [
        "",
        "Next:",
        *(f"  {command}" for command in next_commands(plan)),
        "Then, one file at a time, against the documentation of the API (docs/connectors.md walks through it):",
        f"  {plan.package}/manifest.py           fields, status words, budgets, effects",
        f"  {plan.package}/sandbox/simulator.py  what the API really answers",
        f"  {plan.package}/client.py, mapping.py and one file per capability",
        "  MATURITY.toml                      what is proven and what is not",
    ]
