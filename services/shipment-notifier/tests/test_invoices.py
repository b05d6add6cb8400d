"""Invoices: owed from the first told parcel, fetched until there, uploaded once, never silently absent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from connector_kit.capabilities import SandboxOptions
from connector_kit.discovery import connector
from connector_kit.http import Lane
from connector_kit.requests import CreateShopOrder
from connector_kit.simulator import FaultRule
from hub_common.web import WebServer
from hub_contracts.connections import (
    ConnectionChanged,
    ConnectionKind,
    ConnectionState,
    HubSettings,
    InvoiceSettings,
)
from hub_contracts.orders import Environment, OrderSnapshot, TaxMode
from hub_contracts.routes import RouteLine
from hub_contracts.shipments import InvoiceRejected, InvoiceUploaded
from hub_contracts.work import WorkParked, WorkResumed
from shipment_notifier.invoicing import InvoiceFetcher, ascii_name

from .conftest import OPERATIONS, Stage, of

SHOP, ROUTE = UUID(int=6), UUID(int=5)
SECRET = "whsec_" + "c2hvcC1pbnZvaWNlLXRlc3Qtc2VjcmV0LTE="
ON_SHIP = HubSettings(invoices=InvoiceSettings(upload="on_ship", alarm_after_hours=6))
MORE = (*OPERATIONS, "upload_invoice", "probe_invoice")


class Shop:
    """The shop that writes the invoices, on loopback."""

    def __init__(self, stage: Stage, simulator: Any, url: str) -> None:
        self.stage, self.simulator, self.url = stage, simulator, url

    async def connect(self, **settings: str) -> None:
        """Tell the service about the shop."""
        address = {"webhook_url": f"{self.url}/webhook", "invoice_url": f"{self.url}/invoice"}
        data = ConnectionChanged(
            connection_id=SHOP,
            connector="generic_shop",
            kind=ConnectionKind.SHOP,
            label="shop",
            environment=Environment.SANDBOX,
            state=ConnectionState.ACTIVE,
            connector_settings=address | settings,
            credentials=self.stage.harness.runtime.keyring.seal(SHOP, {"webhook_secret": SecretStr(SECRET)}),
            credential_ref="ref-shop",
            budgets={"create_order": 3_600_000, "fetch_invoice": 3_600_000},
        )
        await self.stage.harness.feed((SHOP, data))

    async def hold(self, order: OrderSnapshot) -> None:
        """The shop has the order of the route."""
        line = order.lines[0]
        speaker = self.stage.harness.runtime.book.connector(SHOP, Lane.LIVE)
        [outcome] = await speaker.create_order(
            [
                CreateShopOrder(
                    order_id=order.order_id,
                    route_id=ROUTE,
                    order_number=order.order_number,
                    marketplace="mirakl",
                    marketplace_reference=order.marketplace_reference,
                    currency="EUR",
                    tax_mode=TaxMode.INCLUDED,
                    products_price=Decimal(1),
                    shipping_price=Decimal(0),
                    total_price=Decimal(1),
                    lines=(
                        RouteLine(
                            line_id=line.line_id,
                            offer_sku=line.offer_sku,
                            shop_sku="A-1",
                            title="thing",
                            quantity=1,
                            unit_price=line.unit_price,
                            line_price=line.line_price,
                            shipping_price=line.shipping_price,
                        ),
                    ),
                )
            ]
        )
        assert outcome.state == "done", outcome

    def writes(self, when: str) -> None:
        """When the shop has invoices: `never` or `at_once`."""
        shop = self.simulator.shop("shop")
        shop.behaviour = shop.behaviour.model_copy(update={"invoice": when})

    async def asked(self) -> None:
        """Let the hub ask for what is due."""
        await self.stage.harness.lease()
        await InvoiceFetcher(self.stage.harness.runtime).step()


@pytest.fixture
async def shop(stage: Stage) -> AsyncIterator[Shop]:
    """A shop with an invoice address, beside a Mirakl operator whose connection uploads invoices."""
    simulator: Any = connector("generic_shop").build_sandbox(
        SandboxOptions(clock=stage.clock, settings={"shops": [{"webhook_secret": SECRET, "invoice": "at_once"}]})
    )
    server = WebServer(simulator.app, drain_seconds=0)
    await server.start()
    await stage.connect(settings=ON_SHIP, budgets=dict.fromkeys(MORE, 3_600_000))
    shop = Shop(stage, simulator, server.url)
    await shop.connect()
    yield shop
    await server.stop()


async def told(stage: Stage, shop: Shop, **changes: Any) -> OrderSnapshot:
    """An order whose only parcel the marketplace knows."""
    order = await stage.receive(await stage.order(), **changes)
    await shop.hold(order)
    await stage.ship(order)
    await stage.send()
    return order


def uploaded(stage: Stage) -> list[str]:
    """Documents that the marketplace really took."""
    return [entry.reference for entry in stage.simulator.record.entries if entry.kind == "invoice"]


async def state(stage: Stage, order: OrderSnapshot) -> list[str]:
    """States of the order's invoices as people see them."""
    return [each["state"] for each in (await stage.shown(order))["invoices"]]


async def test_the_invoice_of_a_told_order_is_fetched_and_uploaded_once(stage: Stage, shop: Shop) -> None:
    order = await told(stage, shop)
    assert await state(stage, order) == ["wanted"]
    await shop.asked()
    events = await stage.send()
    assert [event.order_id for event in of(events, InvoiceUploaded.TYPE)] == [order.order_id]
    assert uploaded(stage) == [f"{order.marketplace_reference}/facture-SHOP-000001.pdf"]
    await shop.asked()
    await stage.send()
    assert (len(uploaded(stage)), await state(stage, order)) == (1, ["uploaded"])


async def test_no_table_ever_holds_the_document(stage: Stage, shop: Shop) -> None:
    await told(stage, shop)
    await shop.asked()
    await stage.send()
    assert uploaded(stage)
    pool = stage.harness.runtime.pool
    tables = await pool.fetch("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    for row in tables:
        text = await pool.fetchval(f"SELECT coalesce(string_agg(t::text, chr(10)), '') FROM \"{row[0]}\" t")
        assert "PDF-1.4" not in text, row[0]
        assert "JVBERi0" not in text, row[0]


async def test_a_late_invoice_is_asked_for_again_then_alarmed_then_uploaded(stage: Stage, shop: Shop) -> None:
    shop.writes("never")
    order = await told(stage, shop)
    await shop.asked()
    [shown] = (await stage.shown(order))["invoices"]
    assert (shown["state"], shown["fetches"], shown["reason"]) == ("wanted", 1, "the shop has no invoice yet")
    await shop.asked()
    assert (await stage.shown(order))["invoices"][0]["fetches"] == 1, "not before its time"
    stage.clock.advance(timedelta(hours=7).total_seconds())
    await shop.asked()
    await shop.asked()
    [parked] = of(await stage.harness.emitted(), WorkParked.TYPE)
    assert (parked.cause, parked.order_id) == ("invoice_missing", order.order_id)
    shop.writes("at_once")
    stage.clock.advance(timedelta(hours=3).total_seconds())
    await shop.asked()
    events = await stage.send()
    assert of(events, InvoiceUploaded.TYPE)
    assert of(events, WorkResumed.TYPE)
    assert await stage.causes() == []


async def test_a_shop_without_an_address_is_told_to_a_person(stage: Stage, shop: Shop) -> None:
    await shop.connect(invoice_url="")
    await told(stage, shop)
    await shop.asked()
    stage.clock.advance(timedelta(hours=7).total_seconds())
    await shop.asked()
    await shop.asked()
    [parked] = of(await stage.harness.emitted(), WorkParked.TYPE)
    assert "invoice_url: is not set" in parked.detail


@pytest.mark.parametrize("fault", ["invoice_as_html", "invoice_empty", "error_500_before_effect", "unauthorized_401"])
async def test_what_is_no_invoice_never_reaches_the_marketplace(stage: Stage, shop: Shop, fault: str) -> None:
    order = await told(stage, shop)
    shop.simulator.faults.set([FaultRule(fault=fault, operation="fetch_invoice", times=1)])
    await shop.asked()
    await stage.send()
    assert (uploaded(stage), await state(stage, order)) == ([], ["wanted"])
    stage.clock.advance(3600)
    await shop.asked()
    await stage.send()
    assert len(uploaded(stage)) == 1


@pytest.mark.parametrize("fault", ["timeout_after_effect", "error_500_after_effect"])
async def test_a_lost_answer_never_uploads_twice(stage: Stage, shop: Shop, fault: str) -> None:
    order = await told(stage, shop)
    await shop.asked()
    stage.fault(fault, "upload_invoice")
    await stage.send()
    events = await stage.probe()
    assert [each.order_id for each in of(events, InvoiceUploaded.TYPE)] == [order.order_id]
    assert (len(uploaded(stage)), await state(stage, order)) == (1, ["uploaded"])


async def test_a_refused_invoice_is_told_and_may_be_tried_again(stage: Stage, shop: Shop) -> None:
    order = await told(stage, shop)
    wrong = {"invoice_type_code": "NO_SUCH_TYPE"}
    await stage.connect(settings=ON_SHIP, budgets=dict.fromkeys(MORE, 3_600_000), connector_settings=wrong)
    await shop.asked()
    events = await stage.send()
    [refused] = of(events, InvoiceRejected.TYPE)
    assert refused.order_id == order.order_id
    assert await stage.causes() == ["invoice_rejected"]
    await stage.connect(settings=ON_SHIP, budgets=dict.fromkeys(MORE, 3_600_000))
    again = await stage.client.post(f"/v1/orders/{order.order_id}/invoices/fetch")
    assert again.status_code == 200, again.text
    await shop.asked()
    events = await stage.send()
    assert of(events, InvoiceUploaded.TYPE)
    assert await stage.causes() == []


async def test_by_hand_ends_the_waiting(stage: Stage, shop: Shop) -> None:
    shop.writes("never")
    order = await told(stage, shop)
    url = f"/v1/orders/{order.order_id}/invoices/by-hand"
    short = await stage.client.post(url, json={"reason": ""})
    assert (short.status_code, short.headers["content-type"]) == (422, "application/problem+json")
    assert (await stage.client.post(url, json={"reason": "sent by post"})).status_code == 200
    stage.clock.advance(timedelta(hours=30).total_seconds())
    await shop.asked()
    assert (await state(stage, order), await stage.causes()) == (["by_hand"], [])
    assert (await stage.client.post(url, json={"reason": "again"})).status_code == 409


@pytest.mark.parametrize("settings", [HubSettings(), HubSettings(invoices=InvoiceSettings(upload="never"))])
async def test_nothing_is_wanted_where_nobody_asks_for_it(stage: Stage, shop: Shop, settings: HubSettings) -> None:
    await stage.connect(settings=settings)
    order = await told(stage, shop)
    assert await state(stage, order) == []


async def test_a_test_order_owes_no_invoice(stage: Stage, shop: Shop) -> None:
    order = await told(stage, shop, is_test=True)
    assert await state(stage, order) == []


def test_file_names_are_ascii_and_distinct() -> None:
    assert ascii_name("Facture n° 12.PDF", "N1", ROUTE, alone=True) == "Facture-n-12.pdf"
    assert "/" not in ascii_name("../../etc/passwd", "N1", ROUTE, alone=True)
    assert ascii_name("é.pdf", "N1", ROUTE, alone=True) == "invoice.pdf"
    first, second = (ascii_name("f.pdf", "N1", UUID(int=n << 100), alone=False) for n in (1, 2))
    assert first != second
    assert first.isascii()
