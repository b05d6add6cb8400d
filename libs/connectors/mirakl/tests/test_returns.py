"""Returns: read whole, answered item by item, and never said to be answered when they are not."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from connector_kit.aftersales import AnswerReturn, MarketplaceReturn, ReturnStage
from connector_kit.http import BadAnswer
from connector_kit.outcome import OutcomeState, ProbeState
from connector_mirakl.client import Unavailable
from connector_mirakl.returns import judge, map_return, read_item
from connector_mirakl.sandbox.world import SimOrder

from .asgi_caller import START
from .stage import Stage

Answer = Literal["accept", "refuse", "receive", "comply", "object"]


def opened(stage: Stage, state: str = "WAITING_ACCEPTANCE") -> tuple[SimOrder, str]:
    order = stage.shipping_order(status="SHIPPED")
    return order, stage.simulator.open_return(order.id, {order.lines[0].id: 2, order.lines[1].id: 1}, state=state)


def answer(reference: str, word: Answer = "accept", reason: str | None = None) -> AnswerReturn:
    return AnswerReturn(return_reference=reference, order_reference="X", answer=word, reason_code=reason)


async def listed(stage: Stage, **window: Any) -> list[MarketplaceReturn]:
    return [found async for page in stage.connection.list_returns(**window) for found in page]


async def test_returns_are_read_with_their_lines(stage: Stage) -> None:
    order, reference = opened(stage, "IN_PROGRESS")
    [found] = await listed(stage)
    assert (found.return_reference, found.order_reference) == (reference, order.id)
    assert (found.stage, found.marketplace_state) == (ReturnStage.UNDER_WAY, "IN_PROGRESS")
    assert [(line.line_id, line.quantity) for line in found.lines] == [(order.lines[0].id, 2), (order.lines[1].id, 1)]
    assert found.lines[0].reason_code == "RETURN_OTHER"
    assert found.tracking_number is not None
    assert found.updated_at == START


async def test_only_what_changed_is_asked_for(stage: Stage) -> None:
    opened(stage)
    stage.clock.pass_seconds(3600)
    _, fresh = opened(stage)
    found = await listed(stage, updated_from=stage.clock.now())
    assert [each.return_reference for each in found] == [fresh]


async def test_many_returns_are_all_read(stage: Stage) -> None:
    order, _ = opened(stage)
    for _ in range(230):
        stage.simulator.open_return(order.id, {order.lines[0].id: 1})
    assert len(await listed(stage)) == 231
    operations = [call.operation for call in stage.http.calls]
    assert operations == ["list_returns", "list_returns_page", "list_returns_page"]
    assert [name for name, _ in stage.http.calls[1].params] == ["page_token"]


@pytest.mark.parametrize(
    ("state", "word", "reason", "ends"),
    [
        ("WAITING_ACCEPTANCE", "accept", None, "IN_PROGRESS"),
        ("WAITING_ACCEPTANCE", "refuse", "RETURN_REJECTION_WINDOW_CLOSED", "REFUSED"),
        ("IN_PROGRESS", "receive", None, "RECEIVED"),
        ("RECEIVED", "comply", None, "RECEIVED"),
        ("RECEIVED", "object", "RETURN_NON_COMPLIANT_DAMAGED_PRODUCT", "RECEIVED"),
    ],
)
async def test_each_answer_is_given_and_found_again(
    stage: Stage, state: str, word: Answer, reason: str | None, ends: str
) -> None:
    _, reference = opened(stage, state)
    request = answer(reference, word, reason)
    assert (await stage.connection.probe_answer_return(request)).state is ProbeState.NOT_APPLIED
    [outcome] = await stage.connection.answer_returns([request])
    assert outcome.state is OutcomeState.DONE
    assert stage.simulator.world.returns[reference].state == ends
    assert (await stage.connection.probe_answer_return(request)).state is ProbeState.APPLIED
    assert stage.applied("answer_return") == [f"{reference}/{word}"]


async def test_an_objection_names_every_line_and_its_reason(stage: Stage) -> None:
    order, reference = opened(stage, "RECEIVED")
    await stage.connection.answer_returns([answer(reference, "object", "RETURN_NON_COMPLIANT_DAMAGED_PRODUCT")])
    [call] = stage.http.made("answer_return")
    verdict = {"compliant": False, "non_compliance_reason_code": "RETURN_NON_COMPLIANT_DAMAGED_PRODUCT"}
    lines = [{"order_line_id": line.id, **verdict} for line in order.lines]
    assert (call.path, call.json) == (
        "/api/returns/compliance",
        {"returns": [{"id": reference, "return_lines": lines}]},
    )


async def test_answers_of_a_kind_share_a_call_and_keep_their_order(stage: Stage) -> None:
    waiting = [opened(stage)[1] for _ in range(3)]
    under_way = opened(stage, "IN_PROGRESS")[1]
    requests = [
        answer(waiting[0]),
        answer(under_way, "receive"),
        answer("00000000-0000-4000-8000-000000000000"),
        answer(waiting[1], "refuse"),
        answer(waiting[2]),
    ]
    outcomes = await stage.connection.answer_returns(requests)
    assert [outcome.state.value for outcome in outcomes] == ["done", "done", "unknown", "done", "done"]
    assert not outcomes[2].retry_if_not_applied
    assert [len(call.json["returns"]) for call in stage.http.made("answer_return")] == [4, 1]
    assert (await stage.connection.probe_answer_return(requests[2])).state is ProbeState.UNDECIDED


async def test_more_than_a_hundred_and_the_same_return_twice_take_several_calls(stage: Stage) -> None:
    references = [opened(stage)[1] for _ in range(101)]
    outcomes = await stage.connection.answer_returns([answer(r) for r in [*references, references[0]]])
    assert [len(call.json["returns"]) for call in stage.http.made("answer_return")] == [100, 2]
    assert [outcome.state for outcome in outcomes[:101]] == [OutcomeState.DONE] * 101
    assert outcomes[101].state is OutcomeState.UNKNOWN


async def test_two_words_on_one_return_never_share_a_call(stage: Stage) -> None:
    _, reference = opened(stage)
    outcomes = await stage.connection.answer_returns([answer(reference), answer(reference, "refuse")])
    assert [len(call.json["returns"]) for call in stage.http.made("answer_return")] == [1, 1]
    assert [outcome.state for outcome in outcomes] == [OutcomeState.DONE, OutcomeState.UNKNOWN]


@pytest.mark.parametrize("word", ["accept", "receive", "comply"])
@pytest.mark.parametrize("fault", ["timeout_after_effect", "error_500_after_effect", "item_missing"])
async def test_a_lost_answer_is_found(stage: Stage, fault: str, word: Answer) -> None:
    state = {"accept": "WAITING_ACCEPTANCE", "receive": "IN_PROGRESS", "comply": "RECEIVED"}[word]
    _, reference = opened(stage, state)
    stage.fault(fault, "answer_return")
    [outcome] = await stage.connection.answer_returns([answer(reference, word)])
    assert outcome.state is OutcomeState.UNKNOWN
    assert (await stage.connection.probe_answer_return(answer(reference, word))).state is ProbeState.APPLIED
    assert len(stage.applied("answer_return")) == 1


async def test_a_refused_item_is_left_to_the_probe(stage: Stage) -> None:
    _, reference = opened(stage)
    stage.fault("item_refused", "answer_return")
    [outcome] = await stage.connection.answer_returns([answer(reference)])
    assert (outcome.state, outcome.retry_if_not_applied) == (OutcomeState.UNKNOWN, False)
    assert (await stage.connection.probe_answer_return(answer(reference))).state is ProbeState.NOT_APPLIED


@pytest.mark.parametrize("fault", ["rate_limit", "error_500_before_effect", "html_answer", "timeout_after_effect"])
async def test_nothing_is_judged_while_the_lines_are_unknown(stage: Stage, fault: str) -> None:
    _, reference = opened(stage, "RECEIVED")
    stage.fault(fault, "read_return")
    [outcome] = await stage.connection.answer_returns([answer(reference, "comply")])
    assert outcome.state is OutcomeState.RETRY
    assert stage.http.made("answer_return") == []


async def test_a_judgement_of_a_return_without_lines_is_rejected(stage: Stage) -> None:
    [outcome] = await stage.connection.answer_returns([answer("nobody", "comply")])
    assert outcome.state is OutcomeState.REJECTED
    assert stage.http.made("answer_return") == []


@pytest.mark.parametrize(
    ("word", "state", "expected"),
    [
        ("accept", "REFUSED", ProbeState.REJECTED),
        ("accept", "CLOSED", ProbeState.APPLIED),
        ("accept", "CANCELED", ProbeState.REJECTED),
        ("refuse", "IN_PROGRESS", ProbeState.REJECTED),
        ("receive", "CLOSED", ProbeState.UNDECIDED),
        ("receive", "NO_RECEPTION", ProbeState.NOT_APPLIED),
        ("receive", "REFUSED", ProbeState.REJECTED),
        ("accept", "LOST_IN_SPACE", ProbeState.UNDECIDED),
        ("comply", "RECEIVED", ProbeState.UNDECIDED),
    ],
)
def test_an_answer_is_judged_by_the_state(word: Answer, state: str, expected: ProbeState) -> None:
    assert judge({"state": state}, answer("R", word)).state is expected


@pytest.mark.parametrize(
    ("verdicts", "word", "expected"),
    [
        ([True, True], "comply", ProbeState.APPLIED),
        ([True, None], "comply", ProbeState.UNDECIDED),
        ([True, False], "object", ProbeState.UNDECIDED),
        ([False, False], "object", ProbeState.APPLIED),
        ([None, None], "object", ProbeState.NOT_APPLIED),
    ],
)
def test_compliance_is_judged_line_by_line(verdicts: list[bool | None], word: Answer, expected: ProbeState) -> None:
    lines = [{"compliance": [] if verdict is None else [{"compliant": verdict}]} for verdict in verdicts]
    assert judge({"state": "RECEIVED", "return_lines": lines}, answer("R", word)).state is expected


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({}, "unknown"),
        ({"return_success": None, "return_errors": None}, "unknown"),
        ({"return_success": [{"id": "other"}]}, "unknown"),
        ({"return_success": [{"id": "ME"}]}, "done"),
        ({"return_success": [{"id": "ME"}, {"id": "ME"}]}, "unknown"),
        ({"return_success": [{"id": "ME"}], "return_errors": [{"id": "ME"}]}, "unknown"),
        ({"return_errors": [{"id": "ME", "message": None}]}, "unknown"),
    ],
)
def test_no_reading_of_the_lists_invents_success(told: dict[str, Any], state: str) -> None:
    assert read_item(told, "ME", "RT21").state.value == state


async def test_one_unreadable_return_does_not_hide_the_others(stage: Stage) -> None:
    _, odd = opened(stage)
    _, good = opened(stage)
    stage.simulator.world.returns[odd].lines[0]["quantity"] = "many"
    stage.http.unwatched = True
    found: list[str] = []
    with pytest.raises(BadAnswer, match=odd):
        async for page in stage.connection.list_returns():
            found += [each.return_reference for each in page]
    assert found == [good]


def test_a_state_that_nobody_knows_is_kept_and_not_guessed() -> None:
    shown = {"id": "R", "order_id": "O", "state": "ON_ITS_WAY", "date_created": "2025-11-07T09:14:22Z"}
    found = map_return(shown)
    assert (found.stage, found.marketplace_state) == (ReturnStage.UNKNOWN, "ON_ITS_WAY")


@pytest.mark.parametrize(("fault", "error"), [("rate_limit", Unavailable), ("html_answer", BadAnswer)])
async def test_a_failed_listing_raises(stage: Stage, fault: str, error: type[Exception]) -> None:
    stage.fault(fault, "list_returns")
    with pytest.raises(error):
        await listed(stage)


def test_wishes_for_returns_are_checked(stage: Stage) -> None:
    with pytest.raises(ValueError, match="order_id"):
        stage.simulator.open_return("nobody", {"x": 1})
    with pytest.raises(ValueError, match="lines"):
        stage.simulator.open_return(stage.order(lines=1).id, {"x": 1})
