"""Returns that buyers opened at the marketplace: told once per stage, answered once, never a second refund."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from connector_kit.simulator import FaultRule
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_contracts.connections import HubSettings, RefundSettings, ReturnSettings
from hub_contracts.orders import OrderSnapshot
from hub_contracts.refunds import (
    MarketplaceReturnAnswered,
    MarketplaceReturnAnswerRejected,
    MarketplaceReturnReported,
)
from refund_service.market_reading import ReturnReader

from .conftest import CONNECTION, REASONS, Stage

QUARTER = 900


class Returns:
    """The marketplace's side of returns."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    async def connect(self, answer: str = "person", **changes: Any) -> None:
        """The connection, with this policy on returns."""
        settings = HubSettings(
            refunds=RefundSettings(default_reason=REASONS["mirakl"]),
            returns=ReturnSettings(answer=answer, **changes),  # type: ignore[arg-type]
        )
        data = self.stage.connection().model_copy(update={"settings": settings})
        await self.stage.harness.feed((CONNECTION, data))
        await self.stage.wait_over()

    def opened(self, order: OrderSnapshot, units: int = 1, state: str = "WAITING_ACCEPTANCE") -> str:
        """The buyer wants units of the first line to go back."""
        line = order.lines[0].line_id
        reference = order.marketplace_reference
        found: str = self.stage.simulator.open_return(reference, {line: units}, state=state)
        return found

    async def read(self) -> None:
        """One reading, when it is due."""
        self.stage.clock.advance(QUARTER)
        await self.stage.harness.lease()
        await ReturnReader(self.stage.harness.runtime).step()

    async def shown(self) -> list[dict[str, Any]]:
        """Returns as people see them."""
        items: list[dict[str, Any]] = (await self.stage.get("/v1/marketplace-returns"))["items"]
        return items

    async def answer(self, return_id: UUID | str, **body: Any) -> httpx.Response:
        """A person answers."""
        headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
        async with httpx.AsyncClient(base_url=await self.stage.api(), headers=headers, trust_env=False) as client:
            return await client.post(f"/v1/marketplace-returns/{return_id}/answer", json=body)

    def state(self, reference: str) -> str:
        """The return's state at the marketplace."""
        state: str = self.stage.simulator.world.returns[reference].state
        return state

    async def reported(self) -> list[str]:
        """Stages told so far, in order."""
        return [event.stage for event in await self.stage.told(MarketplaceReturnReported)]


@pytest.fixture
async def returns(mirakl: Stage) -> Returns:
    """A Mirakl operator whose returns are read and answered by people."""
    made = Returns(mirakl)
    await made.connect()
    return made


async def test_a_return_is_told_once_per_stage(mirakl: Stage, returns: Returns) -> None:
    order = await mirakl.arrive(mirakl.sold())
    reference = returns.opened(order)
    await returns.read()
    await returns.read()
    assert await returns.reported() == ["requested"]
    assert await mirakl.parked() == ["return_unanswered"]
    mirakl.simulator.world.returns[reference].state = "IN_PROGRESS"
    mirakl.simulator.world.returns[reference].updated = mirakl.clock.now()
    await returns.read()
    assert await returns.reported() == ["requested", "under_way"]
    assert await mirakl.parked() == []


async def test_policy_accepts_by_itself_once(mirakl: Stage, returns: Returns) -> None:
    await returns.connect("accept")
    order = await mirakl.arrive(mirakl.sold())
    reference = returns.opened(order)
    await returns.read()
    await mirakl.settle()
    assert returns.state(reference) == "IN_PROGRESS"
    [answered] = await mirakl.told(MarketplaceReturnAnswered)
    assert (answered.answer, answered.order_id) == ("accept", order.order_id)
    await returns.read()
    await mirakl.settle()
    assert len(await mirakl.harness.effects("answer_return")) == 1


async def test_a_changed_policy_holds_for_returns_that_wait(mirakl: Stage, returns: Returns) -> None:
    reference = returns.opened(await mirakl.arrive(mirakl.sold()))
    await returns.read()
    await returns.connect("accept")
    await mirakl.settle()
    assert returns.state(reference) == "IN_PROGRESS"


async def test_a_person_refuses_with_a_reason(mirakl: Stage, returns: Returns) -> None:
    reference = returns.opened(await mirakl.arrive(mirakl.sold()))
    await returns.read()
    [shown] = await returns.shown()
    assert shown["possible"] == ["accept", "refuse"]
    wrong = await returns.answer(shown["return_id"], answer="receive")
    assert (wrong.status_code, wrong.json()["detail"]) == (
        409,
        "The return is requested: it takes accept or refuse, not receive.",
    )
    given = await returns.answer(shown["return_id"], answer="refuse", reason_code="RETURN_REJECTION_WINDOW_CLOSED")
    assert given.status_code == 202, given.text
    again = await returns.answer(shown["return_id"], answer="refuse", reason_code="RETURN_REJECTION_WINDOW_CLOSED")
    assert again.status_code == 409
    await mirakl.settle()
    assert [each.answer for each in await mirakl.told(MarketplaceReturnAnswered)] == ["refuse"]
    assert returns.state(reference) == "REFUSED"


@pytest.mark.parametrize("fault", ["timeout_after_effect", "error_500_after_effect"])
async def test_a_lost_answer_is_looked_up(mirakl: Stage, returns: Returns, fault: str) -> None:
    await returns.connect("accept")
    reference = returns.opened(await mirakl.arrive(mirakl.sold()))
    await returns.read()
    mirakl.faults(FaultRule(fault=fault, operation="answer_return", times=1))
    await mirakl.settle()
    assert returns.state(reference) == "IN_PROGRESS"
    assert [each.confirmed_by for each in await mirakl.told(MarketplaceReturnAnswered)] == ["probe"]


async def test_goods_at_the_shop_are_confirmed_and_refunded_once(mirakl: Stage, returns: Returns) -> None:
    await returns.connect("accept")
    await mirakl.fetch_reasons()
    order = await mirakl.arrive(mirakl.sold())
    reference = returns.opened(order, units=1)
    await returns.read()
    await mirakl.settle()
    await mirakl.take_back(order, mirakl.part(order, 1))
    await returns.read()
    await mirakl.settle()
    assert returns.state(reference) in ("RECEIVED", "CLOSED")
    assert len(mirakl.applied("refund")) == 1
    await mirakl.polled(order.marketplace_reference)
    await returns.read()
    await mirakl.settle()
    assert len(mirakl.applied("refund")) == 1, "the marketplace's return gives no money back, the shop's report does"


async def test_a_return_read_before_its_order_goes_on_when_it_comes(mirakl: Stage, returns: Returns) -> None:
    await returns.connect("accept")
    sold = mirakl.sold()
    order = await mirakl.snapshot(sold)
    reference = returns.opened(order)
    await returns.read()
    assert (await mirakl.parked(), await returns.reported()) == (["return_order_unknown"], [])
    await mirakl.arrive(sold)
    await mirakl.settle()
    assert (await mirakl.parked(), await returns.reported()) == ([], ["requested"])
    assert returns.state(reference) == "IN_PROGRESS"


async def test_what_the_marketplace_refuses_needs_a_person(mirakl: Stage, returns: Returns) -> None:
    reference = returns.opened(await mirakl.arrive(mirakl.sold()))
    await returns.read()
    [shown] = await returns.shown()
    await returns.answer(shown["return_id"], answer="accept")
    mirakl.simulator.world.returns[reference].state = "CANCELED"
    await mirakl.settle()
    assert len(await mirakl.told(MarketplaceReturnAnswerRejected)) == 1
    assert "return_answer_rejected" in await mirakl.parked()


async def test_test_orders_are_never_answered(mirakl: Stage, returns: Returns) -> None:
    await returns.connect("accept")
    returns.opened(await mirakl.arrive(mirakl.sold(), is_test=True))
    await returns.read()
    assert await mirakl.harness.effects("answer_return") == []


async def test_nothing_is_read_where_it_is_switched_off(mirakl: Stage, returns: Returns) -> None:
    await returns.connect(read=False)
    returns.opened(await mirakl.arrive(mirakl.sold()))
    await returns.read()
    assert await returns.shown() == []


async def test_a_reading_that_fails_loses_nothing(mirakl: Stage, returns: Returns) -> None:
    order = await mirakl.arrive(mirakl.sold())
    await returns.read()
    returns.opened(order)
    mirakl.faults(FaultRule(fault="error_500_before_effect", operation="list_returns", times=1))
    await returns.read()
    assert await returns.reported() == []
    for _ in range(3):
        await returns.read()
    assert await returns.reported() == ["requested"]


async def test_bad_input_names_the_field(returns: Returns) -> None:
    assert (await returns.answer(uuid4(), answer="accept")).status_code == 404
    wrong = await returns.answer(uuid4(), answer="maybe")
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "#/answer")
