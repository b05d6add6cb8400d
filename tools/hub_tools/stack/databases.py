"""One database and one role per service, and nobody else may connect to it.

A service that reads another's tables works until the other changes them. PostgreSQL itself refuses it here, on a
laptop as in production: CONNECT is taken from PUBLIC, each role owns exactly its own database.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from .files import kept_secret

if TYPE_CHECKING:
    from asyncpg import Connection

_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class ServiceDatabase:
    """Where a service keeps its data. `dsn` holds the password and is left out of the repr."""

    service: str
    role: str
    database: str
    dsn: str = field(repr=False)


def database_name(service: str) -> str:
    """`order-ingest` → `order_ingest`: the name of both the database and the role."""
    return service.replace("-", "_")


async def ensure_service_databases(
    admin_dsn: str, services: Iterable[str], secrets_folder: Path
) -> dict[str, ServiceDatabase]:
    """Make role and database of each service, idempotently; returns them by service name.

    Passwords are generated once and kept in `secrets_folder` (mode 0600). `admin_dsn` must be a superuser's.
    """
    made: dict[str, ServiceDatabase] = {}
    async with _connection(admin_dsn) as connection:
        # A failing statement would otherwise stand in the server's log, with the password in it.
        await connection.execute("SET log_min_error_statement = panic")
        for service in services:
            name = database_name(service)
            password = kept_secret(secrets_folder / f"database-{service}")
            await _ensure_role(connection, name, password)
            await _ensure_database(connection, name)
            made[service] = ServiceDatabase(service, name, name, dsn_for(admin_dsn, name, name, password))
    return made


async def create_database(admin_dsn: str, name: str, *, template: str | None = None) -> str:
    """Make an empty database, or a copy of `template` (to which nobody may be connected); returns its DSN."""
    async with _connection(admin_dsn) as connection:
        # A file copy of a small database is several times quicker than logging each of its pages.
        options = f" TEMPLATE {_identifier(template)} STRATEGY FILE_COPY" if template else ""
        await connection.execute(f"CREATE DATABASE {_identifier(name)}{options}")
    return dsn_for(admin_dsn, name)


async def drop_database(admin_dsn: str, name: str) -> None:
    """Remove a database, its connections with it. Nothing happens when it does not exist."""
    async with _connection(admin_dsn) as connection:
        await connection.execute(f"DROP DATABASE IF EXISTS {_identifier(name)} WITH (FORCE)")


async def is_superuser(dsn: str) -> bool:
    """Whether `dsn` lets us in as a superuser. False for every failure to connect."""
    try:
        async with _connection(dsn) as connection:
            return bool(await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, TimeoutError):
        return False


def dsn_for(admin_dsn: str, database: str, user: str | None = None, password: str | None = None) -> str:
    """`admin_dsn` with another database, and another user and password if given."""
    parts = urlsplit(admin_dsn)
    place = parts.netloc
    if user is not None:
        place = f"{quote(user, safe='')}:{quote(password or '', safe='')}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=place, path=f"/{quote(database, safe='')}"))


async def _ensure_role(connection: Connection, name: str, password: str) -> None:
    exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name)
    if not exists:
        await connection.execute(f"CREATE ROLE {_identifier(name)} NOSUPERUSER NOCREATEDB NOCREATEROLE")
    # Utility statements take no parameters; the server quotes name and password for us.
    statement = await connection.fetchval(
        "SELECT format('ALTER ROLE %I LOGIN PASSWORD %L', $1::text, $2::text)", name, password
    )
    await connection.execute(statement)


async def _ensure_database(connection: Connection, name: str) -> None:
    exists = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name)
    if not exists:
        await connection.execute(f"CREATE DATABASE {_identifier(name)}")
    for statement in (
        f"ALTER DATABASE {_identifier(name)} OWNER TO {_identifier(name)}",
        f"REVOKE ALL ON DATABASE {_identifier(name)} FROM PUBLIC",
        f"GRANT CONNECT, TEMPORARY ON DATABASE {_identifier(name)} TO {_identifier(name)}",
    ):
        await connection.execute(statement)


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@asynccontextmanager
async def _connection(dsn: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(dsn, timeout=_TIMEOUT_S, command_timeout=_TIMEOUT_S)
    try:
        yield connection
    finally:
        await connection.close(timeout=_TIMEOUT_S)
