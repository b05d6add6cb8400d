"""Feeds: handed over, worked on later, every offer found again by its own row."""

from __future__ import annotations

from uuid import UUID

import pytest
from connector_kit.capabilities import ConnectionContext, SandboxOptions
from connector_kit.http import Answer
from connector_kit.outcome import OutcomeState, ProbeState
from connector_kit.requests import SetStock
from connector_kit.testing import AsgiCaller, Interference, SettableClock, Trouble
from hub_contracts.orders import Environment
from pydantic import SecretStr

from connector_lantern_bay.connector import CONNECTOR, Connection
from connector_lantern_bay.sandbox.gate import ACCOUNT


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def http(clock: SettableClock) -> AsgiCaller:
    return AsgiCaller(CONNECTOR.build_sandbox(SandboxOptions(clock=clock)))


@pytest.fixture
def connection(http: AsgiCaller, clock: SettableClock) -> Connection:
    values = {"client_id": ACCOUNT[0], "client_secret": ACCOUNT[1], "notice_secret": "notice-secret"}
    return CONNECTOR.connect(
        ConnectionContext(
            connection_id=UUID(int=1),
            tenant="test",
            environment=Environment.SANDBOX,
            settings={},
            credentials={name: SecretStr(value) for name, value in values.items()},
            http=http,
            clock=clock,
        )
    )


async def test_one_feed_carries_a_batch_and_every_row_ends_by_itself(
    connection: Connection, http: AsgiCaller, clock: SettableClock
) -> None:
    asked = [SetStock(offer_sku=sku, quantity=7) for sku in ("SKU-1", "NOT-THERE", "SKU-2")]
    sent = await connection.set_stock(asked)
    assert {outcome.state for outcome in sent} == {OutcomeState.SENT}
    assert len(http.made("set_stock")) == 1
    early = await connection.probe_stock(asked[0], sent[0].answer)
    assert (early.state, early.check_after) == (ProbeState.PENDING, 30.0)
    clock.forward(seconds=30)
    ends = [(await connection.probe_stock(each, of.answer)).state for each, of in zip(asked, sent, strict=True)]
    assert ends == [ProbeState.APPLIED, ProbeState.REJECTED, ProbeState.APPLIED]


@pytest.mark.parametrize("report", [b'{"status": "done", "results": []}', b'{"status": "done"}', b'{"x": 1}'])
async def test_missing_row_proves_nothing(connection: Connection, http: AsgiCaller, report: bytes) -> None:
    http.interference = [Interference(Trouble.ANSWER_INSTEAD, frozenset({"read_stock"}), Answer(200, {}, report))]
    result = await connection.probe_stock(SetStock(offer_sku="SKU-1", quantity=7), {"feed_id": "feed-1"})
    assert result.state is ProbeState.UNDECIDED


async def test_feed_without_a_ticket_is_sent_again(connection: Connection, http: AsgiCaller) -> None:
    answer = Answer(202, {}, b'{"status": "taken"}')
    http.interference = [Interference(Trouble.ANSWER_INSTEAD, frozenset({"set_stock"}), answer)]
    [outcome] = await connection.set_stock([SetStock(offer_sku="SKU-1", quantity=7)])
    assert outcome.state is OutcomeState.RETRY
