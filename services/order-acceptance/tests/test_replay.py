"""order-acceptance rebuilt from the topics: the same decisions, answers and clocks, and no order answered again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from hub_common.deadlines import DeadlineClock
from hub_common.replay import plan_problems
from hub_common.replay_digest import odd_rows
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_common.testing.history import History
from hub_contracts.connections import AcceptancePolicy, SkuLinked
from hub_contracts.envelope import Origin
from hub_contracts.orders import Environment, OrderChanged, OrderReceived, OrderStatusChanged
from hub_contracts.status import OrderStatus
from hub_contracts.stock import OfferChanged
from hub_tools.run.api import Api
from order_acceptance.clock import last_resort
from order_acceptance.main import REPLAY, SPEC

NewDatabase = Callable[[str | None], str]
CONNECTION, SHOP = UUID(int=11), UUID(int=12)
WINDOW = timedelta(hours=48)
S = OrderStatus


class Life:
    """Lets things happen to order-acceptance, some time apart."""

    def __init__(self, stage: Any) -> None:
        self.stage, self.h = stage, stage.harness
        self.history = History(stage.harness)
        self.clock = DeadlineClock(self.h.runtime.transactions, last_resort)

    async def policy(self, **changes: Any) -> None:
        await self.h.feed((CONNECTION, self.stage.connection(AcceptancePolicy(**changes))))

    async def stock(self, on_hand: int) -> None:
        offer = OfferChanged(
            connection_id=CONNECTION,
            environment=Environment.SANDBOX,
            offer_sku="A",
            shop_connection_id=SHOP,
            shop_sku="A",
            on_hand=on_hand,
            reserved=0,
            buffer=0,
            available=on_hand,
            changed_at=self.h.clock.now(),
        )
        await self.h.feed((f"{CONNECTION}:A", offer))

    async def order(self, *, origin: Origin = Origin.LIVE, **changes: Any) -> OrderReceived:
        skus = [{"sku": "A", "price": "10.00", "quantity": 1}]
        [reference] = self.stage.simulator.create_orders(1, {"skus": skus, "lines": 1})
        event: OrderReceived = await self.stage.received(reference)
        order = event.order.model_copy(update={"accept_by": event.order.created_at + WINDOW} | changes)
        event = event.model_copy(update={"order": order})
        await self.h.feed((order.order_id, event), origin=origin)
        return event

    async def status(self, event: OrderReceived, to: OrderStatus) -> None:
        order = event.order
        changed = OrderStatusChanged(
            order_id=order.order_id,
            connection_id=CONNECTION,
            environment=order.environment,
            from_status=order.status,
            to_status=to,
            trigger="test",
            marketplace_status=to.value,
            marketplace_updated_at=self.h.clock.now(),
            accept_by=order.accept_by,
        )
        await self.h.feed((order.order_id, changed))

    async def decide(self, event: OrderReceived, decision: str) -> None:
        api = Api(await self.h.serve(), OPERATOR_TOKEN)
        path = f"/v1/orders/{event.order.order_id}/decision"
        await asyncio.to_thread(api.post, path, {"decision": decision, "reason": "said on the phone"})

    async def pass_time(self, share: float) -> None:
        self.stage.clock.advance((WINDOW * share).total_seconds())
        while await self.clock.step():
            continue


async def live(stage: Any) -> History:
    """Every way an order can be answered, and a clock in each of its states."""
    life = Life(stage)
    await life.policy()
    await life.stock(2)
    accepted, _, held = [await life.order() for _ in range(3)]
    await life.order(is_test=True)
    await life.order(origin=Origin.BACKFILL)
    await life.stock(2)  # decides the held one again, which stays held
    await stage.harness.run_effects()
    await life.status(accepted, S.ACCEPTED)
    await life.status(accepted, S.PREPARATION)
    # Held, then enough stock; paid late; restated.
    await life.stock(50)
    unpaid = await life.order(status=S.WAITING_PAYMENT)
    await life.status(unpaid, S.PENDING)
    changed = unpaid.order.model_copy(update={"status": S.PENDING})
    restated = OrderChanged(order=changed, changed_fields=("shipping_method",), snapshot_id=UUID(int=5))
    await life.h.feed((changed.order_id, restated))
    await stage.harness.run_effects()
    # The marketplace would not take the answer.
    stuck = await life.order()
    control = Api(stage.url, None)
    path = f"/_sandbox/orders/{stuck.order.marketplace_reference}/status"
    await asyncio.to_thread(control.put, path, {"status": "REFUSED"})
    for _ in range(2):
        await stage.harness.run_effects()
        await stage.harness.make_due()
    # Decided by a person, by the last resort, cancelled while held, left to run out, and one clock that runs still.
    await life.policy(auto_accept=False, last_resort="refuse", last_resort_percent=80)
    by_hand, resorted, cancelled = [await life.order() for _ in range(3)]
    await life.decide(by_hand, "refuse")
    await life.status(cancelled, S.CANCELLED)
    await life.pass_time(0.55)
    await life.pass_time(0.3)
    await stage.harness.run_effects()
    await life.status(resorted, S.REFUSED)
    # Paid and withdrawn; then clocks that run still: run out, half over, and the last resort's answer not given yet.
    withdrawn = await life.order(status=S.WAITING_PAYMENT)
    await life.status(withdrawn, S.PENDING)
    await life.status(withdrawn, S.CANCELLED)
    await life.order()
    await life.pass_time(0.9)
    await life.policy(auto_accept=False)
    await life.order()
    await life.pass_time(0.5)
    await life.order()
    await life.pass_time(0.6)
    link = SkuLinked(connection_id=CONNECTION, offer_sku="A", shop_connection_id=SHOP, shop_sku="A")
    await life.h.feed((f"{CONNECTION}:A", link))
    await life.h.runtime.inbox.process(life.history.heard[3:9])  # delivered again
    assert held.order.order_id != accepted.order.order_id
    return life.history


def test_the_plan_speaks_of_every_table() -> None:
    assert plan_problems(SPEC) == []


@pytest.mark.parametrize(("seed", "batch"), [(1, 1), (2, 7), (3, 500)])
async def test_order_acceptance_is_rebuilt_from_the_topics(
    stage: Any, database: str, new_database: NewDatabase, seed: int, batch: int
) -> None:
    history, shadow = await live(stage), new_database(None)
    before, calls = await history.told(), len(stage.simulator.record.entries)
    verdicts = await history.verdicts(shadow, seed=seed, batch=batch)
    for table in REPLAY.tables:
        if not verdicts[table.name].equal:
            key = [column.name for column in SPEC.metadata.tables[table.name].primary_key]
            pytest.fail(f"{table.name}: {await odd_rows(database, shadow, table, key)}")
    assert all(verdict.rebuilt.rows for verdict in verdicts.values())
    report = history.report
    assert report is not None
    assert (report.dead, report.waiting, report.untold, report.fenced) == (0, 0, 0, 0)
    assert await history.told() == before
    assert len(stage.simulator.record.entries) == calls


async def test_the_history_has_all_that_can_happen(stage: Any) -> None:
    """Else the comparison would prove less than it says."""
    await live(stage)
    pool = stage.harness.runtime.pool
    answers = {row["answer"] for row in await pool.fetch("SELECT DISTINCT answer FROM orders")}
    assert answers == {None, "accepted", "refused", "rejected"}
    deciders = {row["decided_by"] for row in await pool.fetch("SELECT DISTINCT decided_by FROM orders")}
    assert deciders == {None, "policy", "operator", "last_resort"}
    rows = await pool.fetch("SELECT percent_told, last_resort_done FROM deadlines WHERE met_at IS NULL")
    assert {(row["percent_told"], row["last_resort_done"]) for row in rows} >= {(50, False), (100, False), (100, True)}
    assert await pool.fetchval("SELECT count(*) FROM deadlines WHERE met_at IS NOT NULL") > 3
    assert await pool.fetchval("SELECT count(*) FROM orders WHERE NOT live") == 1
    repeated = await pool.fetchval("SELECT count(*) FROM orders WHERE decision = 'hold'")
    assert repeated > 0


async def test_a_clock_that_should_run_and_does_not_is_seen(stage: Any, database: str, new_database: Any) -> None:
    history = await live(stage)
    await stage.harness.runtime.pool.execute("UPDATE deadlines SET met_at = now()")
    await stage.harness.runtime.pool.execute("UPDATE orders SET decided_at = now() WHERE decision = 'accept'")
    verdicts = await history.verdicts(new_database(None))
    assert sorted(name for name, verdict in verdicts.items() if not verdict.equal) == ["deadlines", "orders"]
