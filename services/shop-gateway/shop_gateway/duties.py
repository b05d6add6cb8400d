"""What shop-gateway does by itself: look after what waits, and forget what has done its duty."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from hub_common.runtime import Runtime
from hub_common.service import Duty
from shop_gateway import post_store, store
from shop_gateway.config import settings_of
from shop_gateway.creating import advance
from shop_gateway.intake import interpret_again
from shop_gateway.verdicts import RETRIED

ORDERS_AT_ONCE = 500
POSTS_AT_ONCE = 100
FORGET_BATCH = 5_000
"""Rows per statement: few enough not to hold locks for long."""
LEVEL_KINDS = ("stock", "prices", "stock.changed", "price.changed")


class Caretaker:
    """The service's own duties."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._settings = settings_of(runtime)

    def duties(self) -> Sequence[Duty]:
        """For `ServiceSpec.duties`."""
        return (
            Duty("orders", self.orders_step, idle_seconds=1.0),
            Duty("posts", self.posts_step, idle_seconds=1.0),
            Duty("retention", self.retention_step, idle_seconds=3600.0),
        )

    async def orders_step(self) -> int:
        """Create orders whose missing fact is there, park those that waited too long; returns how many were seen."""
        async with self._runtime.transactions.begin() as tx:
            before = tx.now - timedelta(seconds=self._settings.customer_wait_seconds)
            found = await store.ready(tx.conn, before, ORDERS_AT_ONCE)
            await advance(tx, found, stored_before=before)
        return len(found)

    async def posts_step(self) -> int:
        """Interpret posts whose missing fact may be there; each in a transaction of its own."""
        due = await post_store.due_posts(self._runtime.pool, RETRIED, POSTS_AT_ONCE)
        for post_id in due:
            await interpret_again(self._runtime, post_id, wait=False)
        return len(due)

    async def retention_step(self) -> bool:
        """Forget finished posts and buyers' data past their time; True when there may be more."""
        now, kept = self._runtime.clock.now(), self._settings
        counts = [
            await post_store.forget_posts(
                self._runtime.pool, LEVEL_KINDS, now - timedelta(days=kept.levels_keep_days), FORGET_BATCH
            ),
            await post_store.forget_posts(
                self._runtime.pool, None, now - timedelta(days=kept.posts_keep_days), FORGET_BATCH
            ),
            await store.forget_customers(
                self._runtime.pool, now - timedelta(days=kept.customers_keep_days), now, FORGET_BATCH
            ),
        ]
        return max(counts) == FORGET_BATCH
