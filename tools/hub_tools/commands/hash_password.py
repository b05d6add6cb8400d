"""`hub hash-password`: an entry for HUB_LOCAL_ACCOUNTS; the password is asked for, never an argument."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hub_tools.client.errors import usage
from hub_tools.client.output import AsJson, emit, write
from ops_console.accounts import hash_password, parse_accounts


def hash_password_command(
    login: Annotated[str, typer.Argument(help="Login of the person.")],
    role: Annotated[str, typer.Option(help="viewer, operator or admin.")] = "viewer",
    tenants: Annotated[str, typer.Option(help="* for all, or names joined by |.")] = "*",
    as_json: AsJson = False,
) -> None:
    """Print an entry for HUB_LOCAL_ACCOUNTS; the password is asked for, or read from standard input."""
    password = _password(as_json)
    try:
        hashed = hash_password(password)
        entry = f"{login}:{role}:{tenants}:{hashed}"
        parse_accounts(entry)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    answer = {"login": login, "role": role, "tenants": tenants.split("|"), "hash": hashed, "entry": entry}
    emit(answer, as_json, lambda console: write(console, [entry]))


def _password(as_json: bool) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    if as_json:
        raise usage("the password: must come on standard input with --json, where nobody is asked")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
