"""Rebuilds one service of a hub in a database made for the purpose, and compares it with the present one."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hub_common.config import ServiceSettings
from hub_common.replay_proof import NotAtRest, Replayed, prove
from hub_common.service import ServiceSpec
from hub_tools.stack.databases import create_database, database_name, drop_database
from hub_tools.stack.errors import StackError

__all__ = ["Replayed", "replay_service"]


async def replay_service(spec: ServiceSpec, settings: ServiceSettings, admin_dsn: str) -> Replayed:
    """Rebuild, compare, and drop the rebuilt database whatever happens.

    Raises `StackError` when the service does not come to rest, `FenceBroken`, `GivenWritten`, `BrokerDown` and
    `StorageDown`.
    """
    try:
        return await prove(
            spec, settings, _made(admin_dsn, f"replay_{database_name(spec.name)}_{secrets.token_hex(4)}")
        )
    except NotAtRest as error:
        raise StackError(str(error)) from error


@asynccontextmanager
async def _made(admin_dsn: str, name: str) -> AsyncIterator[str]:
    dsn = await create_database(admin_dsn, name)
    try:
        yield dsn
    finally:
        await drop_database(admin_dsn, name)
