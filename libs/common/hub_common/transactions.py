"""Opens transactions the one right way: flush at the end, commit once, wake the relay and the effect workers after."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from hub_common.clock import Clock
from hub_common.ids import Ids
from hub_common.tx import Tx
from hub_common.wake import Wake


class Transactions:
    """Factory of `Tx` for one service."""

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        *,
        service: str,
        own_topic: str,
        topic_prefix: str,
        shards: int,
        ids: Ids,
        clock: Clock,
    ) -> None:
        self.pool = pool
        self.clock = clock
        self.ids = ids
        self.service = service
        self._own_topic = own_topic
        self._prefix = topic_prefix
        self._shards = shards
        self.relay_wake = Wake()
        self.effects_wake = Wake()
        self.fenced_total = 0

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Tx]:
        """A transaction that commits when the block ends well and leaves no trace when it raises."""
        async with self.pool.acquire() as conn, conn.transaction():
            tx = Tx(
                conn=conn,  # type: ignore[arg-type]  # a pool proxy behaves as the connection it wraps
                service=self.service,
                own_topic=self._own_topic,
                topic_prefix=self._prefix,
                shards=self._shards,
                ids=self.ids,
                clock=self.clock,
                now=self.clock.now(),
            )
            yield tx
            await tx.flush()
        self.fenced_total += tx.fenced
        if tx.emitted:
            self.relay_wake.set()
        if tx.effects:
            self.effects_wake.set()
