"""Proof that a service's migrations lead to the schema that its code believes in."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool


async def schema_differences(dsn: str, metadata: MetaData) -> list[Any]:
    """What alembic would still change in this database to reach `metadata`; empty when they agree."""
    engine = create_async_engine(dsn.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool)

    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    async with engine.connect() as connection:
        found = await connection.run_sync(compare)
    await engine.dispose()
    return [entry for entry in found if not _is_version_table(entry)]


def _is_version_table(entry: Any) -> bool:
    return isinstance(entry, tuple) and entry[0] == "remove_table" and entry[1].name == "alembic_version"
