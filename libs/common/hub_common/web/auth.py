"""Who may call an operator's route. Tokens are stored as SHA-256 only, compared without telling how far they matched.

A random token of 256 bits needs no slow hash; what it needs is that reading the configuration does not give it away.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from starlette.requests import HTTPConnection

from hub_common.web.problems import Problem

CallableT = TypeVar("CallableT", bound=Callable[..., object])
MARK = "__hub_authenticates__"
_HASH = re.compile(r"^[0-9a-f]{64}$")
_LOGIN = re.compile(r"^[A-Za-z0-9._@+-]{1,64}$")
ACTOR_HEADER = "hub-actor"
"""Login of the person for whom a delegate calls."""
ROLE_HEADER = "hub-role"
"""That person's role."""
DELEGATE = "delegate"
"""Role word of a tool that calls for people who signed in there (the console). Without a person it may do nothing."""
MAX_TOKEN = 512
"""Longer bearer tokens are not ours; hashing megabytes for strangers is work they would set us."""


class Role(IntEnum):
    """What an operator may do; a higher role may do all that a lower one may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class Operator:
    """A person or tool that proved who it is."""

    login: str
    role: Role


@dataclass(frozen=True, slots=True)
class _Entry:
    operator: Operator
    digest: bytes
    delegate: bool = False


class OperatorTokens:
    """The tokens of one deployment."""

    def __init__(self, entries: tuple[_Entry, ...] = ()) -> None:
        self._entries = entries

    @classmethod
    def parse(cls, setting: str) -> OperatorTokens:
        """Read `HUB_OPERATOR_TOKENS`: `login:role:sha256hex`, comma-separated; empty = nobody may call.

        Raises `ValueError` naming the entry's number and the rule, never its content.
        """
        entries: list[_Entry] = []
        for number, text in enumerate((part.strip() for part in setting.split(",") if part.strip()), start=1):
            parts = text.split(":")
            if len(parts) != 3:
                raise ValueError(f"HUB_OPERATOR_TOKENS: entry {number} must be login:role:sha256hex")
            login, role, digest = parts
            if not _LOGIN.match(login):
                raise ValueError(
                    f"HUB_OPERATOR_TOKENS: login of entry {number}: letters, digits and ._@+- only, 64 at most"
                )
            if role != DELEGATE and role.upper() not in Role.__members__:
                raise ValueError(
                    f"HUB_OPERATOR_TOKENS: role of entry {number} must be viewer, operator, admin or delegate"
                )
            if not _HASH.match(digest):
                raise ValueError(f"HUB_OPERATOR_TOKENS: hash of entry {number} must be 64 lower-case hex digits")
            who = Operator(login, Role.VIEWER if role == DELEGATE else Role[role.upper()])
            entries.append(_Entry(who, bytes.fromhex(digest), role == DELEGATE))
        return cls(tuple(entries))

    def __bool__(self) -> bool:
        return bool(self._entries)

    def check(self, token: str, actor: str = "", role: str = "") -> Operator | None:
        """Who this token belongs to. Every entry is compared, so timing tells neither which nor how much matched.

        A delegate's token gives the person that `actor` and `role` name. Raises `Problem` 403 when they name none.
        """
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        found: _Entry | None = None
        for entry in self._entries:
            if hmac.compare_digest(entry.digest, digest):
                found = entry
        if found is None or not found.delegate:
            return found.operator if found else None
        if not _LOGIN.match(actor) or role.upper() not in Role.__members__:
            detail = f"A delegate's token needs the headers {ACTOR_HEADER} (a login) and {ROLE_HEADER} (a role)."
            raise Problem("actor-missing", "Nobody named", 403, detail)
        return Operator(actor, Role[role.upper()])


def new_token() -> str:
    """A fresh random token; show it once and configure `hash_token` of it."""
    return "hub_" + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """The form in which a token is configured."""
    return hashlib.sha256(token.encode()).hexdigest()


def authenticates(dependency: CallableT) -> CallableT:
    """Mark a dependency that proves who is calling (API key, webhook signature, console session).

    Routes carrying a marked dependency count as authenticated for `assert_all_routes_authenticated`.
    """
    setattr(dependency, MARK, True)
    return dependency


def operator(required_role: Role = Role.VIEWER) -> Callable[[HTTPConnection], Operator]:
    """Dependency: the caller shows `Authorization: Bearer <token>` of an operator with at least this role.

    Raises `Problem` 401 (no or unknown token) or 403 (role too low).
    """

    @authenticates
    def authenticate(connection: HTTPConnection) -> Operator:
        tokens: OperatorTokens = connection.app.state.operator_tokens
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise _unauthorised("Send the header Authorization: Bearer <token>.", 'Bearer realm="hub"')
        named = (connection.headers.get(ACTOR_HEADER, ""), connection.headers.get(ROLE_HEADER, ""))
        caller = tokens.check(token, *named) if len(token) <= MAX_TOKEN else None
        if caller is None:
            detail = "The token is not known." if tokens else "No operator tokens are configured (HUB_OPERATOR_TOKENS)."
            raise _unauthorised(detail, 'Bearer realm="hub", error="invalid_token"')
        if caller.role < required_role:
            detail = f"This needs the role {required_role.name.lower()}; yours is {caller.role.name.lower()}."
            raise Problem("role-too-low", "Role too low", 403, detail)
        return caller

    return authenticate


def _unauthorised(detail: str, challenge: str) -> Problem:
    return Problem("unauthorised", "Not authenticated", 401, detail, headers={"WWW-Authenticate": challenge})
