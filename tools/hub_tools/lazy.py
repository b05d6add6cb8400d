"""Commands that are loaded when somebody names them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.main import get_command


@dataclass(frozen=True)
class Place:
    """Where a command lives, and under which heading of `hub --help` it stands."""

    module: str
    panel: str
    function: str = ""
    """Name of the function where it is not the command's."""


def load(name: str, place: Place) -> Any:
    """The command `name`: the module's group, or its function of that name."""
    module = import_module(f"hub_tools.commands.{place.module}")
    if hasattr(module, "app"):
        command: Any = get_command(module.app)
    else:
        single = typer.Typer(add_completion=False)
        single.command(name)(getattr(module, place.function or name.replace("-", "_")))
        command = get_command(single)
    command.name = name
    command.rich_help_panel = place.panel
    return command
