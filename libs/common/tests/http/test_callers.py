"""The book of callers: which budget a service's calls draw on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest
from pydantic import SecretStr

from connector_kit.http import Call, Lane, NotSent
from connector_kit.manifest import Budget, EnvironmentAddress, Manifest
from hub_common.callers import CallerBook
from hub_common.clock import ManualClock
from hub_common.config import ServiceSettings
from hub_common.connections import Connection
from hub_common.ids import SystemIds
from hub_common.metrics import Metrics
from hub_contracts.connections import ConnectionChanged, ConnectionKind, ConnectionState
from hub_contracts.orders import Environment

MANIFEST = Manifest(
    name="fake",
    title="Fake",
    kind=ConnectionKind.MARKETPLACE,
    version="1",
    capabilities=frozenset(),
    environments=(EnvironmentAddress(environment=Environment.SANDBOX, base_url="http://127.0.0.1:1"),),
    auth_fields=(),
    budgets=(
        Budget(operation="list_orders", calls=60, per_seconds=3600, burst=3, owner="order-ingest"),
        Budget(operation="read_order", calls=60, per_seconds=3600, burst=3, owner="order-ingest"),
        Budget(operation="audit_list_orders", calls=10, per_seconds=3600, burst=2, owner="reconciliation"),
    ),
)
CONNECTION = Connection(
    "tenant-1",
    1,
    ConnectionChanged(
        connection_id=UUID(int=7),
        connector="fake",
        kind=ConnectionKind.MARKETPLACE,
        label="test",
        environment=Environment.SANDBOX,
        state=ConnectionState.ACTIVE,
        credential_ref="c1",
    ),
)


@pytest.fixture
async def book() -> AsyncIterator[CallerBook]:
    settings = ServiceSettings(
        database_dsn=SecretStr("postgresql://nowhere"), kafka_bootstrap="", allow_private_networks="127.0.0.0/8"
    )
    made = CallerBook(settings, ManualClock(), SystemIds(), Metrics(), operation_prefix="audit_")
    yield made
    await made.close()


async def test_a_service_with_a_prefix_draws_on_budgets_of_its_own(book: CallerBook) -> None:
    caller = book.caller(CONNECTION, MANIFEST, "http://127.0.0.1:1")
    for _ in range(2):
        with pytest.raises(NotSent, match="no connection"):
            await caller.call(Call("list_orders", "GET", "/orders"))
    with pytest.raises(NotSent, match="list_orders: call budget is used up"):
        await caller.call(Call("list_orders", "GET", "/orders"))
    budget = book.budget(CONNECTION, MANIFEST)
    assert budget.available("audit_list_orders", Lane.DEADLINE) == 0
    assert budget.available("list_orders", Lane.DEADLINE) == 3


async def test_an_operation_without_a_prefixed_budget_is_not_called(book: CallerBook) -> None:
    caller = book.caller(CONNECTION, MANIFEST, "http://127.0.0.1:1")
    with pytest.raises(NotSent, match="no call budget in the manifest"):
        await caller.call(Call("read_order", "GET", "/orders/1"))
    with pytest.raises(KeyError, match="audit_read_order"):
        book.budget(CONNECTION, MANIFEST).try_take("audit_read_order", Lane.LIVE)


async def test_two_connections_of_one_credential_share_its_budget(book: CallerBook) -> None:
    other = replace(CONNECTION, data=CONNECTION.data.model_copy(update={"connection_id": UUID(int=8)}))
    assert book.budget(CONNECTION, MANIFEST) is book.budget(other, MANIFEST)
    changed = replace(CONNECTION, data=CONNECTION.data.model_copy(update={"budgets": {"list_orders": 7}}))
    book.budget(CONNECTION, MANIFEST).try_take("list_orders", Lane.LIVE)
    after = book.budget(changed, MANIFEST)
    assert after.bucket("list_orders").calls == 7
    assert after.available("list_orders", Lane.DEADLINE) == 2, "what was used stays used"
