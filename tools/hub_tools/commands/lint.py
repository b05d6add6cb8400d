"""`hub lint`: this repository's own rules."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from hub_tools.lint.rules import RULES, check
from hub_tools.setup.paths import REPO


def lint(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
) -> None:
    """Check the repository against its own rules. Exit code 1 when something breaks one."""
    findings = check(REPO)
    if as_json:
        typer.echo(json.dumps({"findings": [asdict(finding) for finding in findings]}, default=str))
    for finding in () if as_json else findings:
        typer.echo(str(finding))
    typer.echo(f"{len(RULES)} rules, {len(findings)} findings", err=True)
    if findings:
        raise typer.Exit(1)
