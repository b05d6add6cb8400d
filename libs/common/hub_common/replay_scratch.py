"""`python -m SERVICE replay`: the comparison inside a cluster, in a database that is there for this alone.

`hub replay` makes a database for each run, which needs a superuser. In production nobody has one: an administrator made
one scratch database with a role of its own, and it is emptied before and after each run. Emptying the wrong database
would be the worst that a proof can do: only one that was found empty once, and bears our mark since, is emptied.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from hub_common.config import ServiceSettings
from hub_common.database import Conn
from hub_common.errors import StorageDown
from hub_common.kafka.records import BrokerDown
from hub_common.replay import FenceBroken, NotFresh
from hub_common.replay_given import GivenWritten
from hub_common.replay_proof import REST_SECONDS, NotAtRest, answer, prove
from hub_common.service import ServiceSpec

EQUAL, DIFFERENT, USAGE, NOT_READY = 0, 1, 2, 3
SECONDS = 600.0
"""Dropping the tables of a large service waits for its files."""
MARK = "Scratch of replays: everything here is removed before and after each."
LOCK = "SELECT pg_try_advisory_lock(hashtextextended('hub:replay', 0))"
STATE = """
SELECT obj_description(n.oid, 'pg_namespace') AS mark,
       (SELECT count(*) FROM pg_class c WHERE c.relnamespace = n.oid) AS relations
FROM pg_namespace n WHERE n.nspname = 'public'
"""
EMPTY = f"DROP SCHEMA public CASCADE; CREATE SCHEMA public; COMMENT ON SCHEMA public IS '{MARK}'"


class NotScratch(RuntimeError):
    """The database is no scratch database, or somebody else uses it; nothing in it was touched."""


class ScratchSettings(BaseSettings):
    """Where a replay may rebuild."""

    model_config = SettingsConfigDict(env_prefix="HUB_REPLAY_", extra="ignore")

    database_dsn: SecretStr
    """PostgreSQL address of the scratch database, with the role that owns it; never that of a service."""
    database_password: SecretStr = SecretStr("")
    """Its role's password where the address holds none: `PGPASSWORD` is the service's."""
    rest_seconds: float = Field(default=REST_SECONDS, gt=0)
    """How long to wait for an instant at which nothing is on its way."""

    @property
    def address(self) -> str:
        """The address with the password in it."""
        dsn, password = self.database_dsn.get_secret_value(), self.database_password.get_secret_value()
        parts = urlsplit(dsn)
        user, at, place = parts.netloc.rpartition("@")
        if not at or ":" in user or not password:
            return dsn
        return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{place}"))


@asynccontextmanager
async def scratch(dsn: str) -> AsyncIterator[str]:
    """The emptied scratch database, for one replay at a time. Raises `NotScratch` and `StorageDown`."""
    try:
        conn = await asyncpg.connect(dsn, timeout=10, command_timeout=SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StorageDown(f"cannot reach the scratch database: {type(error).__name__}: {error}") from None
    try:
        if not await conn.fetchval(LOCK):
            raise NotScratch("another replay runs in the scratch database; wait until it is over")
        await _claim(conn)
        try:
            yield dsn
        finally:
            await conn.execute(EMPTY)
    finally:
        await conn.close()


async def _claim(conn: Conn) -> None:
    state = await conn.fetchrow(STATE)
    if state is None or (state["relations"] and state["mark"] != MARK):
        found = f"{state['relations']} tables, indexes and sequences" if state else "no schema `public`"
        raise NotScratch(
            f"HUB_REPLAY_DATABASE_DSN: the database has {found} and no mark of a replay; give one that is empty"
        )
    await conn.execute(EMPTY)


def main(spec: ServiceSpec, settings: ServiceSettings) -> int:
    """Compare and print the answer as one line of JSON; 0 = equal, 1 = not, 2 = usage, 3 = could not be compared."""
    try:
        where = ScratchSettings()
    except ValidationError as error:
        for problem in error.errors(include_input=False):
            name = "HUB_REPLAY_" + "_".join(map(str, problem["loc"])).upper()
            sys.stderr.write(f"{spec.name}: {name}: {problem['msg']}\n")
        return USAGE
    if spec.replay is None:
        sys.stderr.write(f"{spec.name}: it declares no replay plan\n")
        return DIFFERENT
    try:
        return asyncio.run(_main(spec, settings, where))
    except (BrokerDown, FenceBroken, GivenWritten, NotAtRest, NotFresh, NotScratch, StorageDown) as error:
        sys.stderr.write(f"{spec.name}: {error}\n")
    except asyncio.CancelledError:
        sys.stderr.write(f"{spec.name}: told to stop; nothing was compared\n")
    return NOT_READY


async def _main(spec: ServiceSpec, settings: ServiceSettings, where: ScratchSettings) -> int:
    task = asyncio.current_task()
    assert task is not None, "a coroutine that runs is a task"
    # Ended without this, the rebuilt rows would stay until the next replay.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    done = await prove(spec, settings, scratch(where.address), rest_seconds=where.rest_seconds)
    sys.stdout.write(json.dumps(answer(spec, done), default=str) + "\n")
    return EQUAL if done.equal else DIFFERENT
