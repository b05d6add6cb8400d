"""`hub lint`: this repository's own rules."""

from __future__ import annotations

from dataclasses import asdict

import typer

from hub_tools.client.output import AsJson, emit, teller, write
from hub_tools.lint.rules import RULES, check
from hub_tools.setup.paths import REPO


def lint(as_json: AsJson = False) -> None:
    """Check the repository against its own rules. Exit code 1 when something breaks one."""
    findings = check(REPO)
    answer = {"ok": not findings, "rules": len(RULES), "findings": [asdict(finding) for finding in findings]}
    emit(answer, as_json, lambda console: write(console, findings))
    teller(as_json)(f"{len(RULES)} rules, {len(findings)} findings")
    if findings:
        raise typer.Exit(1)
