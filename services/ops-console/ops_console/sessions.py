"""Sessions of people in browsers: kept in the database as hashes, so that a stolen table opens nothing.

The cookie's value is the only secret. The CSRF token is derived from it: a foreign page can send a cookie along but
cannot read it, so it cannot know the token.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from hub_common.database import Conn
from hub_common.web import Role
from ops_console.accounts import User

TOUCH_SECONDS = 60
"""A session's last use is written down once a minute at most, so that reading pages writes next to nothing."""
FAILURES = 10
FAILURE_MINUTES = 15
"""Ten wrong passwords for a login within a quarter of an hour: guessing has to wait, a person who mistypes has not."""


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in browser."""

    key: bytes
    user: User
    csrf: str
    flash: tuple[str, str] | None = None
    """What the last action came to: `("done" | "failed", words)`."""


def key_of(token: str) -> bytes:
    """Under which a token's session is stored."""
    return hashlib.sha256(b"session:" + token.encode(errors="surrogatepass")).digest()


def csrf_of(token: str) -> str:
    """What forms of this session carry."""
    return hashlib.sha256(b"csrf:" + token.encode(errors="surrogatepass")).hexdigest()


def same(one: str, other: str) -> bool:
    """Constant-time comparison of two texts."""
    return hmac.compare_digest(one.encode(errors="surrogatepass"), other.encode(errors="surrogatepass"))


async def open_session(conn: Conn, user: User, now: datetime, hours: int) -> str:
    """Store a session and return the cookie's value. A new one for each sign-in: none can be planted beforehand."""
    token = secrets.token_urlsafe(32)
    await conn.execute("DELETE FROM sessions WHERE ends_at < $1", now)
    await conn.execute(
        "INSERT INTO sessions (session_key, login, role, tenants, opened_at, seen_at, ends_at)"
        " VALUES ($1, $2, $3, $4, $5, $5, $6)",
        key_of(token),
        user.login,
        user.role.name.lower(),
        user.tenant_filter,
        now,
        now + timedelta(hours=hours),
    )
    return token


async def find_session(conn: Conn, token: str, now: datetime, idle_minutes: int) -> Session | None:
    """The session of a cookie, None when it ended or never was. Takes its flash message away."""
    row = await conn.fetchrow(
        "SELECT * FROM sessions WHERE session_key = $1 AND ends_at > $2 AND seen_at > $3",
        key_of(token),
        now,
        now - timedelta(minutes=idle_minutes),
    )
    if row is None:
        return None
    if (now - row["seen_at"]).total_seconds() > TOUCH_SECONDS:
        await conn.execute("UPDATE sessions SET seen_at = $2 WHERE session_key = $1", row["session_key"], now)
    tenants = None if row["tenants"] is None else tuple(row["tenants"])
    flash = tuple(orjson.loads(row["flash"])) if row["flash"] else None
    return Session(row["session_key"], User(row["login"], Role[row["role"].upper()], tenants), csrf_of(token), flash)


async def close_session(conn: Conn, key: bytes) -> None:
    """Sign out."""
    await conn.execute("DELETE FROM sessions WHERE session_key = $1", key)


async def set_flash(conn: Conn, key: bytes, flash: tuple[str, str] | None) -> None:
    """What the next page of this session says at its top."""
    value = orjson.dumps(flash).decode() if flash else None
    await conn.execute("UPDATE sessions SET flash = $2 WHERE session_key = $1", key, value)


async def guessing(conn: Conn, login: str, now: datetime) -> bool:
    """Whether this login had too many wrong passwords lately."""
    count = await conn.fetchval(
        "SELECT count(*) FROM sign_in_failures WHERE login = $1 AND at > $2",
        login,
        now - timedelta(minutes=FAILURE_MINUTES),
    )
    return int(count) >= FAILURES


async def note_failure(conn: Conn, login: str, now: datetime) -> None:
    """One more wrong password; old ones are forgotten."""
    await conn.execute("DELETE FROM sign_in_failures WHERE at < $1", now - timedelta(days=1))
    await conn.execute("INSERT INTO sign_in_failures (login, at) VALUES ($1, $2)", login, now)
