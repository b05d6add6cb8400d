"""Findings of the doctor."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Grade(StrEnum):
    """`warn` will hurt later or only slows down; `bad` hurts now; `skipped` could not be looked at."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    check: str
    """Stable name, for scripts."""
    grade: Grade
    found: str
    do: str = ""
    """What to do; never empty for `warn` and `bad`."""
    service: str = ""

    def __post_init__(self) -> None:
        if self.grade in (Grade.WARN, Grade.BAD) and not self.do:
            raise ValueError(f"{self.check}: a finding must say what to do")

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def ok(check: str, found: str, service: str = "") -> Finding:
    """Nothing is wrong."""
    return Finding(check, Grade.OK, found, service=service)


def warn(check: str, found: str, do: str, service: str = "") -> Finding:
    """Something to see to soon."""
    return Finding(check, Grade.WARN, found, do, service)


def bad(check: str, found: str, do: str, service: str = "") -> Finding:
    """Something to see to now."""
    return Finding(check, Grade.BAD, found, do, service)


def skipped(check: str, why: str) -> Finding:
    """Not looked at, and why."""
    return Finding(check, Grade.SKIPPED, why)
