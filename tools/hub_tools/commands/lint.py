"""`hub lint`: this repository's own rules."""

from __future__ import annotations

import typer

from hub_tools.lint.rules import RULES, check
from hub_tools.setup.paths import REPO


def lint() -> None:
    """Check the repository against its own rules. Exit code 1 when something breaks one."""
    findings = check(REPO)
    for finding in findings:
        typer.echo(str(finding))
    typer.echo(f"{len(RULES)} rules, {len(findings)} findings", err=True)
    if findings:
        raise typer.Exit(1)
