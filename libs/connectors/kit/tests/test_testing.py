"""The helpers that all connectors' tests stand on."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector_kit.http import Ambiguous, Answer, Call, FilePart, NotSent
from connector_kit.simulator import Hung, giving_up_at_once, hang
from connector_kit.testing import AsgiCaller, Interference, SettableClock, Trouble


class Outside:
    """Counts what arrives, echoes it, and can hang."""

    def __init__(self) -> None:
        self.arrived: list[bytes] = []
        self.app = FastAPI()

        @self.app.api_route("/echo", methods=["GET", "POST"])
        async def echo(request: Request) -> Response:
            self.arrived.append(await request.body())
            return JSONResponse(
                {"query": request.query_params.multi_items(), "kind": request.headers.get("content-type")}
            )

        @self.app.post("/hang")
        async def hanging(request: Request) -> Response:
            self.arrived.append(await request.body())
            return await hang()


@pytest.fixture
def outside() -> Outside:
    return Outside()


def post(path: str = "/echo", **more: object) -> Call:
    return Call("do", "POST", path, **more)  # type: ignore[arg-type]


async def test_decimals_travel_with_all_digits(outside: Outside) -> None:
    await AsgiCaller(outside).call(post(json={"a": Decimal("0.10"), "b": [Decimal("9007199254740993.01")], "c": None}))
    assert outside.arrived == [b'{"a": 0.10, "b": [9007199254740993.01], "c": null}']


async def test_repeated_parameters_and_parts_arrive(outside: Outside) -> None:
    caller = AsgiCaller(outside)
    answer = await caller.call(post(params=(("id", "1"), ("id", "a+b&c"))))
    assert answer.json()["query"] == [["id", "1"], ["id", "a+b&c"]]
    answer = await caller.call(post(parts=(FilePart("file", b"%PDF", "x.pdf", "application/pdf"),)))
    assert answer.json()["kind"].startswith("multipart/form-data; boundary=")
    assert b"%PDF" in outside.arrived[-1]


async def test_hanging_answer_is_ambiguous_at_once(outside: Outside) -> None:
    caller = AsgiCaller(outside)
    with pytest.raises(Ambiguous):
        await caller.call(post("/hang"))
    assert len(outside.arrived) == 1
    assert caller.answers[0][1] is None


async def test_impatience_ends_with_its_block() -> None:
    with giving_up_at_once(), pytest.raises(Hung):
        await hang()
    with giving_up_at_once():
        pass
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(hang(), 0.01)


async def test_calls_are_counted_by_operation(outside: Outside) -> None:
    caller = AsgiCaller(outside)
    await caller.call(post())
    await caller.call(Call("look", "GET", "/echo"))
    assert caller.budget == {"do": 1, "look": 1}
    assert [call.method for call in caller.made("look")] == ["GET"]
    caller.forget()
    assert caller.made() == []


@pytest.mark.parametrize(
    ("trouble", "arrives"),
    [
        (Trouble.NOT_SENT, 0),
        (Trouble.LOST_REQUEST, 0),
        (Trouble.LOST_ANSWER, 1),
        (Trouble.ANSWER_INSTEAD, 0),
        (Trouble.ANSWER_AFTER, 1),
    ],
)
async def test_trouble_strikes_before_or_after_the_outside(outside: Outside, trouble: Trouble, arrives: int) -> None:
    caller = AsgiCaller(outside)
    caller.interference = [Interference(trouble, answer=Answer(503, {}, b"x"), retry_after=4)]
    if trouble in (Trouble.ANSWER_INSTEAD, Trouble.ANSWER_AFTER):
        assert (await caller.call(post())).status == 503
    else:
        with pytest.raises(NotSent if trouble is Trouble.NOT_SENT else Ambiguous) as caught:
            await caller.call(post())
        assert getattr(caught.value, "retry_after", 4) == 4
    assert len(outside.arrived) == arrives


async def test_trouble_is_limited_by_operation_times_and_skip(outside: Outside) -> None:
    caller = AsgiCaller(outside)
    caller.interference = [
        Interference(Trouble.ANSWER_INSTEAD, frozenset({"do"}), Answer(503, {}, b""), times=1, skip=1)
    ]
    statuses = [(await caller.call(call)).status for call in (Call("look", "GET", "/echo"), post(), post(), post())]
    assert statuses == [200, 200, 503, 200]


def test_clock_moves_only_when_told() -> None:
    clock = SettableClock(datetime(2026, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=1))))
    assert clock.now() == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    clock.forward(seconds=30, hours=1)
    assert clock.now().isoformat() == "2026-03-29T02:30:30+00:00"
    with pytest.raises(ValueError, match="time zone"):
        clock.set(datetime(2026, 1, 1))  # noqa: DTZ001  the refusal is what is tried


def test_answer_may_depend_on_the_call() -> None:
    told = Interference(Trouble.ANSWER_INSTEAD, answer=lambda call: Answer(400, {}, json.dumps(call.path).encode()))
    assert told.answer_to(post()).body == b'"/echo"'
