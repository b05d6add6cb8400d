"""Brings a service's schema to head, and refuses to run on one that is older than the code.

Every migration runs under a short `lock_timeout`: waiting for a lock behind a long query would queue up all writers
behind the migration. A newer schema is tolerated, because migrations run before the roll-out.

Alembic is imported where migrations run: a service that only checks its schema would carry it about for nothing.
"""

from __future__ import annotations

import asyncio
import re
import threading
from importlib.resources import files
from typing import TYPE_CHECKING

import asyncpg
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

if TYPE_CHECKING:
    from alembic.config import Config

LOCK_TIMEOUT = "5s"
_one_at_a_time = threading.Lock()
"""Alembic keeps the migration that runs in a variable of its module: two threads would run each other's."""


class SchemaTooOld(RuntimeError):
    """The database lacks migrations that this code needs."""


def alembic_config(package: str, dsn: str) -> Config:
    """Alembic's configuration for a service package; there is no ini file to drift."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files(package) / "migrations"))
    config.attributes["dsn"] = dsn
    return config


def upgrade(package: str, dsn: str) -> None:
    """Run all missing migrations. Blocking; call it from a thread when a loop is running."""
    from alembic import command

    with _one_at_a_time:
        command.upgrade(alembic_config(package, dsn), "head")


async def upgrade_async(package: str, dsn: str) -> None:
    """`upgrade` from inside a running loop."""
    await asyncio.to_thread(upgrade, package, dsn)


def run_migrations(metadata: MetaData) -> None:
    """Body of every service's `migrations/env.py`."""
    from alembic import context

    asyncio.run(_run(metadata, context.config.attributes["dsn"]))


async def _run(metadata: MetaData, dsn: str) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    # The driver reads the address itself: SQLAlchemy would pass `sslmode` and `sslrootcert` on as unknown arguments.
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(dsn), poolclass=NullPool
    )
    async with engine.connect() as connection:
        await connection.run_sync(_do, metadata)
        await connection.commit()
    await engine.dispose()


def _do(connection: Connection, metadata: MetaData) -> None:
    from alembic import context

    context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=False)
    with context.begin_transaction():
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        # Two replicas that start together must not both migrate.
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('hub:migrations', 0))"))
        context.run_migrations()


REVISION = re.compile(r'^(down_)?revision = (?:"(\w+)"|None)', re.MULTILINE)


def revisions(package: str) -> tuple[frozenset[str], str]:
    """All revisions of a service package and the newest, read from the files without running them.

    Raises `ValueError` when they do not form one line.
    """
    known: set[str] = set()
    followed: set[str] = set()
    for file in (files(package) / "migrations" / "versions").iterdir():
        if file.name.endswith(".py"):
            for down, revision in REVISION.findall(file.read_text()):
                (followed if down else known).add(revision)
    heads = known - followed
    if len(heads) != 1:
        raise ValueError(f"{package}: migrations must end in one revision, found {sorted(heads)}")
    return frozenset(known), heads.pop()


async def check_head(package: str, conn: asyncpg.Connection[asyncpg.Record]) -> None:
    """Raise `SchemaTooOld` when the newest migration of the code has not been run."""
    known, head = revisions(package)
    exists = await conn.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL")
    current = await conn.fetchval("SELECT version_num FROM alembic_version") if exists else None
    if current is None or (current in known and current != head):
        raise SchemaTooOld(
            f"{package}: schema is at {current or 'nothing'}, code needs {head}; run: python -m {package} migrate"
        )


def create_sql(metadata: MetaData, *, only: set[str] | None = None, without: set[str] | None = None) -> str:
    """SQL that creates the tables, to be frozen in a migration file."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    statements: list[str] = []
    for table in metadata.sorted_tables:
        if (only is not None and table.name not in only) or (without is not None and table.name in without):
            continue
        statements.append(str(CreateTable(table).compile(dialect=dialect)).strip())
        statements += [
            str(CreateIndex(index).compile(dialect=dialect)).strip()
            for index in sorted(table.indexes, key=lambda index: str(index.name))
        ]
    return ";\n\n".join(statements) + ";\n"


def run_sql_file(package: str, name: str) -> None:
    """Run the statements of a frozen SQL file that lies beside a package's migrations."""
    from alembic import op

    sql = (files(package) / "migrations" / "sql" / name).read_text()
    for statement in sql.split(";\n"):
        if statement.strip():
            op.execute(text(statement.replace(":", "\\:")))
