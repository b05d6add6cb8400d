"""`hub hash-password`: an entry for HUB_LOCAL_ACCOUNTS; the password is asked for, never an argument."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ops_console.accounts import hash_password, parse_accounts


def hash_password_command(
    login: Annotated[str, typer.Argument(help="Login of the person.")],
    role: Annotated[str, typer.Option(help="viewer, operator or admin.")] = "viewer",
    tenants: Annotated[str, typer.Option(help="* for all, or names joined by |.")] = "*",
) -> None:
    """Print an entry for HUB_LOCAL_ACCOUNTS; the password is asked for, or read from standard input."""
    password = (
        typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        if sys.stdin.isatty()
        else sys.stdin.readline().rstrip("\n")
    )
    try:
        entry = f"{login}:{role}:{tenants}:{hash_password(password)}"
        parse_accounts(entry)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    typer.echo(entry)
