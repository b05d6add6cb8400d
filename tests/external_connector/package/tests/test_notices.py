"""A notice is believed only with its signature, and what is wrong with it never repeats it."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any
from uuid import UUID

import pytest
from connector_kit.capabilities import ConnectionContext, SandboxOptions
from connector_kit.reading import BadNotice
from connector_kit.testing import AsgiCaller, SettableClock
from hub_contracts.orders import Environment
from pydantic import SecretStr

from connector_lantern_bay.connector import CONNECTOR, Connection

SECRET = "notice-secret-0123"


@pytest.fixture
def connection() -> Connection:
    clock = SettableClock()
    credentials = {"client_id": "an-id", "client_secret": "a-secret", "notice_secret": SECRET}
    context = ConnectionContext(
        connection_id=UUID(int=1),
        tenant="test",
        environment=Environment.SANDBOX,
        settings={},
        credentials={name: SecretStr(value) for name, value in credentials.items()},
        http=AsgiCaller(CONNECTOR.build_sandbox(SandboxOptions(clock=clock))),
        clock=clock,
    )
    return CONNECTOR.connect(context)


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"x-lantern-signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def test_signed_notice_names_its_orders(connection: Connection) -> None:
    body = json.dumps({"order_ids": ["ORD-1", "ORD-2"]}).encode()
    assert connection.read_notice(signed(body), body).order_references == ("ORD-1", "ORD-2")


@pytest.mark.parametrize("headers", [{}, {"x-lantern-signature": "é"}, signed(b"x"), signed(b"{}", "another")])
def test_unproved_notice_is_refused(connection: Connection, headers: dict[str, str]) -> None:
    with pytest.raises(BadNotice) as caught:
        connection.read_notice(headers, b'{"order_ids": ["ORD-SECRET"]}')
    assert "ORD-SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "said", [None, [], 7, {}, {"order_ids": None}, {"order_ids": "ORD"}, {"order_ids": [7]}, {"order_ids": [" "]}]
)
def test_unreadable_notice_is_refused(connection: Connection, said: Any) -> None:
    body = json.dumps(said).encode()
    with pytest.raises(BadNotice, match="order_ids"):
        connection.read_notice(signed(body), body)
