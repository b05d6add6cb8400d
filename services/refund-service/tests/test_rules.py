"""What is refunded, when and how much: policies, reasons, levels, taxes, and what is not ours to refund."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from connector_kit.simulator import FaultRule
from hub_contracts.connections import RefundSettings
from hub_contracts.envelope import Origin
from hub_contracts.orders import (
    Environment,
    FulfilledBy,
    Tax,
    TaxMode,
)
from hub_contracts.refunds import RefundConfirmed, RefundRequested

Stage = Any
"""The fixtures `mirakl` and `manomano`; their class lives in the conftest, which cannot be imported from here."""
CONNECTION = UUID(int=21)


@pytest.mark.parametrize(
    ("policy", "stages", "refunded"),
    [
        ("created", ["created"], 1),
        ("received", ["created"], 0),
        ("received", ["created", "received", "inspected"], 1),
        ("inspected", ["created", "received"], 0),
        ("inspected", ["inspected", "created"], 1),
        ("never", ["created", "received", "inspected"], 0),
    ],
)
async def test_the_policy_says_at_which_stage(mirakl: Stage, policy: str, stages: list[str], refunded: int) -> None:
    await mirakl.ready(RefundSettings(refund_on=policy, default_reason="17"))  # type: ignore[arg-type]
    order = await mirakl.arrive(mirakl.sold())
    for stage in stages:
        await mirakl.take_back(order, stage=stage)
    assert len(await mirakl.told(RefundRequested)) == refunded
    assert await mirakl.parked() == []


async def test_a_later_stage_adds_only_the_difference(mirakl: Stage) -> None:
    await mirakl.ready()
    order = await mirakl.arrive(mirakl.sold(("A", "10.00", 3), ("B", "4.50", 2)))
    await mirakl.take_back(order, mirakl.part(order, 1))
    await mirakl.take_back(order, mirakl.part(order, 2), mirakl.part(order, 1, 1), stage="inspected")
    await mirakl.settle(4)
    asked = await mirakl.told(RefundRequested)
    assert [[(line.quantity, line.amount) for line in each.lines] for each in asked] == [
        [(1, Decimal("10.00"))],
        [(1, Decimal("10.00")), (1, Decimal("4.50"))],
    ]
    assert len({each.refund_id for each in asked}) == 2
    assert len(mirakl.applied("refund")) == 3


async def test_given_amounts_are_refunded_where_the_marketplace_can(mirakl: Stage) -> None:
    await mirakl.ready()
    order = await mirakl.arrive(mirakl.sold())
    await mirakl.take_back(order, mirakl.part(order, 1, amount="7.35"))
    await mirakl.settle()
    assert [entry.detail["amount"] for entry in mirakl.applied("refund")] == ["7.35"]


async def test_given_amounts_are_parked_where_it_cannot(manomano: Stage) -> None:
    await manomano.ready()
    order = await manomano.arrive(manomano.sold())
    await manomano.take_back(order, manomano.part(order, 1, amount="7.35"))
    assert await manomano.parked() == ["amount_unsupported"]
    await manomano.take_back(order, manomano.part(order, 1, amount="10.00"))
    assert await manomano.parked() == []
    await manomano.settle()
    assert len(manomano.applied("refund")) == 1


async def test_more_than_was_paid_is_parked(mirakl: Stage) -> None:
    await mirakl.ready()
    order = await mirakl.arrive(mirakl.sold())
    await mirakl.take_back(order, mirakl.part(order, 4), reference="R1")
    await mirakl.take_back(order, mirakl.part(order, 1, amount="30.01"), reference="R2")
    assert await mirakl.parked() == ["exceeds_paid", "exceeds_paid"]
    assert await mirakl.told(RefundRequested) == []


async def test_a_cancelled_order_is_not_refunded(mirakl: Stage) -> None:
    await mirakl.ready()
    order = await mirakl.arrive(mirakl.sold(status="CANCELED"))
    await mirakl.take_back(order)
    assert await mirakl.parked() == ["order_cancelled"]
    assert await mirakl.told(RefundRequested) == []


async def test_an_unmapped_reason_waits_for_the_map(mirakl: Stage) -> None:
    await mirakl.ready(RefundSettings(reason_map={"too small": "17"}))
    order = await mirakl.arrive(mirakl.sold())
    await mirakl.take_back(order, mirakl.part(order, 1, reason="Too small "), reference="R1")
    await mirakl.take_back(order, mirakl.part(order, 1, reason="broken"), reference="R2")
    assert await mirakl.parked() == ["reason_unmapped"]
    await mirakl.ready(RefundSettings(reason_map={"broken": "19"}))
    assert await mirakl.parked() == []
    await mirakl.settle(4)
    assert [each.lines[0].reason_code for each in await mirakl.told(RefundConfirmed)] == ["17", "19"]
    assert await mirakl.park_story() == (1, 1)


async def test_a_reason_that_the_marketplace_does_not_list_is_parked(mirakl: Stage) -> None:
    await mirakl.ready(RefundSettings(default_reason="99"))
    assert await mirakl.fetch_reasons()
    assert not await mirakl.fetch_reasons()
    order = await mirakl.arrive(mirakl.sold())
    await mirakl.take_back(order)
    assert await mirakl.parked() == ["reason_unknown"]
    shown = await mirakl.get(f"/v1/connections/{CONNECTION}/reasons")
    assert {"code": "17", "label": "Product returned", "kind": "refund"} in shown["reasons"]
    await mirakl.ready(RefundSettings(default_reason="17"))
    assert await mirakl.parked() == []


async def test_reasons_are_fetched_daily_and_a_failure_keeps_the_old_ones(mirakl: Stage) -> None:
    await mirakl.ready()
    assert await mirakl.fetch_reasons()
    mirakl.clock.advance(86_401)
    await mirakl.harness.runtime.pool.execute("DELETE FROM leases")
    mirakl.faults(FaultRule(fault="html_answer", operation="list_reasons"))
    assert await mirakl.fetch_reasons()
    shown = await mirakl.get(f"/v1/connections/{CONNECTION}/reasons")
    assert shown["failures"] == 1
    assert shown["error"]
    assert len(shown["reasons"]) > 5


async def test_a_test_order_is_confirmed_without_the_marketplace(mirakl: Stage) -> None:
    await mirakl.ready()
    order = await mirakl.arrive(mirakl.sold(status="SHIPPING"), is_test=True)
    await mirakl.take_back(order)
    assert await mirakl.harness.effects() == []
    [confirmed] = await mirakl.told(RefundConfirmed)
    assert (confirmed.is_test, confirmed.confirmed_by) == (True, "test")
    assert [r.is_test for r in await mirakl.told(RefundRequested)] == [True]
    line = (await mirakl.ledger(order))[order.lines[0].line_id]
    assert line["confirmed"]["quantity"] == 1


async def test_what_is_not_ours_to_refund_is_recorded_only(mirakl: Stage) -> None:
    await mirakl.ready()
    first = await mirakl.arrive(mirakl.sold(), fulfilled_by=FulfilledBy.MARKETPLACE)
    second = await mirakl.arrive(mirakl.sold())
    await mirakl.take_back(first)
    await mirakl.take_back(second, origin=Origin.BACKFILL)
    assert await mirakl.told(RefundRequested) == []
    states = [item["state"] for item in (await mirakl.get("/v1/returns"))["items"]]
    assert states == ["recorded", "recorded"]
    await mirakl.take_back(second)
    assert len(await mirakl.told(RefundRequested)) == 1


async def test_sandbox_and_production_never_meet(mirakl: Stage) -> None:
    await mirakl.ready()
    order = await mirakl.arrive(mirakl.sold())
    await mirakl.take_back(order, environment=Environment.PRODUCTION)
    assert await mirakl.parked() == ["environment_mismatch"]
    assert await mirakl.told(RefundRequested) == []


async def test_a_capability_switched_off_waits_until_it_is_on(mirakl: Stage) -> None:
    await mirakl.ready(off=("refund",))
    order = await mirakl.arrive(mirakl.sold())
    await mirakl.take_back(order)
    assert await mirakl.parked() == ["refund_unsupported"]
    await mirakl.ready()
    assert await mirakl.parked() == []
    assert len(await mirakl.harness.effects("refund")) == 1


async def test_taxes_are_stated_where_the_marketplace_does_not_prorate_them(mirakl: Stage) -> None:
    await mirakl.ready()
    reference = mirakl.sold(tax_rule="NONE")
    order = await mirakl.arrive(reference)
    paid = order.lines[0].taxes
    assert paid == (Tax(code="TVA20", amount=Decimal("5.00"), rate=Decimal("20.0"), rule="NONE"),)
    assert order.tax_mode is TaxMode.INCLUDED
    await mirakl.take_back(order, mirakl.part(order, 1), refund_shipping=True, reference="R1")
    await mirakl.take_back(order, mirakl.part(order, 2), refund_shipping=True, reference="R2")
    await mirakl.settle(4)
    requests = [effect["request"]["lines"][0] for effect in await mirakl.harness.effects("refund")]
    assert [line["taxes"][0]["amount"] for line in requests] == ["1.67", "3.33"]
    assert sum(Decimal(line["shipping_taxes"][0]["amount"]) for line in requests) == Decimal("0.98")
    assert len(mirakl.applied("refund")) == 2
