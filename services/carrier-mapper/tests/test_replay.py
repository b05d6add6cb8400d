"""carrier-mapper rebuilt from the topics: the carriers that were told, whatever rules and lists say today."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from carrier_mapper.main import SPEC
from hub_common.replay import plan_problems
from hub_common.testing.history import History
from hub_contracts.envelope import Origin
from hub_contracts.orders import Environment, OrderStatusChanged
from hub_contracts.status import OrderStatus

from .conftest import MIRAKL, Stage, default, order_id, parcel_id

NewDatabase = Callable[[str | None], str]
RULES = f"/connections/{MIRAKL}/carrier-rules"


async def live(stage: Stage) -> History:
    """Every way a parcel gets a carrier or waits, and everything decisions rest on changed afterwards."""
    history = History(stage.harness)

    async def hand(name: str, order: str = "o1", origin: Origin = Origin.LIVE, **changes: Any) -> None:
        stage.clock.advance(60)
        await stage.harness.feed((order_id(order), stage.parcel(name, order, **changes)), origin=origin)

    await stage.connect()
    await stage.fetch_lists()
    await stage.know("o1", "o2", "o3")
    await hand("named", carrier_name="chronopost", tracking_number="XY123456789FR")
    await hand("early", "late", carrier_name="chronopost", tracking_number="XY123456788FR")  # its order comes later
    await hand("by-rule", carrier_name="Les Camions")
    await hand("by-hand", "o2", carrier_name="Nobody Knows Them")
    await hand("closed", "o2", carrier_name="Nobody Knows Them Either")
    await hand("unnamed", "o3")
    await hand("waits", "o3", tracking_number="NO-o3-0001")
    await hand("past", "o3", origin=Origin.BACKFILL)
    await hand("test", is_test=True, carrier_name="chronopost", tracking_number="XY123456787FR")
    rule = {"kind": "explicit", "priority": 10, "shop_carrier": "les camions", "carrier_code": "DPD"}
    made = await stage.call("POST", RULES, rule, expect=201)
    chosen = {"carrier_code": "DPD", "carrier_name": "DPD", "remember_as_rule": True}
    await stage.call("POST", f"/parcels/{parcel_id('by-hand')}/carrier", chosen)
    [item] = [each for each in await stage.harness.parked() if each["subject_id"] == str(parcel_id("closed"))]
    url = f"/operations/parked/{item['parked_id']}/close"
    await stage.call("POST", url, {"resolution": "told the shop"})
    await stage.know("late")
    # Corrected: to another number, to a carrier that nobody knows and back again, and stated anew without a change.
    await hand("named", carrier_name="chronopost", tracking_number="XY123456786FR")
    await hand("by-rule", carrier_name="Unheard Of")
    await hand("by-rule", carrier_name="Les Camions")
    await hand("named", carrier_name="chronopost", tracking_number="XY123456786FR")
    status = OrderStatusChanged(
        order_id=order_id("o1"),
        connection_id=MIRAKL,
        environment=Environment.SANDBOX,
        from_status=OrderStatus.PREPARATION,
        to_status=OrderStatus.PREPARATION,
        trigger="test",
        marketplace_status="SHIPPING",
        marketplace_updated_at=stage.clock.now(),
        ship_by=stage.clock.now(),
    )
    await stage.harness.feed((order_id("o1"), status))
    # What decisions rested on is another one today.
    await stage.connect(carriers=default("DPD", carrier_code="DPD"))
    await stage.call("PUT", f"{RULES}/{made['id']}", rule | {"carrier_code": "UPS", "version": 1})
    await stage.harness.runtime.inbox.process(history.heard[3:9])  # delivered again
    return history


def test_the_plan_speaks_of_every_table() -> None:
    assert plan_problems(SPEC) == []


async def test_carrier_mapper_is_rebuilt_from_the_topics(stage: Stage, new_database: NewDatabase) -> None:
    history = await live(stage)
    await everything_happened(stage)
    for seed, batch in ((1, 1), (2, 7), (3, 500)):
        report = await history.prove(new_database(None), seed=seed, batch=batch)
        assert (report.untold, report.given) == (0, {"carrier_rules": 2, "marketplace_carriers": 1})
    await stage.harness.emitted()  # empties the outbox, and with it what the history knows of our own events
    verdicts = await history.verdicts(new_database(None))
    assert sorted(name for name, verdict in verdicts.items() if not verdict.equal) == ["parcels", "parked"]


async def everything_happened(stage: Stage) -> None:
    """Else the comparison would prove less than it says."""
    pool = stage.harness.runtime.pool
    ways = {tuple(row) for row in await pool.fetch("SELECT outcome, mapped_by, live FROM parcels")}
    assert ways == {
        ("mapped", "name", True),
        ("mapped", "rule", True),
        ("mapped", "operator", True),
        ("mapped", "default", True),
        ("parked", None, True),
        (None, None, False),
    }
    assert await pool.fetchval("SELECT count(*) FROM parked WHERE resolution = 'mapped'") >= 4
    assert await pool.fetchval("SELECT count(*) FROM parked WHERE resolved_at IS NULL") >= 1
