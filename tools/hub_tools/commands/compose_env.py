"""`hub compose-env`: fresh secrets for docker compose, in a file that git ignores."""

from __future__ import annotations

import os
import secrets

import typer

from hub_common.crypto import generate_key
from hub_common.web import hash_token
from hub_common.web.auth import new_token
from hub_tools.setup.paths import REPO
from ops_console.accounts import hash_password

NAME = ".env"


def compose_env() -> None:
    """Write .env for docker compose with new passwords, keys and an operator's token (shown once)."""
    path = REPO / NAME
    if path.exists():
        typer.echo(
            f"{NAME} exists already and is kept; delete it to make new secrets (the databases keep the old ones)"
        )
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
    typer.echo(f"{NAME} written; the operator's token, shown this once: {token}")
    typer.echo(f"the console's account, shown this once: admin / {password}")
