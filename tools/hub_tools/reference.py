"""The reference part of docs/command-line.md, written from the command tree, so that it cannot name what is not there.

`python -m hub_tools.reference` writes it, `--check` only compares (exit code 1 when it differs).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer import Context
from typer.main import get_command

from hub_tools.cli import app
from hub_tools.setup.paths import REPO

PAGE = REPO / "docs" / "command-line.md"
BEGIN, END = "<!-- begin: written by python -m hub_tools.reference -->", "<!-- end -->"
TABLE = "| command | document |\n| --- | --- |\n"


def leaves(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with its path, in the order of the help."""
    here: Any = get_command(app) if command is None else command
    if not hasattr(here, "list_commands"):
        yield path, here
        return
    context = Context(here)
    for name in here.list_commands(context):
        child = here.get_command(context, name)
        if child is not None and not child.hidden:
            yield from leaves(child, (*path, name))


def reference() -> str:
    """All commands as Markdown."""
    parts = []
    for path, command in leaves():
        arguments = [each for each in command.params if each.param_type_name == "argument"]
        options = [each for each in command.params if each.param_type_name == "option" and not each.hidden]
        title = " ".join(["hub", *path, *(_argument(each) for each in arguments)])
        parts.append(f"### `{title}`\n\n{_prose(command.help)}\n")
        rows = [(f"`{_argument(each)}`", _prose(each.help)) for each in arguments]
        rows += [(_option(each), _prose(each.help)) for each in options if "--help" not in each.opts]
        if rows:
            parts.append("| | |\n| --- | --- |\n" + "\n".join(f"| {name} | {text} |" for name, text in rows) + "\n")
    return "\n".join(parts)


def documents(page: Path = PAGE) -> dict[str, set[str]]:
    """Command → top-level fields of its document with --json, as the page's table tells them to scripts."""
    table = page.read_text(encoding="utf-8").partition(TABLE)[2].partition("\n\n")[0]
    found: dict[str, set[str]] = {}
    for line in table.splitlines():
        commands, fields = line.strip("| ").split(" | ", 1)
        names = set(re.findall(r"`([a-z_]+)`", re.sub(r"\([^()]*\)", "", fields)))
        found |= dict.fromkeys(re.findall(r"`([a-z0-9 -]+)`", commands), names)
    return found


def _argument(param: Any) -> str:
    name = (param.metavar or param.name).strip("[].").upper()
    name = f"{name}..." if param.nargs == -1 else name
    return name if param.required else f"[{name}]"


def _option(param: Any) -> str:
    names = ", ".join(f"`{name}`" for name in [*param.opts, *param.secondary_opts])
    default = param.default
    plain = isinstance(default, str | int | float) and not isinstance(default, bool) and default != ""
    return f"{names} (default `{getattr(default, 'value', default)}`)" if plain else names


def _prose(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "").strip().replace("|", "\\|")


def page_with(text: str, current: str) -> str:
    """The page with its reference part replaced. Raises `ValueError` without the two markers."""
    before, begin, rest = current.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name}: must contain {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"


def main(arguments: list[str], page: Path = PAGE) -> int:
    """Write or compare."""
    current = page.read_text(encoding="utf-8")
    wanted = page_with(reference(), current)
    if wanted == current:
        return 0
    if "--check" in arguments:
        print(f"{page.name} differs from the command tree; run: python -m hub_tools.reference", file=sys.stderr)
        return 1
    page.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
