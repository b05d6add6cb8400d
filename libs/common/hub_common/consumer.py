"""Reads topics and never stops: rebuilds its client when the broker goes away, repeats a batch when the database does.

Liveness is progress, not a connection flag: aiokafka has been seen assigned, silent and stuck, so records that wait
while nothing is fetched make the consumer throw its client away and build another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from hub_common.clock import Clock
from hub_common.errors import is_storage_down
from hub_common.inbox import BatchResult, Inbox
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
        self._last_fetch = clock.monotonic()
        self._last_assigned = clock.monotonic()
        self._failures = 0
        self._log = get_logger(service)
        self.stopping = False
        self.connected = False
        self.rebuilt_total = 0

    async def step(self) -> bool:
        """Fetch, handle and commit one batch; True when there was one. Broker trouble is handled here."""
        try:
            client = await self._ensure()
            records = await client.poll(self._max_records, self._poll_timeout_ms)
            if not records:
                self._check_stuck(client)
                return False
            self._last_fetch = self._clock.monotonic()
            await self._handle(client, records)
        except BrokerDown as error:
            await self._rebuild(str(error))
            return False
        self._failures = 0
        return True

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

    async def _handle(self, client: KafkaConsumer, records: list[InRecord]) -> None:
        async with self._busy:
            mine = client.assignment()
            records = [r for r in records if TopicPartition(r.topic, r.partition) in mine]
            if not records:
                return
            began = self._clock.monotonic()
            result = await self._process(records)
            if result is None:
                return
            offsets: dict[TopicPartition, int] = {}
            for record in records:
                offsets[TopicPartition(record.topic, record.partition)] = record.offset + 1
            await client.commit(offsets)
            self._on_batch(records, result, self._clock.monotonic() - began)

    async def _process(self, records: list[InRecord]) -> BatchResult | None:
        """Handle the batch, however long the database is away; None when we are told to stop first."""
        delay = 0.1
        while not self.stopping:
            try:
                return await self._inbox.process(records)
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
            self._last_fetch = self._clock.monotonic()

    async def _rebuild(self, reason: str) -> None:
        self.connected = False
        self.rebuilt_total += 1
        self._failures += 1
        client, self._client = self._client, None
        delay = min(BACKOFF_MAX_SECONDS, 0.2 * 2 ** min(self._failures, 10))
        self._log.warning("consumer_rebuilt", error=reason, seconds=delay)
        if client is not None:
            await client.stop()
        if not self.stopping:
            await self._clock.sleep(delay)

    async def _on_revoked(self, _: Sequence[TopicPartition]) -> None:
        """Let the batch in hand finish and commit, so the next owner does not repeat it; never hold up the group."""
        try:
            async with asyncio.timeout(REVOKE_SECONDS), self._busy:
                pass
        except TimeoutError:
            self._log.warning("revoked_during_batch", seconds=REVOKE_SECONDS)

    def lag(self) -> dict[TopicPartition, int]:
        """Records known to wait, per partition; nothing when not connected."""
        return self._client.lag() if self._client else {}

    async def stop(self) -> None:
        """Finish the batch in hand, then leave the group."""
        self.stopping = True
        try:
            async with asyncio.timeout(REVOKE_SECONDS), self._busy:
                pass
        except TimeoutError:
            self._log.warning("stopped_during_batch", seconds=REVOKE_SECONDS)
        client, self._client = self._client, None
        if client is not None:
            await client.stop()
