"""Tokens of fifteen minutes: one for many calls, renewed in time, replaced once after a 401, never a refusal."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from connector_kit.http import Answer, NotSent
from connector_kit.outcome import OutcomeState
from connector_kit.testing import Interference, Trouble

TOKENS = "token_order_acceptance"


async def accept(world: Any, count: int = 1) -> list[Any]:
    return list(await world.connection.accept([world.answer_order() for _ in range(count)]))


async def test_one_token_serves_many_calls(world: Any) -> None:
    assert {outcome.state for outcome in await accept(world, 5)} == {OutcomeState.DONE}
    [call] = world.http.made(TOKENS)
    assert call.content == b"grant_type=client_credentials"
    sent = {call.headers["WM_QOS.CORRELATION_ID"] for call in world.http.calls}
    assert len(sent) == len(world.http.calls), "a correlation id was used twice"


async def test_calls_at_the_same_time_fetch_one_token(world: Any) -> None:
    await asyncio.gather(*(accept(world) for _ in range(4)))
    assert len(world.http.made(TOKENS)) == 1


async def test_token_is_renewed_a_minute_before_its_end(world: Any) -> None:
    await accept(world)
    world.clock.forward(seconds=839)
    await accept(world)
    assert len(world.http.made(TOKENS)) == 1
    world.clock.forward(seconds=1)
    await accept(world)
    assert len(world.http.made(TOKENS)) == 2


async def test_refused_token_is_replaced_once(world: Any) -> None:
    await accept(world)
    world.sandbox.tokens.clear()
    [outcome] = await accept(world)
    assert outcome.state is OutcomeState.DONE
    assert len(world.http.made(TOKENS)) == 2
    world.http.interference = [Interference(Trouble.ANSWER_INSTEAD, frozenset({"accept"}), Answer(401, {}, b""))]
    world.http.forget()
    [outcome] = await accept(world)
    assert (outcome.state, outcome.retry_after) == (OutcomeState.RETRY, 900)
    assert (len(world.http.made(TOKENS)), len(world.http.made("accept"))) == (1, 2)


@pytest.mark.parametrize(
    ("trouble", "wait"),
    [
        (Interference(Trouble.NOT_SENT, retry_after=11), 11),
        (Interference(Trouble.LOST_ANSWER), 60),
        (Interference(Trouble.ANSWER_INSTEAD, answer=Answer(401, {}, b"")), 900),
        (Interference(Trouble.ANSWER_INSTEAD, answer=Answer(429, {"retry-after": "37"}, b"")), 37),
        (Interference(Trouble.ANSWER_INSTEAD, answer=Answer(500, {}, b"")), 60),
        (Interference(Trouble.ANSWER_INSTEAD, answer=Answer(200, {}, b"<html>")), 60),
        (Interference(Trouble.ANSWER_INSTEAD, answer=Answer(200, {}, b'{"access_token": "t"}')), 60),
    ],
    ids=["not_sent", "lost", "401", "429", "500", "page", "no end"],
)
async def test_without_a_token_nothing_was_sent(world: Any, trouble: Interference, wait: float) -> None:
    trouble.operations = frozenset({TOKENS})
    world.http.interference = [trouble]
    [outcome] = await accept(world)
    assert (outcome.state, outcome.retry_after) == (OutcomeState.RETRY, wait)
    assert not world.http.made("accept")


async def test_reading_without_a_token_was_not_sent(world: Any) -> None:
    lost = Interference(Trouble.ANSWER_INSTEAD, frozenset({"token_order_ingest"}), Answer(503, {}, b""))
    world.http.interference = [lost]
    with pytest.raises(NotSent):
        await world.connection.read_order("1")
