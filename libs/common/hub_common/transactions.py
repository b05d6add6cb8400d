"""Opens transactions the one right way: flush at the end, commit once, wake the relay and the effect workers after."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg

from hub_common.clock import Clock
from hub_common.ids import Ids
from hub_common.tracing import Tracing
from hub_common.tracing_tx import TxSpans
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
        tracing: Tracing | None = None,
    ) -> None:
        self.pool = pool
        self.clock = clock
        self.ids = ids
        self.service = service
        self.tracing = tracing
        self._own_topic = own_topic
        self._prefix = topic_prefix
        self._shards = shards
        self.relay_wake = Wake()
        self.effects_wake = Wake()
        self.fenced_total = 0

    def begin(self) -> AbstractAsyncContextManager[Tx]:
        """A transaction that commits when the block ends well and leaves no trace when it raises."""
        return self._begin(None) if self.tracing is None else self._begin_traced(self.tracing)

    @asynccontextmanager
    async def _begin_traced(self, tracing: Tracing) -> AsyncIterator[Tx]:
        spans = TxSpans(tracing, self.service)
        try:
            async with self._begin(spans) as tx:
                yield tx
        except BaseException as error:
            spans.end(type(error).__name__)
            raise
        spans.end()

    @asynccontextmanager
    async def _begin(self, spans: TxSpans | None) -> AsyncIterator[Tx]:
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
                spans=spans,
            )
            yield tx
            await tx.flush()
        self.fenced_total += tx.fenced
        if tx.emitted:
            self.relay_wake.set()
        if tx.effects:
            self.effects_wake.set()
