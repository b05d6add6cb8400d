"""`hub compose-env`: fresh secrets for docker compose, in a file that git ignores."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from hub_common.crypto import generate_key
from hub_common.web import hash_token
from hub_common.web.auth import new_token
from hub_tools.client.output import AsJson, emit, say, write
from hub_tools.setup.paths import REPO
from ops_console.accounts import hash_password

NAME = ".env"
Root = Annotated[Path, typer.Option("--root", help="Root of the clone to write to.", hidden=True)]


def compose_env(as_json: AsJson = False, root: Root = REPO) -> None:
    """Write .env for docker compose with new passwords, keys and an operator's token (shown once)."""
    path = root / NAME
    if path.exists():
        kept = f"{NAME} exists already and is kept; delete it to make new secrets (the databases keep the old ones)"
        _answer(path, as_json, [kept], written=False)
        return
    token, console_token, password = new_token(), new_token(), secrets.token_urlsafe(12)
    lines = {
        "HUB_POSTGRES_PASSWORD": secrets.token_urlsafe(24),
        "HUB_DATABASE_PASSWORD": secrets.token_urlsafe(24),
        "HUB_OPERATOR_TOKENS": f"operator:admin:{hash_token(token)},console:delegate:{hash_token(console_token)}",
        "HUB_CREDENTIALS_KEYS": generate_key("compose"),
        "HUB_CONSOLE_TOKEN": console_token,
        "HUB_LOCAL_ACCOUNTS": f"admin:admin:*:{hash_password(password)}",
    }
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in lines.items())
    once = [
        f"{NAME} written; the operator's token, shown this once: {token}",
        f"the console's account, shown this once: admin / {password}",
    ]
    _answer(path, as_json, once, written=True)


def _answer(path: Path, as_json: bool, lines: list[str], *, written: bool) -> None:
    """With --json names only; what is shown once goes to standard error, since the file holds nothing but its hash."""
    answer = {"file": str(path), "written": written, "names": _names(path) if as_json else []}
    emit(answer, as_json, lambda console: write(console, lines))
    for line in lines if as_json and written else ():
        say(line)


def _names(path: Path) -> list[str]:
    lines = (line.partition("=") for line in path.read_text(encoding="utf-8").splitlines())
    return [name for name, sign, _ in lines if sign and name.isidentifier()]
