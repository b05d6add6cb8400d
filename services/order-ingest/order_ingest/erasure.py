"""Erasing buyers: their data goes here, from the one topic that carries it, and by an event from everybody else.

Whatever is read of such an order afterwards is stored and told without its buyer. Without one place for this, the next
poll would bring back what was erased a minute ago.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from hub_common.parked import Park, park, resume
from hub_common.runtime import Runtime
from hub_common.tx import Cause, Tx
from hub_contracts import topics
from hub_contracts.orders import OrderCustomerErased
from hub_contracts.status import OPEN
from order_ingest import erasure_store, store
from order_ingest.config import IngestSettings
from order_ingest.erasure_store import Known

OWING = sorted(status.value for status in OPEN)
"""A shop may still need the address of such an order."""
KEPT_OPEN = "buyer_kept_for_open_order"
AT_ONCE = 200
"""Orders per transaction: polls of their connections wait meanwhile."""

Why = Literal["request", "retention"]


async def erase(tx: Tx, orders: Sequence[Known], why: Why, login: str | None = None, reason: str = "") -> int:
    """Erase the buyers of these orders; returns how many were not erased already. Repeats change nothing."""
    if not orders:
        return 0
    await erasure_store.lock_connections(tx.conn, [order.connection_id for order in orders])
    rows = [(o.order_id, o.connection_id, o.tenant, why, login, reason, tx.now) for o in orders]
    new = await erasure_store.add(tx.conn, rows)
    await erasure_store.redact(tx.conn, orders)
    alarms = [_alarm(order).parked_id(tx.service) for order in orders]
    await resume(tx, alarms, resolution="the buyer's data was erased", actor=login)
    for order in orders:
        if order.order_id not in new:
            continue
        event = OrderCustomerErased(
            order_id=order.order_id,
            connection_id=order.connection_id,
            is_test=order.is_test,
            erased_at=tx.now,
            why=why,
            requested_by=login,
        )
        tx.emit(event, key=order.order_id, cause=Cause(order.tenant, traceparent=order.traceparent))
        tx.tombstone(topics.ORDER_CUSTOMERS, key=order.order_id)
    return len(new)


def _alarm(order: Known) -> Park:
    return Park(
        subject_kind="order",
        subject_id=str(order.order_id),
        cause=KEPT_OPEN,
        detail=f"order {order.reference} is still open, so its buyer's data is kept longer than was set",
        next_step="Ship, refuse or cancel it; or erase the buyer all the same (Privacy page, `hub privacy erase`).",
        event_key=str(order.order_id),
        why=Cause(order.tenant, traceparent=order.traceparent),
        order_id=order.order_id,
        connection_id=order.connection_id,
        is_test=order.is_test,
    )


class Forgetting:
    """What is erased without anybody naming the orders."""

    def __init__(self, runtime: Runtime) -> None:
        settings = runtime.settings
        assert isinstance(settings, IngestSettings), "the service's declaration names them"
        self._runtime, self._days = runtime, settings.customers_keep_days

    async def retention_step(self) -> bool:
        """Erase finished orders whose time is over, tell of open ones; True when there may be more."""
        pool, now = self._runtime.pool, self._runtime.clock.now()
        before = now - timedelta(days=self._days)
        due = await erasure_store.overdue(
            pool, now, self._days, OWING, AT_ONCE, still_open=False, alarm=KEPT_OPEN
        ) or await erasure_store.unreadable(pool, before, store.PROBLEMS, AT_ONCE)
        due = due[:AT_ONCE]
        async with self._runtime.transactions.begin() as tx:
            await erase(tx, await erasure_store.known(tx.conn, due), "retention")
        late = await erasure_store.overdue(pool, now, self._days, OWING, AT_ONCE, still_open=True, alarm=KEPT_OPEN)
        async with self._runtime.transactions.begin() as tx:
            await park(tx, [_alarm(order) for order in await erasure_store.known(tx.conn, late[:AT_ONCE])])
        return bool(due or late)

    async def wishes_step(self) -> bool:
        """One batch of the oldest wish to erase a tenant's buyers; True when there may be more."""
        async with self._runtime.transactions.begin() as tx:
            wish = await tx.conn.fetchrow(
                "SELECT * FROM erasure_wishes WHERE done_at IS NULL ORDER BY requested_at LIMIT 1"
                " FOR UPDATE SKIP LOCKED"
            )
            if wish is None:
                return False
            due = await erasure_store.of_tenant(tx.conn, wish["tenant"], wish["placed_before"], OWING, AT_ONCE)
            known = await erasure_store.known(tx.conn, due)
            done = await erase(tx, known, "request", wish["requested_by"], wish["reason"])
            await tx.conn.execute(
                "UPDATE erasure_wishes SET erased = erased + $2, done_at = CASE WHEN $3 THEN $4::timestamptz END"
                " WHERE wish_id = $1",
                wish["wish_id"],
                done,
                not due,
                tx.now,
            )
        return True
