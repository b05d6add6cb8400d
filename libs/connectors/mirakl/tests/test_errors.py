"""Answers that are not the expected one: what they mean, and that they never tell a secret."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from connector_kit.http import Ambiguous, Answer, BadAnswer, Call, CallError, NotSent
from connector_kit.outcome import Outcome, OutcomeState
from connector_mirakl.client import MiraklClient
from connector_mirakl.connector import MiraklConnection
from connector_mirakl.errors import ATTENTION_SECONDS, explain, outcome_of_error, outcome_of_refusal

from .stage import KEY, Stage, answer_for, cancel_for, parcel_for, price, refund_for, stock


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    return Answer(status, headers, body)


@pytest.mark.parametrize(
    ("body", "codes", "messages"),
    [
        (b'{"status": 404, "message": "gone"}', (), ("gone",)),
        (b'{"errors": [{"field": "body", "message": "bad"}, null]}', (), ("body: bad",)),
        (b'{"code": "ORDER_INVALID_STATE", "message": "no"}', ("ORDER_INVALID_STATE",), ("no",)),
        (b'{"errors": [{"code": "A"}, {"code": "B"}]}', ("A", "B"), ()),
        (b"", (), ()),
        (b"<html>Maintenance</html>", (), ()),
        (b"[1, 2]", (), ()),
        (b'"text"', (), ()),
        (b'{"message": {"odd": 1}}', (), ()),
    ],
)
def test_all_shapes_of_error_bodies(body: bytes, codes: tuple[str, ...], messages: tuple[str, ...]) -> None:
    found = explain(answer(400, body))
    assert (found.codes, found.messages) == (codes, messages)
    assert str(found).startswith("HTTP 400")


@pytest.mark.parametrize(
    ("status", "state", "if_idempotent"),
    [
        (429, "retry", "retry"),
        (401, "retry", "retry"),
        (403, "retry", "retry"),
        (400, "unknown", "rejected"),
        (409, "unknown", "rejected"),
        (404, "rejected", "rejected"),
        (415, "rejected", "rejected"),
        (408, "unknown", "retry"),
        (500, "unknown", "retry"),
        (503, "unknown", "retry"),
        (302, "unknown", "retry"),
        (200, "unknown", "retry"),
    ],
)
def test_what_each_status_means(status: int, state: str, if_idempotent: str) -> None:
    given = answer(status)
    assert outcome_of_refusal(given, explain(given)).state.value == state
    assert outcome_of_refusal(given, explain(given), idempotent=True).state.value == if_idempotent


def test_only_a_wrong_state_may_not_be_sent_again() -> None:
    assert not outcome_of_refusal(answer(400), explain(answer(400))).retry_if_not_applied
    assert outcome_of_refusal(answer(500), explain(answer(500))).retry_if_not_applied


def test_waits() -> None:
    limited = answer(429, b"", **{"retry-after": "17"})
    assert outcome_of_refusal(limited, explain(limited)).retry_after == 17
    assert outcome_of_refusal(answer(429, b"", **{"retry-after": "0"}), explain(answer(429))).retry_after == 0
    assert outcome_of_refusal(answer(429), explain(answer(429))).retry_after == 60
    refused = outcome_of_refusal(answer(403), explain(answer(403)))
    assert refused.retry_after == ATTENTION_SECONDS
    assert "attention" in refused.reason


@pytest.mark.parametrize(
    ("error", "state", "if_idempotent"),
    [
        (NotSent("refused", 3), "retry", "retry"),
        (Ambiguous("late"), "unknown", "retry"),
        (BadAnswer("odd"), "unknown", "retry"),
    ],
)
def test_what_each_error_means(error: CallError, state: str, if_idempotent: str) -> None:
    assert outcome_of_error(error).state.value == state
    assert str(error) in outcome_of_error(error).reason
    assert outcome_of_error(error, idempotent=True).state.value == if_idempotent


Doing = Callable[[MiraklConnection, Stage], Awaitable[Any]]

EFFECTS: dict[str, Doing] = {
    "accept": lambda c, s: c.accept([answer_for(s.order(lines=1))]),
    "refuse": lambda c, s: c.refuse([answer_for(s.order(lines=1))]),
    "ship": lambda c, s: c.ship([parcel_for(s.shipping_order())]),
    "refund": lambda c, s: c.refund([refund_for(s.shipping_order(status="SHIPPED"))]),
    "cancel": lambda c, s: c.cancel([cancel_for(s.order(status="WAITING_DEBIT", lines=1))]),
    "set_stock": lambda c, s: c.set_stock([stock("TEL-PRO-128", 1)]),
    "set_price": lambda c, s: c.set_price([price("TEL-PRO-128", "1.00")]),
}


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("shape", ["coded", "status_message", "errors", "empty"])
async def test_a_refused_key_never_refuses_orders(effect: str, shape: str) -> None:
    stage = Stage(sandbox={"error_shape": shape}, key="revoked")
    [outcome] = await EFFECTS[effect](stage.connection, stage)
    assert outcome.state is OutcomeState.RETRY
    assert outcome.retry_after == ATTENTION_SECONDS


@pytest.mark.parametrize("effect", EFFECTS)
async def test_what_never_left_is_retried_after_the_runtimes_delay(stage: Stage, effect: str) -> None:
    stage.http.refuse = lambda call: True
    [outcome] = await EFFECTS[effect](stage.connection, stage)
    assert outcome.state is OutcomeState.RETRY
    assert outcome.retry_after == 7


@pytest.mark.parametrize("effect", EFFECTS)
async def test_a_rate_limit_is_obeyed(stage: Stage, effect: str) -> None:
    stage.fault("rate_limit")
    [outcome] = await EFFECTS[effect](stage.connection, stage)
    assert outcome.state is OutcomeState.RETRY
    assert outcome.retry_after == 60


class EchoingCaller:
    """An outside that repeats the key in every place it can."""

    def __init__(self, status: int) -> None:
        self.status = status

    async def call(self, call: Call) -> Answer:
        said = {"code": KEY, "message": f"key {KEY}", "errors": [{"field": KEY, "message": KEY}]}
        return answer(self.status, json.dumps(said).encode())


@pytest.mark.parametrize("status", [200, 201, 204, 302, 400, 401, 403, 404, 429, 500])
@pytest.mark.parametrize("effect", EFFECTS)
async def test_the_key_is_in_no_outcome(stage: Stage, effect: str, status: int) -> None:
    outcomes: list[Outcome] = await EFFECTS[effect](stage.connect(http=EchoingCaller(status)), stage)
    assert KEY not in repr(outcomes)


@pytest.mark.parametrize("status", [200, 400, 401, 500])
async def test_the_key_is_in_no_error(stage: Stage, status: int) -> None:
    connection = stage.connect(http=EchoingCaller(status))
    assert KEY not in (await connection.verify()).detail
    order = stage.order(lines=1)
    for read in (
        lambda: connection.read_order(order.id),
        lambda: connection.probe_accept(answer_for(order)),
        lambda: connection.list_carriers(),
        lambda: connection.probe_stock(stock("TEL-PRO-128", 1), {"import_id": "1"}),
    ):
        try:
            shown = repr(await read())
        except CallError as error:
            shown = f"{error!r} {error} {error.__cause__!r} {error.__context__!r}"
        assert KEY not in shown


async def test_the_key_travels_raw_and_only_in_its_header(stage: Stage) -> None:
    for effect in EFFECTS.values():
        await effect(stage.connection, stage)
    assert stage.http.calls
    for call in stage.http.calls:
        assert call.headers["Authorization"] == KEY
        assert call.headers["Accept"] == "application/json"
        assert KEY not in repr((call.path, call.params, call.json, call.parts))
    [client] = [
        value for value in vars(vars(stage.connection)["_catalogs"]).values() if isinstance(value, MiraklClient)
    ]
    assert KEY not in repr(vars(client))
