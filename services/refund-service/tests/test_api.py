"""The API for people: the ledger as it is, refunds by hand under the same rules, problems that name field and rule."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from hub_contracts.orders import FulfilledBy, OrderSnapshot
from hub_contracts.refunds import RefundRequested
from hub_tools.run.api import ApiError

Stage = Any
"""The fixtures `mirakl` and `manomano`; their class lives in the conftest, which cannot be imported from here."""


async def refused(stage: Stage, order_id: UUID, body: dict[str, Any]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await stage.post(f"/v1/orders/{order_id}/refunds", body)
    return caught.value


def wish(order: OrderSnapshot, quantity: int = 1, at: int = 0, **more: Any) -> dict[str, Any]:
    line = {"line_id": order.lines[at].line_id, "quantity": quantity}
    amount = more.pop("amount", None)
    return {"lines": [line | ({"amount": amount} if amount else {})], "reason_code": "17", **more}


async def test_a_refund_by_hand_is_made_once(mirakl: Stage) -> None:
    await mirakl.ready()
    order = await mirakl.arrive(mirakl.sold())
    body = wish(order, 1, amount="4.20", refund_shipping=True, request_id=str(UUID(int=5)))
    first = await mirakl.post(f"/v1/orders/{order.order_id}/refunds", body)
    second = await mirakl.post(f"/v1/orders/{order.order_id}/refunds", body)
    assert first["refund_id"] == second["refund_id"]
    await mirakl.settle()
    [applied] = mirakl.applied("refund")
    assert (applied.detail["amount"], applied.detail["shipping_amount"]) == ("4.20", "1.97")
    assert [r.requested_by for r in await mirakl.told(RefundRequested)] == ["tester"]
    shown = await mirakl.get(f"/v1/orders/{order.order_id}/ledger")
    kinds = [(entry["kind"], entry["amount"]) for entry in shown["entries"]]
    assert kinds == [("paid", "30.00"), ("refund_requested", "4.20"), ("refund_confirmed", "4.20")]
    assert [refund["state"] for refund in shown["refunds"]] == ["confirmed"]


async def test_wrong_input_is_422_and_names_field_and_rule(mirakl: Stage) -> None:
    await mirakl.ready()
    await mirakl.fetch_reasons()
    order = await mirakl.arrive(mirakl.sold())
    cases = [
        (wish(order) | {"lines": [{"line_id": "X", "quantity": 1}]}, "#/lines/0/line_id line_unknown"),
        (wish(order) | {"reason_code": "99"}, "#/reason_code"),
        (wish(order, 0), "#/lines/0/amount nothing_to_refund"),
        (wish(order, -1), "#/lines/0/quantity"),
        (wish(order, 1_000_001), "#/lines/0/quantity"),
        (wish(order, 1, amount="1.001"), "#/lines/0/amount amount_unsupported"),
        (wish(order, 1, amount="-1"), "#/lines/0/amount amount_unsupported"),
        (wish(order) | {"lines": wish(order)["lines"] * 2}, "#/lines/1/line_id must not be repeated"),
        (wish(order, return_id=str(UUID(int=7))), "#/return_id"),
        (wish(order, unknown=1), "#/unknown"),
    ]
    for body, text in cases:
        error = await refused(mirakl, order.order_id, body)
        assert error.status == 422, body
        assert text in str(error)
    assert await mirakl.told(RefundRequested) == []


async def test_what_the_ledger_or_the_marketplace_forbids_is_409(mirakl: Stage) -> None:
    await mirakl.ready()
    sold = await mirakl.arrive(mirakl.sold())
    unsent = await mirakl.arrive(mirakl.sold(status="SHIPPING"))
    cancelled = await mirakl.arrive(mirakl.sold(status="CANCELED"))
    theirs = await mirakl.arrive(mirakl.sold(), fulfilled_by=FulfilledBy.MARKETPLACE)
    cases = [
        (sold, wish(sold, 4), "exceeds_paid: 4 units wanted, 3 of 3 are left"),
        (sold, wish(sold, 1, amount="30.01"), "#/lines/0/amount exceeds_paid"),
        (unsent, wish(unsent), "not_refundable_yet"),
        (cancelled, wish(cancelled), "order_cancelled"),
        (theirs, wish(theirs), "The marketplace fulfils this order"),
    ]
    for order, body, text in cases:
        error = await refused(mirakl, order.order_id, body)
        assert error.status == 409, text
        assert text in str(error)


async def test_a_marketplace_of_whole_units_takes_no_free_amount(manomano: Stage) -> None:
    await manomano.ready()
    order = await manomano.arrive(manomano.sold())
    body = wish(order, 1, amount="3.00") | {"reason_code": "OTHER"}
    error = await refused(manomano, order.order_id, body)
    assert error.status == 422
    assert "amount_unsupported" in str(error)


async def test_a_refund_by_hand_closes_the_return_that_it_answers(mirakl: Stage) -> None:
    await mirakl.ready()
    order = await mirakl.arrive(mirakl.sold())
    event = await mirakl.take_back(order, mirakl.part(order, 1, amount="99.00"))
    assert await mirakl.parked() == ["exceeds_paid"]
    await mirakl.post(f"/v1/orders/{order.order_id}/refunds", wish(order, 1, return_id=str(event.return_id)))
    await mirakl.settle()
    assert await mirakl.parked() == []
    assert len(mirakl.applied("refund")) == 1
    [shown] = (await mirakl.get(f"/v1/returns?order_id={order.order_id}"))["items"]
    assert shown["state"] == "done"
    await mirakl.take_back(order, stage="inspected")
    await mirakl.wait_over()
    assert len(await mirakl.told(RefundRequested)) == 1


async def test_unknown_orders_and_strangers_are_turned_away(mirakl: Stage) -> None:
    await mirakl.ready()
    missing = f"/v1/orders/{UUID(int=99)}"
    with pytest.raises(ApiError, match="404 refund-service knows no order"):
        await mirakl.get(f"{missing}/ledger")
    with pytest.raises(ApiError, match="404 refund-service knows no order"):
        await mirakl.post(f"{missing}/cancellation", {})
    with pytest.raises(ApiError, match="401"):
        await mirakl.post(f"{missing}/refunds", {}, token="wrong")
