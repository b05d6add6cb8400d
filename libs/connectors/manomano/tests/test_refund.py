"""Refunds: units with reasons, and never a second one without a person."""

from __future__ import annotations

import pytest

from connector_kit.http import Answer
from connector_kit.outcome import OutcomeState, ProbeState

from .conftest import World, refund_request

SKUS = [{"sku": "A", "price": "10.00", "quantity": 3}, {"sku": "B", "price": "5.00", "quantity": 1}]
ALL = (("A", 3), ("B", 1))


def shipped(world: World, **options: object) -> str:
    return world.order(**({"status": "SHIPPED", "skus": SKUS} | options))


async def test_units_reasons_and_shipping_fees_go_out(world: World) -> None:
    reference = shipped(world)
    [outcome] = await world.connect().refund([refund_request(reference, ("A", 1), ("A", 1), refund_shipping=True)])
    assert outcome.state == OutcomeState.DONE
    [call] = world.http.calls
    assert (call.path, call.operation) == ("/orders/v1/refunds", "refund")
    assert call.json == [
        {
            "order_reference": reference,
            "seller_contract_id": 11781522,
            "refund_shipping_fees": True,
            "products": [{"seller_sku": "A", "quantity": 2, "refund_reason": "PRODUCT_DAMAGED"}],
        }
    ]
    assert world.applied("refund") == [f"{reference}/refund-1"]
    assert world.status(reference) == "REFUNDING"
    world.clock.forward(seconds=60)
    assert world.status(reference) == "SHIPPED"


async def test_more_than_fifty_go_out_in_several_calls(world: World) -> None:
    references = [shipped(world) for _ in range(55)]
    outcomes = await world.connect().refund([refund_request(reference, ("A", 1)) for reference in references])
    assert {outcome.state for outcome in outcomes} == {OutcomeState.DONE}
    assert [len(call.json) for call in world.http.calls] == [50, 5]
    assert len(world.applied("refund")) == 55


async def test_all_units_end_as_refunded(world: World) -> None:
    reference = shipped(world)
    await world.connect().refund([refund_request(reference, *ALL)])
    world.clock.forward(seconds=60)
    assert world.status(reference) == "REFUNDED"


async def test_the_path_is_a_setting(world: World) -> None:
    reference = shipped(world)
    [outcome] = await world.connect(refund_path="/orders/v1/refund-orders").refund([refund_request(reference, *ALL)])
    assert world.http.calls[0].path == "/orders/v1/refund-orders"
    assert outcome.state == OutcomeState.RETRY
    assert "needs attention" in outcome.reason


async def test_refusals(world: World) -> None:
    reference, unshipped = shipped(world), world.order(skus=SKUS)
    connection = world.connect()
    bad_reason, too_many, early = await connection.refund(
        [
            refund_request(reference, ("A", 1), reason="WHY_NOT"),
            refund_request(reference, ("A", 9)),
            refund_request(unshipped, ("A", 1)),
        ]
    )
    assert (bad_reason.state, "REFUND_REASON_INVALID" in bad_reason.reason) == (OutcomeState.REJECTED, True)
    assert (too_many.state, too_many.retry_if_not_applied) == (OutcomeState.UNKNOWN, False)
    assert (early.state, early.retry_if_not_applied) == (OutcomeState.UNKNOWN, False)
    assert (await connection.probe_refund(refund_request(unshipped, ("A", 1)))).state == ProbeState.NOT_APPLIED
    assert world.applied("refund") == []


async def test_what_cannot_be_said_in_units_is_not_sent(world: World) -> None:
    reference = shipped(world)
    outcomes = await world.connect().refund(
        [
            refund_request(reference, refund_shipping=True),
            refund_request(reference, ("A", 0)),
            refund_request(reference, ("A", 1), reason=" "),
            refund_request(reference, ("A", 1)),
        ]
    )
    assert [outcome.state for outcome in outcomes] == [OutcomeState.REJECTED] * 3 + [OutcomeState.DONE]
    assert "lines[0].quantity" in outcomes[1].reason
    assert "lines[0].reason_code" in outcomes[2].reason
    assert world.http.made("refund") == 1


@pytest.mark.parametrize("fault", ["timeout_after_effect", "error_500_after_effect", "missing_item_207"])
async def test_a_doubt_goes_to_an_operator_and_is_never_guessed(world: World, fault: str) -> None:
    reference = shipped(world)
    world.fault(fault, "refund")
    request = refund_request(reference, ("A", 1))
    connection = world.connect()
    [outcome] = await connection.refund([request])
    assert outcome.state == OutcomeState.UNKNOWN
    assert (await connection.probe_refund(request)).state == ProbeState.UNDECIDED
    world.clock.forward(seconds=60)
    assert (await connection.probe_refund(request)).state == ProbeState.UNDECIDED
    assert len(world.applied("refund")) == 1
    assert world.http.calls[-1].operation == "probe_refund"


@pytest.mark.parametrize("fault", ["error_500_before_effect", "html_answer"])
async def test_not_even_when_nothing_was_applied(world: World, fault: str) -> None:
    reference = shipped(world)
    world.fault(fault, "refund")
    connection = world.connect()
    [outcome] = await connection.refund([refund_request(reference, ("A", 1))])
    assert outcome.state == OutcomeState.UNKNOWN
    assert (await connection.probe_refund(refund_request(reference, ("A", 1)))).state == ProbeState.UNDECIDED
    assert world.applied("refund") == []


@pytest.mark.parametrize(
    ("status", "everything", "part"),
    [
        ("PENDING", ProbeState.NOT_APPLIED, ProbeState.NOT_APPLIED),
        ("PREPARATION", ProbeState.NOT_APPLIED, ProbeState.NOT_APPLIED),
        ("SHIPPED", ProbeState.UNDECIDED, ProbeState.UNDECIDED),
        ("REFUNDING", ProbeState.UNDECIDED, ProbeState.UNDECIDED),
        ("REFUNDED", ProbeState.APPLIED, ProbeState.UNDECIDED),
        ("REFUSED", ProbeState.REJECTED, ProbeState.REJECTED),
    ],
)
async def test_what_each_status_proves(world: World, status: str, everything: ProbeState, part: ProbeState) -> None:
    reference = world.order(skus=SKUS, status=status)
    connection = world.connect()
    assert (await connection.probe_refund(refund_request(reference, *ALL))).state == everything
    assert (await connection.probe_refund(refund_request(reference, ("A", 1)))).state == part


async def test_an_order_whose_units_cannot_be_read_proves_nothing(world: World) -> None:
    body = b'{"content": {"order_reference": "M1", "status": "REFUNDED", "products": [{"seller_sku": "A"}]}}'
    world.http.before = lambda call: Answer(200, {}, body)
    assert (await world.connect().probe_refund(refund_request("M1", ("A", 1)))).state == ProbeState.UNDECIDED
    world.http.before = lambda call: None
    assert (await world.connect().probe_refund(refund_request("M0", ("A", 1)))).state == ProbeState.UNDECIDED
