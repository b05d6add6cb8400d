"""How commands end. Scripts branch on exit codes, so each means one thing, everywhere."""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """Exit codes of `hub`, as documented in docs/command-line.md."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    INTERRUPTED = 130


MEANINGS: dict[ExitCode, str] = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "failed, or what was looked at has a problem, or nothing was found",
    ExitCode.USAGE: "wrong usage: an option, an argument or a setting",
    ExitCode.UNREACHABLE: "something that is needed does not answer",
    ExitCode.REFUSED: "the hub answered no: role too low, unknown, in another state, or a broken rule",
    ExitCode.INTERRUPTED: "interrupted",
}
KINDS: dict[ExitCode, str] = {
    ExitCode.FAILED: "failed",
    ExitCode.USAGE: "usage",
    ExitCode.UNREACHABLE: "unreachable",
    ExitCode.REFUSED: "refused",
    ExitCode.INTERRUPTED: "interrupted",
}
"""The words of `error.kind` in machine-readable errors."""


class CommandError(RuntimeError):
    """A command cannot do what it was asked. The message is one line for people and holds no secret."""

    def __init__(
        self, message: str, code: ExitCode, *, service: str = "", status: int = 0, problem: dict[str, Any] | None = None
    ) -> None:
        super().__init__(" ".join(message.split()))
        self.code = code
        self.service = service
        self.status = status
        self.problem = problem

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints on standard error, as one line."""
        body: dict[str, Any] = {"kind": KINDS.get(self.code, "failed"), "exit_code": int(self.code)}
        body["message"] = str(self)
        if self.service:
            body["service"] = self.service
        if self.status:
            body["status"] = self.status
        if self.problem is not None:
            body["problem"] = self.problem
        return {"error": body}


def usage(message: str) -> CommandError:
    """Wrong usage: names the option or setting and the rule."""
    return CommandError(message, ExitCode.USAGE)


def refused(message: str) -> CommandError:
    """What was named does not exist, or may not be done."""
    return CommandError(message, ExitCode.REFUSED)


def unreachable(message: str, service: str = "") -> CommandError:
    """Something does not answer."""
    return CommandError(message, ExitCode.UNREACHABLE, service=service)
