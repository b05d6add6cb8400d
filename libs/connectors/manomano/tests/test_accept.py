"""Accept and refuse: what is known after each answer, and what the probe makes of a doubt."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from connector_kit.http import Answer, BadAnswer, Call, NotSent
from connector_kit.outcome import Outcome, OutcomeState, ProbeState
from connector_kit.requests import AnswerOrder

from .conftest import World, answer_request

DONE, RETRY, REJECTED, UNKNOWN = (
    OutcomeState.DONE,
    OutcomeState.RETRY,
    OutcomeState.REJECTED,
    OutcomeState.UNKNOWN,
)


def requests(references: list[str]) -> list[AnswerOrder]:
    return [answer_request(reference) for reference in references]


def always(world: World, status: int, body: Any = b"", **headers: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    world.http.before = lambda call: Answer(status, headers, content) if call.method != "GET" else None


async def accept_one(world: World, reference: str, **settings: Any) -> Outcome:
    [outcome] = await world.connect(**settings).accept([answer_request(reference)])
    return outcome


async def test_all_good_is_204_without_a_body(world: World) -> None:
    references = world.orders(3)
    outcomes = await world.connect().accept(requests(references))
    assert [outcome.state for outcome in outcomes] == [DONE] * 3
    assert {world.status(reference) for reference in references} == {"PREPARATION"}
    assert world.applied("accept") == references
    assert world.http.made("accept") == 1
    assert world.http.calls[0].json == [
        {"order_reference": reference, "seller_contract_id": 11781522} for reference in references
    ]


async def test_refuse(world: World) -> None:
    reference = world.order()
    [outcome] = await world.connect().refuse([answer_request(reference, accepted=False)])
    assert (outcome.state, world.status(reference)) == (DONE, "REFUSED")
    assert world.applied("refuse") == [reference]


async def test_207_is_read_item_by_item_in_the_order_of_the_requests(world: World) -> None:
    shipped, good, second = world.order(status="SHIPPED"), world.order(), world.order()
    outcomes = await world.connect().accept(requests([good, shipped, "M0", second]))
    assert [outcome.state for outcome in outcomes] == [DONE, UNKNOWN, REJECTED, DONE]
    assert not outcomes[1].retry_if_not_applied
    assert "ORDER_STATUS_INVALID" in outcomes[1].reason
    assert "ORDER_NOT_FOUND" in outcomes[2].reason


async def test_an_item_missing_from_the_answer_is_unknown_and_the_probe_finds_it(world: World) -> None:
    references = world.orders(3)
    world.fault("missing_item_207", "accept")
    connection = world.connect()
    outcomes = await connection.accept(requests(references))
    assert [outcome.state for outcome in outcomes] == [UNKNOWN, DONE, DONE]
    assert outcomes[0].retry_if_not_applied
    assert (await connection.probe_accept(answer_request(references[0]))).state == ProbeState.APPLIED
    assert world.applied("accept") == references


async def test_more_than_fifty_go_out_in_several_calls(world: World) -> None:
    references = world.orders(120)
    outcomes = await world.connect().accept(requests(references))
    assert {outcome.state for outcome in outcomes} == {DONE}
    assert [len(call.json) for call in world.http.calls] == [50, 50, 20]


async def test_lines_cannot_be_kept_back(world: World) -> None:
    part, whole = world.orders(2)
    outcomes = await world.connect().accept([answer_request(part, accepted=False, lines=2), answer_request(whole)])
    assert [outcome.state for outcome in outcomes] == [REJECTED, DONE]
    assert world.applied("accept") == [whole]


@pytest.mark.parametrize(
    ("fault", "probed", "applied"),
    [
        ("timeout_after_effect", ProbeState.APPLIED, 1),
        ("error_500_after_accept", ProbeState.APPLIED, 1),
        ("error_500_after_effect", ProbeState.APPLIED, 1),
        ("error_500_before_effect", ProbeState.NOT_APPLIED, 0),
        ("html_answer", ProbeState.NOT_APPLIED, 0),
        ("sandbox_closed", ProbeState.NOT_APPLIED, 0),
    ],
)
@pytest.mark.parametrize("operation", ["accept", "refuse"])
async def test_doubts_are_settled_by_reading_the_order_again(
    world: World, operation: str, fault: str, probed: ProbeState, applied: int
) -> None:
    reference = world.order()
    world.fault(fault, operation)
    connection = world.connect()
    request = answer_request(reference)
    act, probe = {
        "accept": (connection.accept, connection.probe_accept),
        "refuse": (connection.refuse, connection.probe_refuse),
    }[operation]
    [outcome] = await act([request])
    assert outcome.state == UNKNOWN
    assert outcome.retry_if_not_applied
    result = await probe(request)
    assert result.state == probed
    assert "status" in result.evidence
    assert len(world.applied(operation)) == applied
    assert world.http.calls[-1].operation == "probe_accept"


async def test_not_sent_is_sent_again(world: World) -> None:
    reference = world.order()
    world.http.before = lambda call: NotSent("connection refused", retry_after=3)
    outcome = await accept_one(world, reference)
    assert (outcome.state, outcome.retry_after) == (RETRY, 3)


async def test_an_answer_too_big_to_read_is_unknown(world: World) -> None:
    world.http.before = lambda call: BadAnswer("answer over 10 MiB")
    assert (await accept_one(world, "M1")).state == UNKNOWN


@pytest.mark.parametrize("fault", ["rate_limit_gateway", "rate_limit_cloudflare"])
async def test_a_429_stops_the_rest_of_the_work_too(world: World, fault: str) -> None:
    references = world.orders(120)
    world.fault(fault, "accept")
    outcomes = await world.connect().accept(requests(references))
    assert {(outcome.state, outcome.retry_after) for outcome in outcomes} == {(RETRY, 7.0)}
    assert world.http.made("accept") == 1
    assert world.applied("accept") == []


async def test_a_429_without_a_wait_gets_one(world: World) -> None:
    always(world, 429, b"slow down")
    outcome = await accept_one(world, "M1")
    assert (outcome.state, outcome.retry_after) == (RETRY, 60)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_never_rejects_an_order(world: World, status: int) -> None:
    always(world, status, {"message": "no"})
    outcome = await accept_one(world, "M1")
    assert outcome.state == RETRY
    assert outcome.retry_after is not None
    assert outcome.retry_after >= 900
    assert "needs attention" in outcome.reason


@pytest.mark.parametrize("status", [301, 302, 404, 405])
async def test_a_wrong_address_never_rejects_an_order(world: World, status: int) -> None:
    always(world, status, {"message": "no Route matched"})
    outcome = await accept_one(world, "M1")
    assert outcome.state == RETRY
    assert "needs attention" in outcome.reason


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 524, 408])
async def test_server_errors_are_unknown(world: World, status: int) -> None:
    always(world, status, b"<html>")
    assert (await accept_one(world, "M1")).state == UNKNOWN


@pytest.mark.parametrize("status", [200, 201, 202, 207])
@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[]", b'{"content": {}}', b'{"content": []}', b"null"])
async def test_no_2xx_but_204_counts_without_naming_the_order(world: World, status: int, body: bytes) -> None:
    always(world, status, body)
    assert (await accept_one(world, "M1")).state == UNKNOWN


@pytest.mark.parametrize(
    ("result", "state", "resend"),
    [
        ({"http_code": 204}, DONE, True),
        ({"http_code": "204"}, DONE, True),
        ({"http_code": 200}, DONE, True),
        ({"http_code": 409}, UNKNOWN, False),
        ({"http_code": 500}, UNKNOWN, False),
        ({"http_code": 503}, UNKNOWN, True),
        ({"http_code": 302}, UNKNOWN, True),
        ({"http_code": 429}, RETRY, True),
        ({"http_code": 403}, RETRY, True),
        ({"http_code": 400, "error": {"app_code": "X", "message": "bad"}}, REJECTED, True),
        ({"http_code": 404, "error": None}, REJECTED, True),
        ({"http_code": None}, UNKNOWN, True),
        ({"http_code": True}, UNKNOWN, True),
        ({"http_code": "ok"}, UNKNOWN, True),
        ({}, UNKNOWN, True),
        (None, UNKNOWN, True),
        ("204", UNKNOWN, True),
    ],
)
async def test_items_of_a_mixed_answer(world: World, result: Any, state: OutcomeState, resend: bool) -> None:
    always(world, 207, {"content": [{"order_reference": "M1", "seller_contract_id": 11781522, "result": result}]})
    outcome = await accept_one(world, "M1")
    assert (outcome.state, outcome.retry_if_not_applied) == (state, resend)


async def test_codes_that_may_mean_already_done_are_a_setting(world: World) -> None:
    always(world, 207, {"content": [{"order_reference": "M1", "result": {"http_code": 500}}]})
    assert (await accept_one(world, "M1", accept_repeat_codes="409")).retry_if_not_applied


async def test_contradicting_or_foreign_items_are_not_believed(world: World) -> None:
    good = {"order_reference": "M1", "seller_contract_id": 11781522, "result": {"http_code": 204}}
    for twice in ([good, good | {"result": {"http_code": 409}}], [good | {"result": {"http_code": 409}}, good]):
        always(world, 207, {"content": twice})
        outcome = await accept_one(world, "M1")
        assert (outcome.state, outcome.retry_if_not_applied) == (UNKNOWN, True)
    always(world, 207, {"content": [good | {"seller_contract_id": 2}]})
    assert (await accept_one(world, "M1")).state == UNKNOWN
    always(world, 207, {"content": ["M1", None, good]})
    assert (await accept_one(world, "M1")).state == DONE


async def test_one_bad_item_does_not_hold_up_the_others(world: World) -> None:
    references = world.orders(10)

    def picky(call: Call) -> Answer | None:
        if call.json and any(item["order_reference"] == references[3] for item in call.json):
            return Answer(400, {}, b'{"error": {"app_code": "INVALID", "message": "bad item"}}')
        return None

    world.http.before = picky
    outcomes = await world.connect().accept(requests(references))
    assert [outcome.state for outcome in outcomes] == [DONE] * 3 + [REJECTED] + [DONE] * 6
    assert "bad item" in outcomes[3].reason
    assert len(world.applied("accept")) == 9


async def test_a_repeat_is_recognised_by_the_probe_whatever_code_it_gets(make_world: Callable[..., World]) -> None:
    for code in (409, 500):
        world = make_world(repeat_code=code)
        reference = world.order()
        connection = world.connect()
        request = answer_request(reference)
        await connection.accept([request])
        [outcome] = await connection.accept([request])
        assert (outcome.state, outcome.retry_if_not_applied) == (UNKNOWN, False)
        assert (await connection.probe_accept(request)).state == ProbeState.APPLIED
        assert world.applied("accept") == [reference]


@pytest.mark.parametrize(
    ("status", "accepted", "refused"),
    [
        ("WAITING_PAYMENT", ProbeState.NOT_APPLIED, ProbeState.NOT_APPLIED),
        ("REMORSE_PERIOD", ProbeState.NOT_APPLIED, ProbeState.NOT_APPLIED),
        ("PENDING", ProbeState.NOT_APPLIED, ProbeState.NOT_APPLIED),
        ("PREPARATION", ProbeState.APPLIED, ProbeState.REJECTED),
        ("SHIPPED", ProbeState.APPLIED, ProbeState.REJECTED),
        ("REFUNDED", ProbeState.APPLIED, ProbeState.REJECTED),
        ("REFUSED", ProbeState.REJECTED, ProbeState.APPLIED),
    ],
)
async def test_what_each_status_proves(world: World, status: str, accepted: ProbeState, refused: ProbeState) -> None:
    request = answer_request(world.order(status=status))
    connection = world.connect()
    assert (await connection.probe_accept(request)).state == accepted
    assert (await connection.probe_refuse(request)).state == refused


async def test_a_probe_does_not_guess(world: World) -> None:
    request = answer_request(world.order(unknown_status=True))
    connection = world.connect()
    assert (await connection.probe_accept(request)).state == ProbeState.UNDECIDED
    assert (await connection.probe_refuse(request)).state == ProbeState.UNDECIDED
    assert (await connection.probe_accept(answer_request("M0"))).state == ProbeState.UNDECIDED
    world.http.before = lambda call: NotSent("breaker open")
    with pytest.raises(NotSent):
        await connection.probe_accept(request)
    world.http.before = lambda call: Answer(503, {}, b"")
    with pytest.raises(BadAnswer):
        await connection.probe_accept(request)


async def test_an_overdue_order_is_refused_by_the_marketplace(world: World) -> None:
    reference = world.order()
    world.clock.forward(hours=48)
    connection = world.connect()
    [outcome] = await connection.accept([answer_request(reference)])
    assert outcome.state == UNKNOWN
    assert (await connection.probe_accept(answer_request(reference))).state == ProbeState.REJECTED
