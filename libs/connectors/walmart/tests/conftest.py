"""A connection to the simulator, for tests of what is odd about this API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from connector_kit.capabilities import ConnectionContext, SandboxOptions
from connector_kit.requests import AcceptLine, AnswerOrder
from connector_kit.testing import AsgiCaller, SettableClock
from hub_contracts.orders import Environment
from pydantic import SecretStr

from connector_walmart.connector import CONNECTOR, Connection
from connector_walmart.sandbox.gate import ACCOUNT
from connector_walmart.sandbox.simulator import Sandbox

NOTICE_SECRET = "notice-secret-0123"


class World:
    """Simulator, clock and connections."""

    def __init__(self) -> None:
        self.clock = SettableClock()
        made = CONNECTOR.build_sandbox(SandboxOptions(clock=self.clock))
        assert isinstance(made, Sandbox)
        self.sandbox, self.http = made, AsgiCaller(made)
        self.connection = self.connect()

    def connect(self, **settings: Any) -> Connection:
        """A connection with these connector settings."""
        values = {"client_id": ACCOUNT[0], "client_secret": ACCOUNT[1], "notice_secret": NOTICE_SECRET}
        return CONNECTOR.connect(
            ConnectionContext(
                connection_id=UUID(int=1),
                tenant="test",
                environment=Environment.SANDBOX,
                settings=settings,
                credentials={name: SecretStr(value) for name, value in values.items()},
                http=self.http,
                clock=self.clock,
            )
        )

    def answer_order(self, *, accepted: bool = True, **options: Any) -> AnswerOrder:
        """A request about an order that was just made."""
        [reference] = self.sandbox.create_orders(1, options)
        lines = self.sandbox.orders[reference]["orderLines"]["orderLine"]
        return AnswerOrder(
            order_reference=reference,
            lines=tuple(AcceptLine(line_id=line["lineNumber"], accepted=accepted) for line in lines),
        )


@pytest.fixture
def world() -> World:
    return World()
