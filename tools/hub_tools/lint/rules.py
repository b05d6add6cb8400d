"""The rules and what they look at. A rule is a function from one parsed file to findings; add it to `RULES`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_LONGEST_FILE = 400
_LEFTOVER = re.compile(r"#\s*(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")


@dataclass(frozen=True)
class Source:
    """One Python file of the repository; `path` is relative to its root."""

    path: Path
    lines: list[str]


@dataclass(frozen=True)
class Finding:
    """One place that breaks a rule."""

    path: Path
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


Rule = Callable[[Source], Iterator[Finding]]


def file_length(source: Source) -> Iterator[Finding]:
    """A file above 400 lines is two things in one; nobody reads it whole, and changes go wrong in the unread half."""
    if len(source.lines) > _LONGEST_FILE:
        yield Finding(
            source.path, _LONGEST_FILE + 1, "file-length", f"{len(source.lines)} lines, at most {_LONGEST_FILE}"
        )


def leftovers(source: Source) -> Iterator[Finding]:
    """A note to do something later is a defect that everybody has agreed not to see; do it, or file it."""
    for number, line in enumerate(source.lines, 1):
        if _LEFTOVER.search(line):
            yield Finding(source.path, number, "leftover", "finish it, or file an issue and remove the note")


RULES: tuple[Rule, ...] = (file_length, leftovers)


def check(root: Path, rules: tuple[Rule, ...] = RULES) -> list[Finding]:
    """Every finding in the Python files below `root`, in a stable order; hidden folders are left out."""
    found: list[Finding] = []
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if any(part.startswith(".") for part in relative.parts):
            continue
        source = Source(relative, path.read_text(encoding="utf-8").splitlines())
        found += [finding for rule in rules for finding in rule(source)]
    return found
