"""The token: fetched once for many calls, renewed before its end and after a refusal, never the reason of a refusal."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from connector_kit.capabilities import ConnectionContext, SandboxOptions
from connector_kit.http import Answer, Call, CallError, NotSent
from connector_kit.outcome import OutcomeState
from connector_kit.requests import AcceptLine, AnswerOrder
from connector_kit.testing import AsgiCaller, Interference, SettableClock, Trouble
from hub_contracts.orders import Environment
from pydantic import SecretStr

from connector_lantern_bay.connector import CONNECTOR, Connection
from connector_lantern_bay.sandbox.gate import ACCOUNT
from connector_lantern_bay.sandbox.simulator import Sandbox

TOKEN_CALLS = "token_order_acceptance"
OTHER_HTML = Answer(200, {}, b"<html>")


class World:
    """Simulator, clock and one connection."""

    def __init__(self) -> None:
        self.clock = SettableClock()
        made = CONNECTOR.build_sandbox(SandboxOptions(clock=self.clock))
        assert isinstance(made, Sandbox)
        self.sandbox, self.http = made, AsgiCaller(made)
        values = {"client_id": ACCOUNT[0], "client_secret": ACCOUNT[1], "notice_secret": "notice-secret"}
        self.connection: Connection = CONNECTOR.connect(
            ConnectionContext(
                connection_id=UUID(int=1),
                tenant="test",
                environment=Environment.SANDBOX,
                settings={},
                credentials={name: SecretStr(value) for name, value in values.items()},
                http=self.http,
                clock=self.clock,
            )
        )

    async def accept(self, count: int = 1) -> list[Any]:
        lines = (AcceptLine(line_id="1", accepted=True),)
        asked = [AnswerOrder(order_reference=each, lines=lines) for each in self.sandbox.create_orders(count, {})]
        return list(await self.connection.accept(asked))

    def tokens(self) -> int:
        return len(self.http.made(TOKEN_CALLS))


@pytest.fixture
def world() -> World:
    return World()


async def test_one_token_serves_many_calls(world: World) -> None:
    assert {outcome.state for outcome in await world.accept(5)} == {OutcomeState.DONE}
    assert world.tokens() == 1


async def test_calls_at_the_same_time_fetch_one_token(world: World) -> None:
    await asyncio.gather(*(world.accept() for _ in range(4)))
    assert world.tokens() == 1


async def test_token_is_renewed_before_it_ends(world: World) -> None:
    await world.accept()
    world.clock.forward(seconds=839)
    await world.accept()
    assert world.tokens() == 1
    world.clock.forward(seconds=1)
    await world.accept()
    assert world.tokens() == 2


async def test_refused_token_is_replaced_once(world: World) -> None:
    await world.accept()
    world.sandbox.forget_tokens()
    [outcome] = await world.accept()
    assert outcome.state is OutcomeState.DONE
    assert world.tokens() == 2
    world.http.interference = [Interference(Trouble.ANSWER_INSTEAD, frozenset({"accept"}), Answer(401, {}, b""))]
    world.http.forget()
    [outcome] = await world.accept()
    assert outcome.state is OutcomeState.RETRY
    assert (world.tokens(), len(world.http.made("accept"))) == (1, 2)


@pytest.mark.parametrize(
    ("trouble", "wait"),
    [
        (Interference(Trouble.NOT_SENT, retry_after=11), 11),
        (Interference(Trouble.LOST_ANSWER), 60),
        (Interference(Trouble.ANSWER_INSTEAD, answer=Answer(401, {}, b"")), 900),
        (Interference(Trouble.ANSWER_INSTEAD, answer=Answer(429, {"retry-after": "37"}, b"")), 37),
        (Interference(Trouble.ANSWER_INSTEAD, answer=Answer(500, {}, b"")), 60),
        (Interference(Trouble.ANSWER_INSTEAD, answer=OTHER_HTML), 60),
    ],
    ids=["not_sent", "lost", "401", "429", "500", "page"],
)
async def test_without_a_token_nothing_was_sent(world: World, trouble: Interference, wait: float) -> None:
    trouble.operations = frozenset({TOKEN_CALLS})
    world.http.interference = [trouble]
    [outcome] = await world.accept()
    assert (outcome.state, outcome.retry_after) == (OutcomeState.RETRY, wait)
    assert not world.http.made("accept")


async def test_reading_without_a_token_is_an_error(world: World) -> None:
    def no_token(call: Call) -> Answer:
        return Answer(503, {}, b"")

    world.http.interference = [Interference(Trouble.ANSWER_INSTEAD, frozenset({"token_order_ingest"}), no_token)]
    with pytest.raises(CallError) as caught:
        await world.connection.read_order("ORD-1")
    assert isinstance(caught.value, NotSent)
