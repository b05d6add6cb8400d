"""The rules and what they look at. A rule is a function from one parsed file to findings; add it to `RULES`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from . import code_rules
from .model import Finding, Source

_LONGEST_FILE = 400
_LONGEST_TEST = 600
"""A table of cases is read by looking a case up, not from top to bottom."""
_LEFTOVER = re.compile(r"#\s*(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")


Rule = Callable[[Source], Iterator[Finding]]


def file_length(source: Source) -> Iterator[Finding]:
    """A file above 400 lines is two things in one; nobody reads it whole, and changes go wrong in the unread half."""
    most = _LONGEST_TEST if "tests" in source.path.parts else _LONGEST_FILE
    if len(source.lines) > most:
        yield Finding(source.path, most + 1, "file-length", f"{len(source.lines)} lines, at most {most}")


def leftovers(source: Source) -> Iterator[Finding]:
    """A note to do something later is a defect that everybody has agreed not to see; do it, or file it."""
    for number, line in enumerate(source.lines, 1):
        if _LEFTOVER.search(line):
            yield Finding(source.path, number, "leftover", "finish it, or file an issue and remove the note")


RULES: tuple[Rule, ...] = (
    file_length,
    leftovers,
    code_rules.no_commit_in_handlers,
    code_rules.no_http_in_transaction,
    code_rules.no_bare_commit,
    code_rules.no_float_money,
    code_rules.no_wall_clock,
    code_rules.handlers_end_with_routes,
)


def check(root: Path, rules: tuple[Rule, ...] = RULES) -> list[Finding]:
    """Every finding in the Python files below `root`, in a stable order; hidden folders are left out."""
    found: list[Finding] = []
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if any(part.startswith(".") for part in relative.parts):
            continue
        source = Source(relative, path.read_text(encoding="utf-8").splitlines())
        found += [
            finding for rule in rules for finding in rule(source) if not source.excused(finding.line, finding.rule)
        ]
    return found
