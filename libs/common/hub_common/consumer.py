"""Reads topics and never stops: rebuilds its client when the broker goes away, repeats a batch when the database does.

While the database works on one batch, the next is fetched and decoded and the offsets of the one before are committed;
batches themselves are strictly one after the other, and offsets follow the database, never lead it.

Liveness is progress, not a connection flag: aiokafka has been seen assigned, silent and stuck, so records that wait
while nothing is fetched make the consumer throw its client away and build another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from hub_common.clock import Clock
from hub_common.errors import is_storage_down
from hub_common.inbox import Batch, BatchResult, Inbox
from hub_common.kafka.client import KafkaConsumer, OnRevoked
from hub_common.kafka.records import BrokerDown, InRecord, TopicPartition
from hub_common.logs import get_logger

STUCK_SECONDS = 30.0
"""Records are known to wait and none was fetched for this long: the client is stuck."""
REVOKE_SECONDS = 10.0
"""Below the group's rebalance time-out, so that waiting for a batch never gets this member evicted."""
UNASSIGNED_SECONDS = 60.0
"""A member without partitions for this long may have missed a rebalance; joining anew is cheap and finds out."""
BACKOFF_MAX_SECONDS = 10.0

ConsumerFactory = Callable[[OnRevoked], KafkaConsumer]
OnBatch = Callable[[Sequence[InRecord], BatchResult, float], None]


class Consumer:
    """The consuming loop of one service."""

    def __init__(
        self,
        build: ConsumerFactory,
        inbox: Inbox,
        *,
        clock: Clock,
        max_records: int,
        poll_timeout_ms: int,
        on_batch: OnBatch,
        service: str,
    ) -> None:
        self._build = build
        self._inbox = inbox
        self._clock = clock
        self._max_records = max_records
        self._poll_timeout_ms = poll_timeout_ms
        self._on_batch = on_batch
        self._client: KafkaConsumer | None = None
        self._busy = asyncio.Lock()
        self._ahead: asyncio.Task[tuple[int, Batch]] | None = None
        self._revocations = 0
        self._committing: asyncio.Task[None] | None = None
        self._last_fetch = clock.monotonic()
        self._last_assigned = clock.monotonic()
        self._failures = 0
        self._log = get_logger(service)
        self.stopping = False
        self.connected = False
        self.rebuilt_total = 0
        self._progress = clock.monotonic()

    async def step(self) -> bool:
        """Take one batch to the end of its transaction; True when there was one. Broker trouble is handled here."""
        try:
            client = await self._ensure()
            batch = await self._take(client)
            if not batch.records:
                await self._committed()
                self._check_stuck(client)
                return False
            self._last_fetch = self._clock.monotonic()
            self._ahead = asyncio.create_task(self._fetch(client))
            await self._handle(client, batch)
        except BrokerDown as error:
            await self._rebuild(str(error))
            return False
        except Exception:
            # The client's position is past records that were not handled: only a new one starts from the committed.
            await self._drop_client()
            raise
        self._failures = 0
        self._last_fetch = self._progress = self._clock.monotonic()
        return True

    async def _fetch(self, client: KafkaConsumer) -> tuple[int, Batch]:
        records = await client.poll(self._max_records, self._poll_timeout_ms)
        revocations = self._revocations
        return revocations, await self._inbox.read(records)

    async def _take(self, client: KafkaConsumer) -> Batch:
        """The batch that was fetched ahead, with what came since; else a new one."""
        task = self._ahead = self._ahead or asyncio.create_task(self._fetch(client))
        # Not `await task`: being cancelled here (shutdown) must leave the task for `stop` to end.
        await asyncio.wait({task})
        if task.cancelled():
            return Batch([])
        revocations, batch = task.result()
        room = self._max_records - len(batch.records)
        later = await client.poll(room, 0) if room and batch.records else []
        self._ahead = None
        if revocations != self._revocations:
            # Whoever reads the partitions next starts from the committed offsets, and so gets these records again.
            batch = Batch([])
        return batch.followed_by(await self._inbox.read(later)) if later else batch

    async def _ensure(self) -> KafkaConsumer:
        if self._client is None:
            client = self._build(self._on_revoked)
            await client.start()
            if self.stopping:
                await client.stop()
                raise BrokerDown("told to stop while joining")
            self._client = client
            self._last_fetch = self._last_assigned = self._clock.monotonic()
            self.connected = True
        return self._client

    async def _handle(self, client: KafkaConsumer, batch: Batch) -> None:
        async with self._busy:
            mine = client.assignment()
            offsets = next_offsets(batch.records)
            if not offsets.keys() <= mine:
                records = [r for r in batch.records if TopicPartition(r.topic, r.partition) in mine]
                batch, offsets = await self._inbox.read(records), next_offsets(records)
            if not offsets:
                return
            began = self._clock.monotonic()
            result = await self._process(batch)
            if result is None:
                return
            await self._committed()
            self._committing = asyncio.create_task(self._commit(client, offsets, batch.records, result, began))

    async def _commit(
        self,
        client: KafkaConsumer,
        offsets: dict[TopicPartition, int],
        records: Sequence[InRecord],
        result: BatchResult,
        began: float,
    ) -> None:
        await client.commit(offsets)
        self._on_batch(records, result, self._clock.monotonic() - began)

    async def _committed(self) -> None:
        """Wait for the offsets on their way, so that commits never overtake each other. Raises `BrokerDown`."""
        if self._committing is not None:
            await asyncio.wait({self._committing})
            task, self._committing = self._committing, None
            if task is not None:
                task.result()

    async def _process(self, batch: Batch) -> BatchResult | None:
        """Handle the batch, however long the database is away; None when we are told to stop first."""
        delay = 0.1
        while not self.stopping:
            try:
                return await self._inbox.handle(batch)
            except Exception as error:
                if not is_storage_down(error):
                    raise
                self._log.warning("batch_waits_for_database", error=type(error).__name__, seconds=delay)
                await self._clock.sleep(delay)
                delay = min(5.0, delay * 2)
        return None

    def _check_stuck(self, client: KafkaConsumer) -> None:
        if client.assignment():
            self._last_assigned = self._clock.monotonic()
        elif self._clock.monotonic() - self._last_assigned > UNASSIGNED_SECONDS:
            raise BrokerDown(f"no partition was assigned for {UNASSIGNED_SECONDS:.0f} s")
        waiting = sum(client.lag().values())
        silent = self._clock.monotonic() - self._last_fetch
        if waiting and silent > STUCK_SECONDS:
            raise BrokerDown(f"{waiting} records wait and none came for {silent:.0f} s")
        if not waiting:
            self._last_fetch = self._progress = self._clock.monotonic()

    async def _rebuild(self, reason: str) -> None:
        self.connected = False
        self.rebuilt_total += 1
        self._failures += 1
        delay = min(BACKOFF_MAX_SECONDS, 0.2 * 2 ** min(self._failures, 10))
        self._log.warning("consumer_rebuilt", error=reason, seconds=delay)
        await self._drop_client()
        if not self.stopping:
            await self._clock.sleep(delay)

    async def _drop_client(self) -> None:
        """Stop the client, and what still waits for it; records fetched ahead were not committed and come again."""
        client, self._client = self._client, None
        if client is not None:
            await client.stop()
        waiting = [task for task in (self._ahead, self._committing) if task is not None]
        self._ahead = self._committing = None
        for task in waiting:
            task.cancel()
        if waiting:
            await asyncio.wait(waiting, timeout=REVOKE_SECONDS)
            for task in waiting:
                if task.done() and not task.cancelled():
                    task.exception()

    async def _idle(self) -> None:
        async with self._busy:
            if self._committing is not None:
                await asyncio.wait({self._committing})

    async def _on_revoked(self, _: Sequence[TopicPartition]) -> None:
        """Let the batch in hand finish and commit, so the next owner does not repeat it; never hold up the group."""
        try:
            async with asyncio.timeout(REVOKE_SECONDS):
                await self._idle()
        except TimeoutError:
            self._log.warning("revoked_during_batch", seconds=REVOKE_SECONDS)
        self._revocations += 1

    def lag(self) -> dict[TopicPartition, int]:
        """Records known to wait, per partition; nothing when not connected."""
        return self._client.lag() if self._client else {}

    def silent_seconds(self) -> float:
        """Time since records were handled or none were known to wait; a new client alone is no progress."""
        return self._clock.monotonic() - self._progress

    async def stop(self) -> None:
        """Finish the batch in hand, then leave the group."""
        self.stopping = True
        try:
            async with asyncio.timeout(REVOKE_SECONDS):
                await self._idle()
        except TimeoutError:
            self._log.warning("stopped_during_batch", seconds=REVOKE_SECONDS)
        await self._drop_client()


def next_offsets(records: Sequence[InRecord]) -> dict[TopicPartition, int]:
    """What to commit once these records, in order per partition, are done."""
    return {TopicPartition(record.topic, record.partition): record.offset + 1 for record in records}
