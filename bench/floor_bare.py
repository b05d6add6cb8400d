"""The hop as one would write it once, for one event type, trusting every byte: aiokafka, asyncpg, batches, no models.

The same statements as the runtime's where the work is the same (inbox, state, versions and outbox); the outbox rows
carry bytes prepared beforehand, nothing is validated, nothing is parked, and one bad record would stop it for good.
"""

from __future__ import annotations

import secrets

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer

from bench.measure import Sample, Watch
from hub_common.kafka.client import FETCH_BYTES, PARTITION_BYTES
from hub_common.testing.probe.handlers import UPSERT
from hub_common.tx import FLUSH
from hub_contracts.topics import STOCK

CLAIM = "INSERT INTO inbox (event_id) SELECT * FROM unnest($1::uuid[]) ON CONFLICT DO NOTHING RETURNING event_id"
HEADERS = orjson.dumps(
    {
        "ce_specversion": "1.0",
        "ce_id": "0192f6a0-7c1e-7b3a-9d55-0b8a4c1f2e11",
        "ce_type": "offer.changed.v1",
        "ce_source": "probe",
        "ce_time": "2026-11-02T08:15:42.123456Z",
        "ce_subject": "GDN-0000000-ANTHRACITE",
        "content-type": "application/json",
        "tenant": "tenant-1",
        "origin": "live",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "ce_causationid": "0192f6a0-7c1e-7b3a-9d55-0b8a4c1f2e12",
    }
).decode()
VALUE = orjson.dumps(
    {
        "connection_id": "0192f6a0-7c1e-7b3a-9d55-0b8a4c1f2e11",
        "environment": "sandbox",
        "offer_sku": "GDN-0000000-ANTHRACITE",
        "shop_connection_id": "0192f6a0-7c1e-7b3a-9d55-0b8a4c1f2e11",
        "shop_sku": "GDN-0000000-ANTHRACITE",
        "on_hand": 100,
        "reserved": 0,
        "buffer": 0,
        "available": 100,
        "price": None,
        "changed_at": "2026-11-02T08:15:42.123456Z",
    }
)


async def run(kafka: str, dsn: str, topic: str, count: int, batch: int) -> Sample:
    """Work off `count` events of `topic` in transactions of up to `batch` records."""
    conn = await asyncpg.connect(dsn, server_settings={"jit": "off"})
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=kafka,
        group_id=f"bare-{secrets.token_hex(4)}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_bytes=FETCH_BYTES,
        max_partition_fetch_bytes=PARTITION_BYTES,
    )
    await consumer.start()
    watch, done = Watch(), 0
    try:
        while done < count:
            fetched = await consumer.getmany(timeout_ms=250, max_records=batch)
            if not fetched:
                continue
            watch.first()
            records = [record for part in fetched.values() for record in part]
            keys = [record.key.decode() for record in records]
            size = len(records)
            async with conn.transaction():
                await conn.fetch(CLAIM, [dict(record.headers)["ce_id"].decode() for record in records])
                await conn.execute(UPSERT, keys, [orjson.loads(record.value)["quantity"] for record in records])
                await conn.execute(
                    FLUSH, [STOCK] * size, keys, [0] * size, [0] * size, [HEADERS] * size, [VALUE] * size
                )
            await consumer.commit({partition: part[-1].offset + 1 for partition, part in fetched.items()})
            watch.last()
            done += size
    finally:
        await consumer.stop()
        await conn.close()
    return watch.sample(done)
