"""The servers of one run: real PostgreSQL (with fsync) and the best broker of this machine, in a folder that is
removed, tied to this process so that nothing outlives an aborted run."""

from __future__ import annotations

import secrets
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from hub_common.kafka.client import KafkaProducer, ensure_topics
from hub_common.kafka.records import OutRecord
from hub_common.migrate import upgrade
from hub_common.testing.probe.main import SPEC
from hub_contracts.topics import SHOP_ACTIVITY, STOCK, TOPIC_BY_NAME
from hub_tools.stack.broker import open_broker, open_postgres
from hub_tools.stack.databases import create_database, drop_database
from hub_tools.stack.files import FOLDER_MODE
from hub_tools.stack.waiting import run_sync

TEMPLATE = "bench_probe"
PRELOAD_CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Stage:
    """Running servers. `postgres` is a superuser's DSN; TEMPLATE holds the probe service's schema, migrated."""

    kafka: str
    postgres: str
    broker_kind: str
    postgres_kind: str

    @asynccontextmanager
    async def database(self, template: str = TEMPLATE) -> AsyncIterator[str]:
        """A fresh copy of a template database, dropped afterwards; every round starts from the same pages."""
        name = f"bench_{secrets.token_hex(6)}"
        dsn = await create_database(self.postgres, name, template=template)
        try:
            yield dsn
        finally:
            await drop_database(self.postgres, name)

    async def checkpoint(self) -> None:
        """Write back what the preparation dirtied, so that it is not paid for by whoever is measured next."""
        conn = await asyncpg.connect(self.postgres)
        try:
            await conn.execute("CHECKPOINT")
        finally:
            await conn.close()

    async def topics(self) -> str:
        """Fresh topics with the partitions of production; returns their prefix."""
        prefix = f"b{secrets.token_hex(4)}-"
        await ensure_topics(self.kafka, [TOPIC_BY_NAME[SHOP_ACTIVITY], TOPIC_BY_NAME[STOCK]], prefix=prefix)
        return prefix

    async def preload(self, records: Sequence[OutRecord]) -> None:
        """Put records into their topics and wait until the broker confirmed all of them."""
        producer = KafkaProducer(self.kafka, "bench-preload")
        try:
            for start in range(0, len(records), PRELOAD_CHUNK):
                assert all(await producer.send(records[start : start + PRELOAD_CHUNK])), "the broker refused a record"
        finally:
            await producer.stop()


def _told_to_end(*_: object) -> None:
    raise SystemExit(143)


@contextmanager
def open_stage() -> Iterator[Stage]:
    """Start the servers; whatever happens, they are stopped and their folder is removed. Raises `StackError`."""
    signal.signal(signal.SIGTERM, _told_to_end)
    folder = Path(tempfile.mkdtemp(prefix="hub-bench-"))
    # PostgreSQL runs under another user when this is run as root.
    folder.chmod(FOLDER_MODE)
    postgres = open_postgres(folder / "postgres", durable=True, death_signal=signal.SIGKILL)
    broker = open_broker(folder / "broker", death_signal=signal.SIGKILL, say=print)
    try:
        postgres.start()
        broker.start()
        if postgres.kind == "env":
            run_sync(drop_database(postgres.dsn, TEMPLATE))
        upgrade(SPEC.package, run_sync(create_database(postgres.dsn, TEMPLATE)))
        yield Stage(broker.bootstrap_servers, postgres.dsn, broker.kind, postgres.kind)
    finally:
        if postgres.kind == "env":
            run_sync(drop_database(postgres.dsn, TEMPLATE))
        for server in (broker, postgres):
            server.remove()
        shutil.rmtree(folder, ignore_errors=True)
