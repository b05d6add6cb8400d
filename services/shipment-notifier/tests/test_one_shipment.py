"""A marketplace that takes one shipment per order: the hub waits for the last parcel and tells all of them at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from connector_kit.capabilities import ConnectionContext, SandboxOptions
from connector_kit.discovery import load_connectors
from connector_kit.manifest import Budget, Capability, EffectPolicy, EnvironmentAddress, Manifest, OrderTraits
from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from connector_kit.requests import ShipParcel
from hub_common.clock import ManualClock
from hub_common.testing import Harness
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_contracts.base import Money
from hub_contracts.connections import ConnectionKind
from hub_contracts.ids import order_id_for
from hub_contracts.orders import Environment, OrderLine, OrderSnapshot
from hub_contracts.status import OrderStatus
from shipment_notifier.main import SPEC

from .conftest import CONNECTION, Stage, of, parcel_id

MANIFEST = Manifest(
    name="single",
    title="One shipment per order",
    kind=ConnectionKind.MARKETPLACE,
    version="1",
    capabilities=frozenset({Capability.SHIP}),
    environments=(EnvironmentAddress(environment=Environment.SANDBOX, base_url="http://127.0.0.1:1"),),
    auth_fields=(),
    orders=OrderTraits(partial_shipment=False),
    budgets=(Budget(operation="ship", calls=100, per_seconds=1, burst=100, owner="shipment-notifier"),),
    effects=(EffectPolicy(operation="ship", settle_seconds=0),),
)


@dataclass
class Single:
    """A connector whose marketplace is a list."""

    manifest: Manifest = MANIFEST
    sent: list[ShipParcel] = field(default_factory=list)

    def connect(self, context: ConnectionContext) -> Single:
        return self

    def build_sandbox(self, options: SandboxOptions) -> Any:
        return None

    async def ship(self, requests: Sequence[ShipParcel]) -> Sequence[Outcome]:
        self.sent += requests
        return [Outcome.done() for _ in requests]

    async def probe_ship(self, request: ShipParcel) -> ProbeResult:
        return ProbeResult(ProbeState.APPLIED, "seen")


@pytest.fixture
def single() -> Iterator[Single]:
    made = Single()
    load_connectors()["single"] = made
    yield made
    del load_connectors()["single"]


@pytest.fixture
async def stage(database: str, single: Single) -> AsyncIterator[Stage]:
    clock = ManualClock()
    async with Harness(SPEC, database, clock=clock) as harness:
        url = await harness.serve()
        headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
            stage = Stage(harness, clock, "single", None, "http://127.0.0.1:1", client)
            await stage.connect()
            yield stage


def an_order(stage: Stage) -> OrderSnapshot:
    price = Money(amount=Decimal(10), currency="EUR")
    line = {
        "unit_price": price,
        "line_price": price,
        "shipping_price": price,
        "status": OrderStatus.PREPARATION,
        "marketplace_status": "PREPARATION",
    }
    now = stage.clock.now()
    return OrderSnapshot(
        order_id=order_id_for(CONNECTION["single"], "S1"),
        connection_id=CONNECTION["single"],
        connector="single",
        environment=Environment.SANDBOX,
        marketplace_reference="S1",
        order_number="S1",
        status=OrderStatus.PREPARATION,
        marketplace_status="PREPARATION",
        currency="EUR",
        products_price=Decimal(30),
        shipping_price=Decimal(0),
        total_price=Decimal(30),
        lines=(
            OrderLine(line_id="A", offer_sku="SKU-A", quantity=2, **line),
            OrderLine(line_id="B", offer_sku="SKU-B", quantity=1, **line),
        ),
        created_at=now,
        marketplace_updated_at=now,
        ship_by=now + timedelta(days=1),
    )


async def test_one_notification_for_all_parcels(stage: Stage, single: Single) -> None:
    order = await stage.receive(an_order(stage))
    await stage.ship(order, "p1", (2, 0))
    assert await stage.harness.effects() == []
    assert "until every unit" in (await stage.shown(order))["parcels"][0]["reason"]
    await stage.ship(order, "p2", (0, 1))
    told = of(await stage.send(), "shipment.notified.v1")
    [request] = single.sent
    assert (request.parcel_id, request.whole_order, request.tracking_number) == (parcel_id("p2"), True, "NUMBER-p2")
    assert {line.line_id: line.quantity for line in request.lines} == {"A": 2, "B": 1}
    assert [(each.parcel_id, each.order_complete) for each in told] == [
        (parcel_id("p1"), False), (parcel_id("p2"), True),
    ]  # fmt: skip
    assert {each.effect_id for each in told} == {UUID(str(told[0].effect_id))}
    assert [[line.line_id for line in each.lines] for each in told] == [["A"], ["B"]]
    shown = await stage.shown(order)
    assert [line["notified"] for line in shown["lines"]] == [2, 1]
    assert {parcel["state"] for parcel in shown["parcels"]} == {"notified"}


async def test_a_correction_that_uncovers_the_order_takes_the_notification_back(stage: Stage, single: Single) -> None:
    order = await stage.receive(an_order(stage))
    await stage.ship(order, "p1", (2, 0))
    await stage.ship(order, "p2", (0, 1))
    await stage.ship(order, "p1", (1, 0))
    assert [effect["state"] for effect in await stage.harness.effects()] == ["SUPERSEDED"]
    await stage.send()
    assert single.sent == []
    await stage.ship(order, "p3", (1, 0))
    await stage.send()
    assert [len(request.lines) for request in single.sent] == [2]
