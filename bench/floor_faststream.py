"""The hop as a good team would write it with the usual framework: FastStream, pydantic, SQLAlchemy on asyncpg.

Both forms do what the runtime promises as far as the framework lets them (inbox, state, versions, outbox, offsets
after the commit); neither parks keys, isolates a bad record or tells of dead letters. `run_core` is the fast form
(batch subscriber, Core, multi-row statements), `run_orm` the common one (a session and a transaction per message).
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.middlewares import AckPolicy
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from bench.measure import Sample, Watch
from hub_common.testing.probe.tables import METADATA
from hub_contracts.orders import Environment
from hub_contracts.shop_activity import StockReported
from hub_contracts.stock import OfferChanged
from hub_contracts.topics import STOCK

INBOX, NOTES = METADATA.tables["inbox"], METADATA.tables["notes"]
AGGREGATES, OUTBOX = METADATA.tables["aggregates"], METADATA.tables["outbox"]

LIMIT_SECONDS = 600
CLAIM = insert(INBOX).on_conflict_do_nothing().returning(INBOX.c.event_id)
_NOTE = insert(NOTES)
NOTE = _NOTE.on_conflict_do_update(
    index_elements=[NOTES.c.sku],
    set_={"quantity": _NOTE.excluded.quantity, "times": NOTES.c.times + _NOTE.excluded.times},
)
_BUMP = insert(AGGREGATES)
BUMP = _BUMP.on_conflict_do_update(
    index_elements=[AGGREGATES.c.topic, AGGREGATES.c.key],
    set_={"version": AGGREGATES.c.version + _BUMP.excluded.version},
).returning(AGGREGATES.c.key, AGGREGATES.c.version)
TELL = insert(OUTBOX)


def engine_for(dsn: str) -> AsyncEngine:
    """An engine as its documentation recommends, with the quick JSON encoder."""
    return create_async_engine(
        dsn.replace("postgresql://", "postgresql+asyncpg://", 1),
        json_serializer=lambda value: orjson.dumps(value).decode(),
        connect_args={"server_settings": {"jit": "off"}},
    )


async def run_core(kafka: str, dsn: str, topic: str, count: int, batch: int) -> Sample:
    """Batch subscriber, one transaction per batch, multi-row statements of SQLAlchemy Core."""
    engine, watch, done = engine_for(dsn), Watch(), 0
    broker, finished = KafkaBroker(kafka, logger=None), asyncio.Event()

    @broker.subscriber(
        topic,
        batch=True,
        max_records=batch,
        group_id=f"core-{secrets.token_hex(4)}",
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.ACK,
    )
    async def on_stock(events: list[StockReported], message: KafkaMessage) -> None:
        nonlocal done
        watch.first()
        headers = message.batch_headers
        async with engine.begin() as conn:
            claimed = await conn.execute(CLAIM, [{"event_id": UUID(each["ce_id"])} for each in headers])
            fresh = set(claimed.scalars())
            todo = [(event, each) for event, each in zip(events, headers, strict=True) if UUID(each["ce_id"]) in fresh]
            await conn.execute(NOTE, [{"sku": e.shop_sku, "quantity": e.quantity, "times": 1} for e, _ in todo])
            bumped = await conn.execute(
                BUMP, [{"topic": STOCK, "key": each["ce_subject"], "version": 1} for _, each in todo]
            )
            versions = {row.key: row.version for row in bumped}
            await conn.execute(TELL, [outbox_row(e, each, versions[each["ce_subject"]]) for e, each in todo])
        watch.last()
        done += len(todo)
        if done >= count:
            finished.set()

    await _serve(broker, engine, finished)
    return watch.sample(done)


class Base(DeclarativeBase):
    """Mapped classes over the probe service's tables."""

    __allow_unmapped__ = True


class InboxRow(Base):
    """An event that was handled."""

    __table__ = INBOX
    event_id: Any


class NoteRow(Base):
    """The level of a SKU."""

    __table__ = NOTES
    quantity: Any
    times: Any


class AggregateRow(Base):
    """The version of a key."""

    __table__ = AGGREGATES
    version: Any


class OutboxRow(Base):
    """An event to be told."""

    __table__ = OUTBOX


async def run_orm(kafka: str, dsn: str, topic: str, count: int) -> Sample:
    """One message, one session, one transaction."""
    engine, watch, done = engine_for(dsn), Watch(), 0
    sessions = async_sessionmaker(engine, expire_on_commit=False, autoflush=False)
    broker, finished = KafkaBroker(kafka, logger=None), asyncio.Event()

    @broker.subscriber(
        topic, group_id=f"orm-{secrets.token_hex(4)}", auto_offset_reset="earliest", ack_policy=AckPolicy.ACK
    )
    async def on_stock(event: StockReported, message: KafkaMessage) -> None:
        nonlocal done
        if done >= count:
            return
        watch.first()
        async with sessions() as session, session.begin():
            await note(session, event, message.headers)
        watch.last()
        done += 1
        if done >= count:
            finished.set()

    await _serve(broker, engine, finished)
    return watch.sample(done)


async def note(session: AsyncSession, event: StockReported, headers: dict[str, Any]) -> None:
    """Inbox, state, version and outbox of one event, through mapped objects."""
    event_id, key = UUID(headers["ce_id"]), headers["ce_subject"]
    if await session.get(InboxRow, event_id) is not None:
        return
    session.add(InboxRow(event_id=event_id))
    row = await session.get(NoteRow, event.shop_sku)
    if row is None:
        session.add(NoteRow(sku=event.shop_sku, quantity=event.quantity, times=1))
    else:
        row.quantity, row.times = event.quantity, row.times + 1
    aggregate = await session.get(AggregateRow, (STOCK, key))
    if aggregate is None:
        aggregate = AggregateRow(topic=STOCK, key=key, version=0)
        session.add(aggregate)
    aggregate.version += 1
    session.add(OutboxRow(**outbox_row(event, headers, aggregate.version)))


def outbox_row(event: StockReported, cause: dict[str, Any], version: int) -> dict[str, Any]:
    """The row that tells the offer following from a stock level, like the probe service's own."""
    now = datetime.now(UTC)
    data = OfferChanged(
        connection_id=event.shop_connection_id,
        environment=Environment.SANDBOX,
        offer_sku=event.shop_sku,
        shop_connection_id=event.shop_connection_id,
        shop_sku=event.shop_sku,
        on_hand=event.quantity,
        reserved=0,
        buffer=0,
        available=event.quantity,
        changed_at=event.reported_at,
    )
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(uuid4()),
        "ce_type": data.TYPE,
        "ce_source": "probe",
        "ce_time": now.isoformat(),
        "ce_subject": cause["ce_subject"],
        "content-type": "application/json",
        "tenant": cause["tenant"],
        "origin": cause["origin"],
        "traceparent": cause["traceparent"],
        "ce_causationid": cause["ce_id"],
    }
    return {
        "shard": 0,
        "topic": STOCK,
        "key": cause["ce_subject"],
        "headers": headers,
        "version": version,
        "value": data.model_dump_json().encode(),
    }


async def _serve(broker: KafkaBroker, engine: AsyncEngine, finished: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            await broker.start()
            await finished.wait()
    finally:
        await broker.stop()
        await engine.dispose()
