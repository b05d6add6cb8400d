"""Who a person is: local accounts with slow password hashes, and what a role and its tenants allow. Pure.

Local accounts exist for the embedded default and as a way in when the identity provider is away.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from hub_common.web import Role

COST = 2**14
"""scrypt's N with r=8: 16 MiB and some 40 ms for each guess."""
_LOGIN = re.compile(r"[A-Za-z0-9._@+-]{1,64}")
_TENANT = re.compile(r"[^\s:|,]{1,100}")
MIN_PASSWORD = 12
MAX_PASSWORD = 256
"""Longer ones are hashed by nobody: hashing megabytes for strangers is work they would set us."""


@dataclass(frozen=True, slots=True)
class User:
    """A person who proved who they are."""

    login: str
    role: Role
    tenants: tuple[str, ...] | None = None
    """None = all tenants."""

    def may(self, role: Role) -> bool:
        """Whether this role is reached."""
        return self.role >= role

    def sees(self, tenant: str) -> bool:
        """Whether this tenant is the person's business."""
        return self.tenants is None or tenant in self.tenants

    @property
    def tenant_filter(self) -> list[str] | None:
        """For SQL: `$n::text[] IS NULL OR tenant = ANY($n)`."""
        return None if self.tenants is None else list(self.tenants)


@dataclass(frozen=True, slots=True)
class Account:
    """A local account."""

    user: User
    password_hash: str


def parse_accounts(setting: str) -> dict[str, Account]:
    """Read `HUB_LOCAL_ACCOUNTS`. Raises `ValueError` naming the entry's number and the rule, never its content."""
    found: dict[str, Account] = {}
    for number, text in enumerate(setting.split(), start=1):
        parts = text.split(":")
        if len(parts) != 4:
            raise ValueError(f"HUB_LOCAL_ACCOUNTS: entry {number} must be login:role:tenants:hash")
        login, role, tenants, hashed = parts
        if not _LOGIN.fullmatch(login) or login in found:
            raise ValueError(f"HUB_LOCAL_ACCOUNTS: login of entry {number} is not a login, or is named twice")
        if not hashed.startswith("scrypt.") or len(hashed.split(".")) != 4:
            raise ValueError(f"HUB_LOCAL_ACCOUNTS: hash of entry {number} must be one that `hub hash-password` wrote")
        where = f"HUB_LOCAL_ACCOUNTS: entry {number}"
        found[login] = Account(User(login, read_role(role, where), read_tenants(tenants, where)), hashed)
    return found


def read_role(text: str, where: str) -> Role:
    """A role by its name. Raises `ValueError`."""
    if text.upper() not in Role.__members__:
        raise ValueError(f"{where}: the role must be viewer, operator or admin")
    return Role[text.upper()]


def read_tenants(text: str, where: str) -> tuple[str, ...] | None:
    """`*` for all, else names joined by `|`. Raises `ValueError`: nobody sees everything by a slip."""
    if text == "*":
        return None
    names = tuple(text.split("|"))
    if not all(_TENANT.fullmatch(name) for name in names) or "*" in names:
        raise ValueError(f"{where}: tenants must be * or names joined by |")
    return names


def user_of_claims(values: Iterable[str], roles: dict[str, str], login: str) -> User | None:
    """The person that these groups make: the highest role, the tenants of all of them. None = none of them counts.

    Raises `ValueError` for a mapping that cannot be read.
    """
    highest: Role | None = None
    tenants: set[str] | None = set()
    for value in values:
        if value not in roles:
            continue
        name, _, bound = roles[value].partition(":")
        role = read_role(name, "HUB_OIDC_ROLES")
        named = read_tenants(bound or "*", "HUB_OIDC_ROLES")
        highest = role if highest is None else max(highest, role)
        tenants = None if tenants is None or named is None else tenants | set(named)
    if highest is None:
        return None
    return User(login, highest, None if tenants is None else tuple(sorted(tenants)))


def hash_password(password: str) -> str:
    """The form in which a password is configured: no character that a shell or compose reads otherwise.

    Raises `ValueError` for a password that is too short or too long.
    """
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise ValueError(f"password: {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    salt = secrets.token_bytes(16)
    return f"scrypt.{COST}.{_text(salt)}.{_text(_derive(password, salt, COST))}"


NOBODY = f"scrypt.{COST}.{'A' * 22}.{'A' * 43}"
"""Compared with when the login is unknown, so that an unknown login takes as long as a wrong password."""


def password_fits(password: str, hashed: str) -> bool:
    """Constant-time comparison; takes tens of milliseconds, so not for the event loop."""
    _, cost, salt, expected = hashed.split(".")
    if len(password) > MAX_PASSWORD:
        return False
    return hmac.compare_digest(_derive(password, _bytes(salt), int(cost)), _bytes(expected))


def _derive(password: str, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(password.encode(errors="surrogatepass"), salt=salt, n=cost, r=8, p=1, dklen=32)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
