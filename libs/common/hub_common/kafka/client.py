"""The only module that imports aiokafka, with every unsafe default of it overridden.

Defaults that would lose or stall orders: `acks=1`, `auto_offset_reset=latest`, `enable_auto_commit=True`, no time-out
around `send` (a producer whose broker is down blocks for ever), `commit()` without offsets (commits records that were
fetched and not processed). Idempotence stays off: with it on, the producer never gives up and one sequence error kills
its sender; order per key is kept by the relay, duplicates are absorbed by the inbox.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.errors import (
    CommitFailedError,
    ConsumerStoppedError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    for_code,
)

from hub_common.bounded import within
from hub_common.kafka.records import BrokerDown, InRecord, OutRecord, TopicLike, TopicPartition
from hub_common.kafka.security import Address, connect_options
from hub_contracts.topics import DEAD_LETTER_CONFIG, DEAD_LETTER_PARTITIONS

SEND_SECONDS = 15.0
"""Longest wait for a batch to be acknowledged; `request_timeout_ms` below is shorter, so real errors come first."""
REQUEST_MS = 8_000
JOIN_SECONDS = 30.0
POLL_SECONDS = 20.0
"""Beyond the poll's own time-out: a client that does not even return nothing is broken."""
STOP_SECONDS = 5.0
SESSION_MS = 10_000
HEARTBEAT_MS = 3_000
MAX_POLL_MS = 300_000
"""Handlers take milliseconds; this only matters if the process hangs, and then leaving the group is right."""
REBALANCE_MS = 15_000
"""How long members may take to finish a batch and rejoin. The default, the session time-out, evicts a member that
drains its batch; much longer, and a replica that dies while joining holds everybody up."""
PARTITION_BYTES = 1_048_576
FETCH_BYTES = 8_388_608
"""Default is 50 MiB per broker; a service must stay within 120 MB."""
PRODUCER_BATCH_BYTES = 131_072
"""The default of 16 KiB per partition makes `send` block on bursts."""

OnRevoked = Callable[[Sequence[TopicPartition]], Awaitable[None]]


class KafkaProducer:
    """Sends batches and says record by record what the broker acknowledged."""

    def __init__(self, bootstrap: Address, client_id: str) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._producer: AIOKafkaProducer | None = None

    async def _client(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                **connect_options(self._bootstrap),
                client_id=self._client_id,
                acks="all",
                enable_idempotence=False,
                linger_ms=0,
                max_batch_size=PRODUCER_BATCH_BYTES,
                request_timeout_ms=REQUEST_MS,
                retry_backoff_ms=100,
            )
            try:
                await within(SEND_SECONDS, producer.start())
            except (KafkaError, TimeoutError, OSError) as error:
                await _quietly_stop(producer)
                raise BrokerDown(f"cannot reach the broker: {type(error).__name__}") from error
            self._producer = producer
        return self._producer

    async def send(self, records: Sequence[OutRecord]) -> list[bool]:
        """Send all records at once and wait for all acknowledgements; True where the broker confirmed.

        Raises `BrokerDown` when no client could be built. After a time-out the client is thrown away, and every
        record without confirmation counts as not sent (it may arrive twice; the inbox absorbs that).
        """
        producer = await self._client()
        futures: list[asyncio.Future[object]] = []
        try:
            async with asyncio.timeout(SEND_SECONDS):
                for record in records:
                    future = await producer.send(
                        record.topic, value=record.value, key=record.key, headers=record.headers
                    )
                    futures.append(future)
                results = await asyncio.gather(*futures, return_exceptions=True)
        except (TimeoutError, KafkaError, OSError):
            confirmed = [f.done() and not f.cancelled() and f.exception() is None for f in futures]
            await self._discard()
            return confirmed + [False] * (len(records) - len(confirmed))
        if any(isinstance(result, BaseException) for result in results):
            await self._discard()
        return [not isinstance(result, BaseException) for result in results]

    async def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _quietly_stop(producer)

    async def stop(self) -> None:
        """Close the connection; never hangs on a dead broker."""
        await self._discard()


class KafkaConsumer:
    """A member of a consumer group that commits only what it is told to."""

    def __init__(
        self,
        bootstrap: Address,
        group: str,
        topics: Sequence[str],
        *,
        client_id: str,
        fetch_max_wait_ms: int,
        on_revoked: OnRevoked,
    ) -> None:
        self._topics = list(topics)
        self._on_revoked = on_revoked
        self._consumer = AIOKafkaConsumer(
            **connect_options(bootstrap),
            group_id=group,
            client_id=client_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            max_poll_interval_ms=MAX_POLL_MS,
            rebalance_timeout_ms=REBALANCE_MS,
            request_timeout_ms=REQUEST_MS + 32_000,
            fetch_max_wait_ms=fetch_max_wait_ms,
            fetch_max_bytes=FETCH_BYTES,
            max_partition_fetch_bytes=PARTITION_BYTES,
            metadata_max_age_ms=30_000,
        )

    async def start(self) -> None:
        """Join the group. Raises `BrokerDown` when the broker does not answer."""
        try:
            self._consumer.subscribe(self._topics, listener=_Listener(self._on_revoked))
            await within(JOIN_SECONDS, self._consumer.start())
        except (KafkaError, TimeoutError, OSError) as error:
            await self.stop()
            raise BrokerDown(f"cannot join the consumer group: {type(error).__name__}") from error
        except asyncio.CancelledError:
            # Left alone, the half-started client stays in the group: it holds partitions and reads nothing.
            await self.stop()
            raise

    async def poll(self, max_records: int, timeout_ms: int) -> list[InRecord]:
        """Up to `max_records` records, in order per partition. Raises `BrokerDown` on client errors."""
        try:
            fetch = self._consumer.getmany(timeout_ms=timeout_ms, max_records=max_records)
            fetched = await within(timeout_ms / 1000 + POLL_SECONDS, fetch)
        except (KafkaError, ConsumerStoppedError, TimeoutError, OSError) as error:
            raise BrokerDown(f"fetch failed: {type(error).__name__}") from error
        return [
            InRecord(r.topic, r.partition, r.offset, r.key, r.value, r.headers, r.timestamp)
            for records in fetched.values()
            for r in records
        ]

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Commit exactly these next offsets. False when the group moved on and the new owner will repeat."""
        assigned = self._consumer.assignment()
        mine = {
            AioTopicPartition(tp.topic, tp.partition): offset
            for tp, offset in offsets.items()
            if AioTopicPartition(tp.topic, tp.partition) in assigned
        }
        if not mine:
            return False
        try:
            await within(SEND_SECONDS, self._consumer.commit(mine))
        except (CommitFailedError, IllegalGenerationError, IllegalStateError):
            return False
        except (KafkaError, TimeoutError, OSError) as error:
            raise BrokerDown(f"commit failed: {type(error).__name__}") from error
        return True

    def assignment(self) -> frozenset[TopicPartition]:
        """Partitions that this member reads now."""
        return frozenset(TopicPartition(tp.topic, tp.partition) for tp in self._consumer.assignment())

    def lag(self) -> dict[TopicPartition, int]:
        """Records that are known to wait, per assigned partition."""
        waiting: dict[TopicPartition, int] = {}
        for tp in self._consumer.assignment():
            high = self._consumer.highwater(tp)
            state = self._consumer._subscription.subscription.assignment.state_value(tp)
            if high is None or state is None or not state.has_valid_position:
                continue
            waiting[TopicPartition(tp.topic, tp.partition)] = max(0, high - state.position)
        return waiting

    async def stop(self) -> None:
        """Leave the group; never hangs on a dead broker."""
        await _quietly_stop(self._consumer)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, on_revoked: OnRevoked) -> None:
        self._on_revoked = on_revoked

    async def on_partitions_revoked(self, revoked: Sequence[AioTopicPartition]) -> None:
        await self._on_revoked([TopicPartition(tp.topic, tp.partition) for tp in revoked])

    async def on_partitions_assigned(self, assigned: Sequence[AioTopicPartition]) -> None:
        return None


async def _quietly_stop(client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    """Stop a client that may be broken: its own errors while closing carry no information any more."""
    with contextlib.suppress(Exception):
        await within(STOP_SECONDS, client.stop())


SILENT_SECONDS = 60.0
"""Records are known to wait and a reader got none for this long: it is stuck."""


async def bounds(bootstrap: Address, topics: Sequence[str]) -> dict[TopicPartition, tuple[int, int]]:
    """Of every partition of these topics: the first offset still kept, and the next that will be written.

    Raises `BrokerDown`, also for a topic that does not exist: reading nothing must not look like reading all.
    """
    async with _admin(bootstrap) as admin:
        missing = sorted(set(topics) - set(await admin.list_topics()))
        if missing:
            raise BrokerDown(f"topic {missing[0]} does not exist")
        described = await admin.describe_topics(list(topics))
    partitions = [AioTopicPartition(one["topic"], part["partition"]) for one in described for part in one["partitions"]]
    async with lone_consumer(bootstrap) as consumer:
        first, following = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    return {TopicPartition(tp.topic, tp.partition): (first[tp], following[tp]) for tp in partitions}


async def committed(bootstrap: Address, group: str) -> dict[TopicPartition, int]:
    """The offsets that a consumer group has committed; partitions without one are left out. Raises `BrokerDown`."""
    async with _admin(bootstrap) as admin:
        found = await admin.list_consumer_group_offsets(group)
    return {TopicPartition(tp.topic, tp.partition): at.offset for tp, at in found.items() if at.offset >= 0}


async def read_until(
    bootstrap: Address, ends: Mapping[TopicPartition, int], most: int
) -> AsyncGenerator[list[InRecord], None]:
    """Every record below these offsets, at most `most` at once, in order per partition; as no group's member.

    Close it (`contextlib.aclosing`) when leaving early. Raises `BrokerDown`, also when nothing comes for a minute.
    """
    left = {AioTopicPartition(tp.topic, tp.partition): end for tp, end in ends.items() if end > 0}
    if not left:
        return
    async with lone_consumer(bootstrap) as consumer:
        consumer.assign(list(left))
        await consumer.seek_to_beginning()
        now = asyncio.get_running_loop().time
        heard = now()
        while left:
            fetched = await consumer.getmany(*left, timeout_ms=500, max_records=most)
            records = [r for tp, found in fetched.items() for r in found if r.offset < left[tp]]
            if records:
                yield [
                    InRecord(r.topic, r.partition, r.offset, r.key, r.value, r.headers, r.timestamp) for r in records
                ]
                heard = now()
            elif now() - heard > SILENT_SECONDS:
                raise BrokerDown(f"records wait in {len(left)} partitions and none came for {SILENT_SECONDS:.0f} s")
            left = {tp: end for tp, end in left.items() if await consumer.position(tp) < end}


@contextlib.asynccontextmanager
async def lone_consumer(bootstrap: Address) -> AsyncIterator[AIOKafkaConsumer]:
    """A reader that is no group's member. Raises `BrokerDown` for whatever goes wrong while it is open."""
    safe = {"enable_auto_commit": False, "auto_offset_reset": "earliest", "isolation_level": "read_committed"}
    consumer = AIOKafkaConsumer(fetch_max_bytes=FETCH_BYTES, **connect_options(bootstrap), **safe)
    try:
        async with asyncio.timeout(ADMIN_SECONDS):
            await consumer.start()
        yield consumer
    except (KafkaError, TimeoutError, OSError) as error:
        raise BrokerDown(f"cannot read from the broker: {type(error).__name__}") from error
    finally:
        await _quietly_stop(consumer)


ADMIN_SECONDS, _NO_ERROR, _TOPIC_EXISTS = 30.0, 0, 36


async def ensure_topics(
    bootstrap: Address,
    topics: Iterable[TopicLike],
    *,
    prefix: str = "",
    replication: int = 1,
    dead_letters: bool = True,
) -> list[str]:
    """Create the topics that do not exist (each with its dead-letter topic) and wait until all have leaders.

    Partitions are added to topics that have fewer than declared; more than declared is an error, since the mapping of
    keys to partitions is what keeps the order of events. Returns the names created. Raises `BrokerDown` when the broker
    does not answer or refuses.
    """
    wanted: dict[str, NewTopic] = {}
    for topic in topics:
        name = prefix + topic.name
        wanted[name] = NewTopic(name, topic.partitions, replication, topic_configs=dict(topic.config))
        if dead_letters:
            dead = NewTopic(f"{name}.dlq", DEAD_LETTER_PARTITIONS, replication, topic_configs=dict(DEAD_LETTER_CONFIG))
            wanted[dead.name] = dead
    async with _admin(bootstrap) as admin:
        present = set(await admin.list_topics())
        missing = [name for name in wanted if name not in present]
        if missing:
            answer = await admin.create_topics([wanted[name] for name in missing])
            refused = [entry for entry in answer.topic_errors if entry[1] not in (_NO_ERROR, _TOPIC_EXISTS)]
            if refused:
                name, code, *_ = refused[0]
                raise BrokerDown(f"the broker refuses topic {name}: {for_code(code).__name__}")
        await _add_partitions(admin, [wanted[name] for name in wanted if name in present])
        await _wait_for_leaders(admin, list(wanted))
    return missing


async def delete_topics(bootstrap: Address, *, prefix: str) -> list[str]:
    """Remove every topic whose name begins with `prefix`; returns their names. An empty prefix is a `ValueError`."""
    if not prefix:
        raise ValueError("prefix: an empty one would remove every topic")
    async with _admin(bootstrap) as admin:
        names = [name for name in await admin.list_topics() if name.startswith(prefix)]
        if names:
            await admin.delete_topics(names)
    return names


async def _add_partitions(admin: AIOKafkaAdminClient, topics: list[NewTopic]) -> None:
    if not topics:
        return
    counts = {one["topic"]: len(one["partitions"]) for one in await admin.describe_topics([t.name for t in topics])}
    for topic in topics:
        count = counts.get(topic.name, 0)
        if count > topic.num_partitions:
            raise BrokerDown(f"topic {topic.name} has {count} partitions, declared are {topic.num_partitions}")
        if count < topic.num_partitions:
            await admin.create_partitions({topic.name: NewPartitions(total_count=topic.num_partitions)})


async def _wait_for_leaders(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    """A producer that meets a topic whose leader is not elected yet would fail."""
    while names:
        described = await admin.describe_topics(names)
        if all(
            one["error_code"] == _NO_ERROR
            and one["partitions"]
            and all(partition["leader"] >= 0 for partition in one["partitions"])
            for one in described
        ):
            return
        await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def _admin(bootstrap: Address) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**connect_options(bootstrap), client_id="hub-admin", request_timeout_ms=10_000)
    try:
        async with asyncio.timeout(ADMIN_SECONDS):
            await admin.start()
            yield admin
    except (KafkaError, TimeoutError, OSError) as error:
        raise BrokerDown(f"the broker's administration does not answer: {type(error).__name__}") from error
    finally:
        await admin.close()
