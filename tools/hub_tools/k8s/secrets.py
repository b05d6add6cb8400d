"""`python -m hub_tools.k8s.secrets | kubectl apply -n hub-dev -f -`: fresh secrets for a cluster that has no store.

For trying things out: whoever can read the namespace can read them. Run twice it makes new ones, so running services
must be restarted; a production cluster fetches its secrets instead (component external-secrets).
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Sequence

from hub_common.crypto import generate_key
from hub_common.web import hash_token
from hub_common.web.auth import new_token
from hub_tools.k8s import postgres
from hub_tools.k8s.documents import Document, labels
from hub_tools.k8s.edges import COMMON_SECRET
from hub_tools.k8s.facts import Facts, installed
from ops_console.accounts import hash_password


def made(services: Sequence[Facts]) -> tuple[list[Document], dict[str, str]]:
    """The objects, and what a person must know of them: name → value, shown once."""
    token, console_token, password = new_token(), new_token(), secrets.token_urlsafe(12)
    tokens = f"operator:admin:{hash_token(token)},console:delegate:{hash_token(console_token)}"
    found = [_secret(COMMON_SECRET, {"operator-tokens": tokens, "credentials-keys": generate_key("k8s")})]
    found.append(_role(postgres.SCRATCH_OF, postgres.SCRATCH))
    for each in services:
        found.append(_role(each.name, each.database))
        if each.calls_services:
            accounts = f"admin:admin:*:{hash_password(password)}"
            own = {"HUB_CONSOLE_TOKEN": console_token, "HUB_LOCAL_ACCOUNTS": accounts}
            found.append(_secret(f"{each.name}-secrets", own))
    return found, {"operator's token": token, "console's account admin": password}


def _role(of: str, role: str) -> Document:
    held = {"username": role, "password": secrets.token_urlsafe(24)}
    return _secret(postgres.secret_name(of), held, "kubernetes.io/basic-auth")


def _secret(name: str, held: dict[str, str], kind: str = "Opaque") -> Document:
    metadata = {"name": name, "labels": labels(name, "secret") | {"cnpg.io/reload": "true"}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "stringData": held}


def main() -> int:
    """Objects to standard output, what a person must know to standard error."""
    if sys.stdout.isatty():
        sys.stderr.write("these are secrets: pipe them into `kubectl apply -n NAMESPACE -f -`\n")
        return 2
    documents, told = made(installed())
    json.dump({"apiVersion": "v1", "kind": "List", "items": documents}, sys.stdout)
    for name, value in told.items():
        sys.stderr.write(f"{name}, shown this once: {value}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
