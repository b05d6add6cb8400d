"""What rules look at and what they find."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """One Python file of the repository; `path` is relative to its root."""

    path: Path
    lines: list[str] = field(repr=False)

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse("\n".join(self.lines))

    def excused(self, line: int, rule: str) -> bool:
        """True when the line carries `# lint-skip: <rule>`."""
        return f"lint-skip: {rule}" in self.lines[line - 1] if 0 < line <= len(self.lines) else False


@dataclass(frozen=True)
class Finding:
    """One place that breaks a rule."""

    path: Path
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"
