"""The connection pool of a service's own database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from hub_common.errors import StorageDown

if TYPE_CHECKING:
    Conn: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Conn = asyncpg.Connection
"""A connection whose rows are plain records; asyncpg's class only takes the parameter in stubs."""


ACQUIRE_SECONDS = 10
STATEMENT_SECONDS = 30
"""A statement that takes longer is a missing index or a lock that nobody lets go; waiting helps neither."""


async def _keep_session(_: asyncpg.Connection[asyncpg.Record]) -> None:
    """Save the round trip that would reset the session after every use: nothing here sets variables, listens or takes
    session locks, and an open transaction has been rolled back by asyncpg before this is called."""


async def open_pool(dsn: str, size: int, application: str) -> asyncpg.Pool[asyncpg.Record]:
    """A pool of up to `size` connections. Raises `StorageDown` when the database does not answer in ten seconds."""
    try:
        async with asyncio.timeout(ACQUIRE_SECONDS):
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=size,
                command_timeout=STATEMENT_SECONDS,
                max_inactive_connection_lifetime=300,
                reset=_keep_session,
                server_settings={"application_name": application, "timezone": "UTC", "jit": "off"},
            )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StorageDown(f"cannot reach the database: {type(error).__name__}: {error}") from None
    assert pool is not None
    return pool
