"""Emptying a full outbox: the relay against the shortest loop that does the same."""

from __future__ import annotations

import asyncio
import secrets

import asyncpg
import orjson
from aiokafka import AIOKafkaProducer

from bench.floor_bare import HEADERS, VALUE
from bench.load import skus
from bench.measure import Sample, Watch, take_turns
from bench.options import Options
from bench.report import Figure, compared
from bench.stage import Stage
from hub_common.database import open_pool
from hub_common.kafka.client import PRODUCER_BATCH_BYTES, KafkaProducer
from hub_common.kafka.records import OutRecord
from hub_common.relay import Relay
from hub_common.tx import shard_of
from hub_contracts.topics import STOCK

HUB = "relay"
BARE = "select, send, delete"
SHARDS = 4
BATCH = 1000
"""Rows per round trip, for both; the services' default."""
COLUMNS = ("shard", "topic", "key", "headers", "version", "value")


async def fill(dsn: str, topic: str, count: int) -> None:
    """Rows as a service leaves them in its outbox, one per key."""
    conn = await asyncpg.connect(dsn)
    try:
        rows = [(shard_of(key, SHARDS), topic, key, HEADERS, 1, VALUE) for key in skus(count)]
        await conn.copy_records_to_table("outbox", records=rows, columns=COLUMNS)
        await conn.execute("VACUUM ANALYZE outbox")
    finally:
        await conn.close()


async def run_hub(kafka: str, dsn: str, topic: str, count: int) -> Sample:
    """The service's relay, holding all shards."""
    pool = await open_pool(dsn, 4, "bench")
    producer = KafkaProducer(kafka, f"relay-{secrets.token_hex(4)}")
    relay, watch = Relay(pool, producer, BATCH, "bench"), Watch()
    try:
        await producer.send([OutRecord(topic, b"warm", b"{}")])
        watch.first()
        while relay.sent_total < count:
            await relay.step(range(SHARDS))
        watch.last()
    finally:
        await producer.stop()
        await pool.close()
    return watch.sample(relay.sent_total)


async def run_bare(kafka: str, dsn: str, topic: str, count: int) -> Sample:
    """No shards, no order per key after a failure, no time-outs: trusts that every record is confirmed."""
    conn = await asyncpg.connect(dsn, server_settings={"jit": "off"})
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka, acks="all", linger_ms=0, max_batch_size=PRODUCER_BATCH_BYTES, enable_idempotence=False
    )
    await producer.start()
    watch, sent = Watch(), 0
    try:
        await producer.send_and_wait(topic, b"{}", key=b"warm")
        watch.first()
        while sent < count:
            rows = await conn.fetch(f"SELECT id, topic, key, headers, value FROM outbox ORDER BY id LIMIT {BATCH}")
            futures = [
                await producer.send(
                    row["topic"],
                    row["value"],
                    key=row["key"].encode(),
                    headers=[(name, value.encode()) for name, value in orjson.loads(row["headers"]).items()],
                )
                for row in rows
            ]
            await asyncio.gather(*futures)
            await conn.execute("DELETE FROM outbox WHERE id = ANY($1)", [row["id"] for row in rows])
            sent += len(rows)
        watch.last()
    finally:
        await producer.stop()
        await conn.close()
    return watch.sample(sent)


async def measure(stage: Stage, options: Options) -> list[Figure]:
    """Figures of the relay."""
    topic = await stage.topics() + STOCK

    async def hub() -> Sample:
        async with stage.database() as dsn:
            await fill(dsn, topic, options.events)
            await stage.checkpoint()
            return await run_hub(stage.kafka, dsn, topic, options.events)

    async def bare() -> Sample:
        async with stage.database() as dsn:
            await fill(dsn, topic, options.events)
            await stage.checkpoint()
            return await run_bare(stage.kafka, dsn, topic, options.events)

    samples = await take_turns({HUB: hub, BARE: bare}, options.rounds)
    return [compared("relay", HUB, samples, BARE, target=0.6)]


if __name__ == "__main__":
    from bench.main import alone

    raise SystemExit(alone("relay"))
