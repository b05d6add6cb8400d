"""Accepting and refusing: nothing is decided twice, and no doubtful answer counts as success."""

from __future__ import annotations

import pytest

from connector_kit.outcome import OutcomeState, ProbeState
from connector_kit.requests import AcceptLine, AnswerOrder
from hub_contracts.status import OrderStatus

from .stage import Stage, answer_for, parcel_for


async def test_accepts_with_every_line_present(stage: Stage) -> None:
    order = stage.order(lines=3)
    [outcome] = await stage.connection.accept([answer_for(order)])
    assert outcome.state is OutcomeState.DONE
    [call] = stage.http.made("accept")
    assert call.method == "PUT"
    assert call.path == f"/api/orders/{order.id}/accept"
    assert call.json == {"order_lines": [{"id": line.id, "accepted": True} for line in order.lines]}
    assert stage.applied("accept") == [order.id]


async def test_an_order_is_released_only_after_the_debit(stage: Stage) -> None:
    order = stage.order(lines=1)
    await stage.connection.accept([answer_for(order)])
    seen = [order.state]
    for _ in range(2):
        stage.clock.pass_seconds(16)
        stage.simulator.desk.advance()
        seen.append(order.state)
    assert seen == ["WAITING_DEBIT", "WAITING_DEBIT_PAYMENT", "SHIPPING"]


async def test_refuses_single_lines(stage: Stage) -> None:
    order = stage.order(lines=2)
    request = answer_for(order, refused=(order.lines[1].id,))
    [outcome] = await stage.connection.accept([request])
    assert outcome.state is OutcomeState.DONE
    assert [line.state for line in order.lines] == ["WAITING_DEBIT", "REFUSED"]
    assert (await stage.connection.probe_accept(request)).state is ProbeState.APPLIED


async def test_a_mixed_decision_is_not_sent_where_partial_acceptance_is_off() -> None:
    stage = Stage(settings={"partial_acceptance": "false"})
    order = stage.order(lines=2)
    [outcome] = await stage.connection.accept([answer_for(order, refused=(order.lines[1].id,))])
    assert outcome.state is OutcomeState.REJECTED
    assert "one decision per order" in outcome.reason
    assert stage.http.calls == []


async def test_partial_acceptance_disabled_at_the_shop_is_learned(stage: Stage) -> None:
    stage.fault("partial_acceptance_disabled", times=1)
    orders = [stage.order(lines=2) for _ in range(2)]
    for order in orders:
        [outcome] = await stage.connection.accept([answer_for(order, refused=(order.lines[1].id,))])
        assert outcome.state is OutcomeState.REJECTED
        assert outcome.answer == {"whole_order": "held"}
        assert order.state == "WAITING_ACCEPTANCE"
    assert len(stage.http.calls) == 1
    [whole] = await stage.connection.accept([answer_for(orders[0])])
    assert whole.state is OutcomeState.DONE


@pytest.mark.parametrize("learned", [True, False])
async def test_a_whole_order_is_refused_instead_where_the_seller_wants_it(learned: bool) -> None:
    partial = {} if learned else {"partial_acceptance": "false"}
    stage = Stage(sandbox={"partial_acceptance": False}, settings={"when_not_partial": "refuse", **partial})
    order = stage.order(lines=3)
    request = answer_for(order, refused=(order.lines[1].id,))
    [outcome] = await stage.connection.accept([request])
    assert outcome.state is OutcomeState.REJECTED
    assert outcome.answer == {"whole_order": "refused"}
    last = stage.http.made("accept")[-1]
    assert last.json == {"order_lines": [{"id": line.id, "accepted": False} for line in order.lines]}
    assert len(stage.http.calls) == 1 + learned
    assert stage.applied("refuse") == [order.id]
    assert stage.applied("accept") == []


async def test_a_whole_refusal_whose_answer_is_lost_is_never_taken_for_an_acceptance() -> None:
    settings = {"when_not_partial": "refuse", "partial_acceptance": "false"}
    stage = Stage(sandbox={"partial_acceptance": False}, settings=settings)
    order = stage.order(lines=2)
    request = answer_for(order, refused=(order.lines[1].id,))
    stage.fault("timeout_after_effect")
    [outcome] = await stage.connection.accept([request])
    assert outcome.state is OutcomeState.UNKNOWN
    stage.no_faults()
    assert (await stage.connection.probe_accept(request)).state is ProbeState.REJECTED


async def test_refuse_refuses_every_line_whatever_the_request_says(stage: Stage) -> None:
    order = stage.order(lines=2)
    request = answer_for(order)
    [outcome] = await stage.connection.refuse([request])
    assert outcome.state is OutcomeState.DONE
    assert order.state == "REFUSED"
    assert stage.applied("refuse") == [order.id]
    assert (await stage.connection.probe_refuse(request)).state is ProbeState.APPLIED
    assert (await stage.connection.probe_accept(request)).state is ProbeState.REJECTED


@pytest.mark.parametrize("fault", ["timeout_after_effect", "error_500_after_effect"])
async def test_an_answer_lost_after_the_effect_is_unknown_and_the_probe_finds_it(stage: Stage, fault: str) -> None:
    order = stage.order(lines=2)
    stage.fault(fault, "accept")
    [outcome] = await stage.connection.accept([answer_for(order)])
    assert outcome.state is OutcomeState.UNKNOWN
    assert outcome.retry_if_not_applied
    assert (await stage.connection.probe_accept(answer_for(order))).state is ProbeState.APPLIED
    assert stage.applied("accept") == [order.id]


@pytest.mark.parametrize("fault", ["error_500_before_effect", "html_answer"])
async def test_an_unclear_answer_without_effect_is_unknown_and_the_probe_denies_it(stage: Stage, fault: str) -> None:
    order = stage.order(lines=1)
    stage.fault(fault, "accept", times=1)
    [outcome] = await stage.connection.accept([answer_for(order)])
    assert outcome.state is OutcomeState.UNKNOWN
    assert (await stage.connection.probe_accept(answer_for(order))).state is ProbeState.NOT_APPLIED
    assert stage.applied("accept") == []


async def test_a_second_accept_is_left_to_the_probe(stage: Stage) -> None:
    order = stage.order(lines=1)
    await stage.connection.accept([answer_for(order)])
    [outcome] = await stage.connection.accept([answer_for(order)])
    assert outcome.state is OutcomeState.UNKNOWN
    assert not outcome.retry_if_not_applied
    assert "ORDER_INVALID_STATE" in outcome.reason
    assert (await stage.connection.probe_accept(answer_for(order))).state is ProbeState.APPLIED
    assert stage.applied("accept") == [order.id]


async def test_a_platform_that_accepts_by_itself_counts_as_accepted(stage: Stage) -> None:
    stage.fault("automatic_acceptance")
    order = stage.order(lines=1)
    [outcome] = await stage.connection.accept([answer_for(order)])
    assert outcome.state is OutcomeState.UNKNOWN
    assert (await stage.connection.probe_accept(answer_for(order))).state is ProbeState.APPLIED


async def test_a_refused_debit_ends_cancelled_but_was_an_acceptance(stage: Stage) -> None:
    stage.fault("debit_refused")
    order = stage.order(lines=1)
    [outcome] = await stage.connection.accept([answer_for(order)])
    assert outcome.state is OutcomeState.DONE
    stage.clock.pass_seconds(31)
    probe = await stage.connection.probe_accept(answer_for(order))
    assert order.state == "CANCELED"
    assert probe.state is ProbeState.APPLIED


async def test_the_late_debit_is_shown_as_the_hub_knows_it(stage: Stage) -> None:
    """ACCEPTED until it is released; a debit that fails ends CANCELLED, never in silence."""
    good, bad = stage.order(lines=1), stage.order(lines=1)
    await stage.connection.accept([answer_for(good)])
    stage.fault("debit_refused")
    await stage.connection.accept([answer_for(bad)])
    stage.no_faults()
    seen: list[tuple[OrderStatus, OrderStatus]] = []
    for _ in range(3):
        raws = [await stage.connection.read_order(order.id) for order in (good, bad)]
        first, second = [stage.connection.map_order(raw).snapshot.status for raw in raws if raw is not None]
        seen.append((first, second))
        stage.clock.pass_seconds(16)
    accepted = (OrderStatus.ACCEPTED, OrderStatus.ACCEPTED)
    assert seen == [accepted, accepted, (OrderStatus.PREPARATION, OrderStatus.CANCELLED)]
    for order in (good, bad):
        [outcome] = await stage.connection.ship([parcel_for(order)])
        assert (outcome.state is OutcomeState.DONE) is (order is good)


async def test_an_order_cancelled_before_any_answer_can_never_be_accepted(stage: Stage) -> None:
    order = stage.order(lines=1, status="CANCELED")
    order.decided = None
    assert (await stage.connection.probe_accept(answer_for(order))).state is ProbeState.REJECTED
    assert (await stage.connection.probe_refuse(answer_for(order))).state is ProbeState.REJECTED


async def test_a_missed_deadline_is_seen_as_refused(stage: Stage) -> None:
    order = stage.order(lines=1)
    stage.clock.pass_seconds(120 * 3600)
    [outcome] = await stage.connection.accept([answer_for(order)])
    assert outcome.state is OutcomeState.UNKNOWN
    probe = await stage.connection.probe_accept(answer_for(order))
    assert probe.state is ProbeState.REJECTED
    assert "REFUSED" in probe.evidence


async def test_a_line_that_somebody_else_decided_differently_is_not_called_applied(stage: Stage) -> None:
    order = stage.order(lines=2)
    await stage.connection.accept([answer_for(order, refused=(order.lines[0].id,))])
    assert (await stage.connection.probe_accept(answer_for(order))).state is ProbeState.REJECTED


@pytest.mark.parametrize(
    ("state", "line_state"), [("ON_HOLD", "ON_HOLD"), ("SHIPPING", "WAITING_ACCEPTANCE")], ids=["word", "line waits"]
)
async def test_what_cannot_be_read_is_undecided(stage: Stage, state: str, line_state: str) -> None:
    order = stage.order(lines=1)
    order.state, order.lines[0].state = state, line_state
    assert (await stage.connection.probe_accept(answer_for(order))).state is ProbeState.UNDECIDED


async def test_an_unknown_order_is_rejected_and_its_probe_undecided(stage: Stage) -> None:
    ghost = AnswerOrder(order_reference="NO/SUCH A", lines=(AcceptLine(line_id="x", accepted=True),))
    [outcome] = await stage.connection.accept([ghost])
    assert outcome.state is OutcomeState.REJECTED
    assert stage.http.calls[0].path == "/api/orders/NO%2FSUCH%20A/accept"
    assert (await stage.connection.probe_accept(ghost)).state is ProbeState.UNDECIDED


async def test_each_request_has_its_own_outcome_in_order(stage: Stage) -> None:
    good, late = stage.order(lines=1), stage.order(lines=1, status="SHIPPED")
    ghost = AnswerOrder(order_reference="X", lines=(AcceptLine(line_id="x", accepted=True),))
    twice = AnswerOrder(order_reference="Y", lines=(AcceptLine(line_id="x", accepted=True),) * 2)
    empty = AnswerOrder(order_reference="Z", lines=())
    outcomes = await stage.connection.accept([answer_for(late), ghost, twice, empty, answer_for(good)])
    assert [outcome.state.value for outcome in outcomes] == ["unknown", "rejected", "rejected", "rejected", "done"]
