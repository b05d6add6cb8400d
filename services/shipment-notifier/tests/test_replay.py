"""shipment-notifier rebuilt from the topics: what marketplaces took, and nothing told to them a second time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

from hub_common.deadlines import DeadlineClock
from hub_common.replay import plan_problems
from hub_common.testing.history import History
from hub_contracts.envelope import Origin
from hub_contracts.orders import Environment, OrderChanged, OrderSnapshot
from hub_contracts.shop_activity import ShopOrderCreated
from hub_contracts.status import OrderStatus
from shipment_notifier.main import SPEC

from . import test_invoices
from .conftest import Stage
from .test_invoices import SHOP, Shop

NewDatabase = Callable[[str | None], str]
S = OrderStatus
shop = test_invoices.shop


class Life:
    """Lets things happen at one marketplace without ever emptying the outbox, which is the history."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.history = stage, History(stage.harness)
        self.clock = DeadlineClock(stage.harness.runtime.transactions)

    async def order(self, **changes: Any) -> OrderSnapshot:
        origin = changes.pop("origin", Origin.LIVE)
        return await self.stage.receive(await self.stage.order(), origin=origin, **changes)

    async def work(self, rounds: int = 3) -> None:
        for _ in range(rounds):
            self.stage.clock.advance(60)
            await self.stage.harness.run_effects()
            await self.stage.harness.make_due()

    async def pass_time(self, hours: float) -> None:
        self.stage.clock.advance(hours * 3600)
        while await self.clock.step():
            continue

    async def created(self, order: OrderSnapshot, reference: str) -> None:
        data = ShopOrderCreated(
            order_id=order.order_id,
            route_id=uuid5(order.order_id, "route"),
            shop_connection_id=SHOP,
            shop_order_reference=reference,
            effect_id=UUID(int=9),
            confirmed_by="answer",
        )
        await self.stage.harness.feed((order.order_id, data))

    async def post(self, path: str, body: dict[str, Any]) -> None:
        answer = await self.stage.client.post(f"/v1{path}", json=body)
        assert answer.status_code == 200, answer.text

    async def parcels(self) -> None:
        """Parcels that are told, corrected, taken back, doubtful, too many, too early and too late."""
        stage, show, ship = self.stage, self.stage.show, self.stage.ship
        whole, parts, late, test, past = [await self.order() for _ in range(3)] + [
            await self.order(is_test=True),
            await self.order(origin=Origin.BACKFILL),
        ]
        await ship(whole)
        await ship(parts, "p2", (2, 0))
        await ship(test, "p-test")
        await ship(past, "p-past", origin=Origin.BACKFILL)
        await self.work()
        await show(parts, S.PREPARATION, lines={parts.lines[1].line_id: S.CANCELLED})  # complete without a word of ours
        await ship(whole, tracking_number="BETTER")  # a person closes it, then it is corrected back
        await self.close("tracking_changed")
        await ship(late, "p3", (2, 0))
        stage.fault("error_500_after_effect", "ship")
        await self.work(1)
        await ship(late, "p3", (2, 0), tracking_number="MEANWHILE")
        await self.work()
        await ship(late, "p4", (2, 1))  # too many
        await ship(whole)
        early = await self.order(status=S.ACCEPTED, ship_by=None)
        await ship(early, "p5", (1, 0))
        await show(early, S.PREPARATION, ship_by=stage.clock.now() + timedelta(hours=10))
        await ship(early, "p5", (1, 0), tracking_number="BEFORE-IT-WAS-SENT")
        cancelled, elsewhere = await self.order(), await self.order()
        await show(cancelled, S.CANCELLED)
        await ship(cancelled, "p6")
        await show(elsewhere, S.SHIPPED)
        await stage.harness.feed((past.order_id, OrderChanged(order=past, changed_fields=(), snapshot_id=UUID(int=2))))
        await self.order()
        await self.pass_time(6)
        await self.work()

    async def close(self, cause: str) -> None:
        [item] = [each for each in await self.stage.harness.parked() if each["cause"] == cause]
        await self.post(f"/operations/parked/{item['parked_id']}/close", {"resolution": "seen to"})


async def mirakl(stage: Stage, shop: Shop) -> History:
    """Parcels, and invoices in each of their states."""
    life = Life(stage)
    await stage.connect(settings=test_invoices.ON_SHIP, budgets=dict.fromkeys(test_invoices.MORE, 3_600_000))
    await shop.connect()
    await life.parcels()
    shop.writes("never")
    for name in ("late", "by-hand", "wanted"):
        order = await life.order()
        await shop.hold(order)
        await life.created(order, f"shop-{name}")
        await stage.ship(order, f"p-{name}")
        await life.work()
        if name == "by-hand":
            await life.post(f"/orders/{order.order_id}/invoices/by-hand", {"reason": "uploaded it myself"})
        if name == "late":
            stage.clock.advance(7 * 3600)
            await shop.asked()
            await shop.asked()
    shop.writes("at_once")
    stage.clock.advance(3 * 3600)
    for _ in range(3):
        await shop.asked()
        await life.work()
    shop.writes("never")
    last = await life.order()
    await life.created(last, "first name")
    await life.created(last, "another name")
    await stage.ship(last, "p-last")
    await life.work()
    # Switched off afterwards: what was wanted by then is told, not guessed from today's settings.
    await stage.connect()
    await stage.ship(await life.order(), "p-without")
    await life.work()
    await life.pass_time(1)
    await stage.ship(await life.order(), "p-planned")  # on its way, of which no event speaks
    await stage.harness.runtime.inbox.process(life.history.heard[5:25])  # delivered again
    return life.history


async def manomano_life(stage: Stage) -> History:
    """What the marketplace would not take, and a doubt that a person settles."""
    life = Life(stage)
    await stage.connect()
    first, second, third = [await life.order() for _ in range(3)]
    await stage.ship(first, carrier_name="Nobody Knows Them")
    await life.work()
    await stage.ship(first, carrier_name="GLS")
    await life.work()
    await stage.ship(second, "p2", carrier_name="Nobody Knows Them Either")
    await stage.ship(third, "p3", (1, 0))
    stage.fault("error_500_after_effect", "ship")
    await life.work(5)
    [effect] = [each for each in await stage.harness.effects("ship") if each["state"] == "UNKNOWN"]
    await life.post(
        f"/operations/effects/{effect['effect_id']}/settle", {"verdict": "applied", "evidence": "seen in back office"}
    )
    await stage.ship(await life.order(environment=Environment.PRODUCTION), "p4")
    await stage.ship(await life.order(), "p5", tracking_url=None)
    await life.work()
    return life.history


def test_the_plan_speaks_of_every_table() -> None:
    assert plan_problems(SPEC) == []


async def test_shipment_notifier_is_rebuilt_from_the_topics(
    stage: Stage, shop: Shop, new_database: NewDatabase
) -> None:
    history = await mirakl(stage, shop)
    await everything_happened(stage)
    told = len(stage.applied())
    for seed, batch in ((1, 1), (2, 7), (3, 500)):
        report = await history.prove(new_database(None), seed=seed, batch=batch)
        assert (report.given, report.untold, report.fenced) == ({"invoices": 1}, 0, 0)
    assert len(stage.applied()) == told
    await stage.harness.emitted()  # empties the outbox, and with it what the history knows of our own events
    verdicts = await history.verdicts(new_database(None))
    different = sorted(name for name, verdict in verdicts.items() if not verdict.equal)
    assert different == ["deadlines", "invoices", "parcels", "parked"]


async def everything_happened(stage: Stage) -> None:
    """Else the comparison would prove less than it says."""
    pool = stage.harness.runtime.pool
    parcels = {(row["state"], row["live"]) for row in await pool.fetch("SELECT state, live FROM parcels")}
    assert parcels >= {
        ("notified", True),
        ("parked", True),
        ("planned", True),
        ("set_aside", True),
        ("set_aside", False),
    }
    causes = {row["cause"] for row in await pool.fetch("SELECT cause FROM parked")}
    assert causes >= {"tracking_changed", "shipped_too_many", "shipped_after_cancellation", "invoice_missing"}
    invoices = {row["state"] for row in await pool.fetch("SELECT state FROM invoices")}
    assert invoices == {"wanted", "uploaded", "by_hand"}
    clocks = await pool.fetch("SELECT percent_told, met_at IS NOT NULL AS over FROM deadlines")
    assert {row["over"] for row in clocks} == {True, False}
    assert any(row["percent_told"] and not row["over"] for row in clocks)


async def test_refusals_and_doubts_are_rebuilt_too(manomano: Stage, new_database: NewDatabase) -> None:
    history = await manomano_life(manomano)
    await history.prove(new_database(None), empty=["invoices", "shop_references"])
    pool = manomano.harness.runtime.pool
    states = {row["state"] for row in await pool.fetch("SELECT state FROM parcels")}
    assert states >= {"notified", "rejected", "parked"}
