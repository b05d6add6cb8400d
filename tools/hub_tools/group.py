"""The root of the command tree: whatever goes wrong below ends as one line and one documented exit code.

Errors a person can act on never show a traceback; everything else is a defect and shows itself whole.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from hub_common.errors import StorageDown
from hub_common.kafka.records import BrokerDown
from hub_tools.client.errors import MEANINGS, CommandError, ExitCode, usage
from hub_tools.client.output import clean
from hub_tools.lazy import Place, load
from hub_tools.run.api import ApiError
from hub_tools.scaffold.errors import ScaffoldError
from hub_tools.setup.errors import SetupError
from hub_tools.stack.errors import StackError

ERRORS = (CommandError, ApiError, StackError, SetupError, ScaffoldError, BrokerDown, StorageDown, TyperException)
"""What a person can act on."""
EPILOG = "Exit codes: " + "; ".join(f"{code:d} {meaning}" for code, meaning in MEANINGS.items()) + "."


class HubGroup(TyperGroup):
    """Loads the command that is named, runs it and ends as documented."""

    places: Mapping[str, Place] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, in the order of the help."""
        return list(self.places)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; None when there is none."""
        if cmd_name not in self.places:
            return None
        if cmd_name not in self.commands:
            self.commands[cmd_name] = load(cmd_name, self.places[cmd_name])
        return self.commands[cmd_name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As its parent, with a suggestion for a typing error that knows of commands not loaded yet."""
        if args and args[0] not in self.places and not args[0].startswith("-"):
            near = get_close_matches(args[0], list(self.places), 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise usage(f"{args[0]}: no such command{hint} (see: hub --help)")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the arguments name."""
        # Taken before anything is parsed: wrong usage must be told in the form that was asked for.
        as_json = "--json" in [*ctx._protected_args, *ctx.args]
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Whoever read our output has enough; without this Python would complain at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(ExitCode.DONE) from None
        except (KeyboardInterrupt, typer.Abort) as error:
            word = "not done" if isinstance(error, typer.Abort) else "interrupted"
            ended = CommandError(word, ExitCode.INTERRUPTED)
        except ERRORS as error:
            known = as_command_error(error)
            if known is None:
                raise
            ended = known
        tell(ended, as_json)
        raise typer.Exit(ended.code)


def as_command_error(error: Exception) -> CommandError | None:
    """What an error of any layer means for the person who typed the command; None for a defect."""
    if isinstance(error, CommandError):
        return error
    if isinstance(error, ApiError):
        refused = 400 <= error.status < 500
        code = ExitCode.REFUSED if refused else ExitCode.FAILED if error.status else ExitCode.UNREACHABLE
        return CommandError(str(error), code, status=error.status)
    if isinstance(error, BrokerDown | StorageDown):
        return CommandError(str(error), ExitCode.UNREACHABLE)
    if isinstance(error, StackError | SetupError | ScaffoldError):
        return CommandError(str(error), ExitCode.FAILED)
    if isinstance(error, TyperException) and error.exit_code == ExitCode.USAGE and not _asks_for_help(error):
        path = getattr(getattr(error, "ctx", None), "command_path", "hub")
        return CommandError(f"{error.format_message()} (see: {path} --help)", ExitCode.USAGE)
    return None


def _asks_for_help(error: TyperException) -> bool:
    """A group without a command shows its help, which is not an error to put into one line."""
    return type(error).__name__ == "NoArgsIsHelpError"


def tell(error: CommandError, as_json: bool) -> None:
    """One line on standard error."""
    if as_json:
        print(json.dumps(error.as_dict(), default=str, ensure_ascii=False), file=sys.stderr)
    else:
        print(f"hub: {clean(error)}", file=sys.stderr)
