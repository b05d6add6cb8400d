"""The `hub` command. Errors a person can act on are one line, without a traceback; everything else is a defect and
shows itself whole."""

from __future__ import annotations

import sys

import typer

from hub_tools.commands import bench, compose_env, lint, new_connector, new_service, replay, run, stack
from hub_tools.run.api import ApiError
from hub_tools.scaffold.errors import ScaffoldError
from hub_tools.setup.errors import SetupError
from hub_tools.stack.errors import StackError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Work with an order-routing hub on this machine.",
)
app.add_typer(stack.app, name="stack")
app.command("lint")(lint.lint)
app.command("compose-env")(compose_env.compose_env)
app.command("replay")(replay.replay)
app.command("bench")(bench.bench)
app.command("new-connector")(new_connector.new_connector)
app.command("new-service")(new_service.new_service)
app.command("register-service")(new_service.register_service)
app.command("k8s-base")(new_service.k8s_base)
for command in (run.up, run.down, run.status, run.demo):
    app.command(command.__name__)(command)


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 failed with a message, 2 wrong usage, 3 the stack is not up."""
    try:
        app()
    except (StackError, SetupError, ApiError, ScaffoldError) as error:
        print(f"hub: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("hub: interrupted", file=sys.stderr)
        sys.exit(130)
