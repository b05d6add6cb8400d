"""The manifest: every operation that is called has a budget, and every capability its protocol."""

from __future__ import annotations

import pytest

from connector_kit import aftersales, offers, reading
from connector_kit import capabilities as kit
from connector_kit.discovery import connector
from connector_kit.manifest import Capability, FieldErrors
from connector_kit.profiles import OperatorProfile
from connector_mirakl.call_contracts import INTEGRATOR, with_contracts
from connector_mirakl.connector import CONNECTOR
from connector_mirakl.manifest import MANIFEST

from .offer_play import play_offer_side
from .order_play import play_order_side
from .stage import Stage, answer_for, cancel_for, parcel_for, price, refund_for, stock
from .test_documents_and_catalogs import invoice

PROTOCOLS = {
    Capability.ORDERS: kit.ReadsOrders,
    Capability.ACCEPT: kit.AnswersOrders,
    Capability.SHIP: kit.ShipsParcels,
    Capability.REFUND: kit.Refunds,
    Capability.CANCEL: kit.Cancels,
    Capability.STOCK: kit.SetsStock,
    Capability.PRICE: kit.SetsPrices,
    Capability.OFFERS: offers.ReadsOffers,
    Capability.PUBLISH_OFFERS: offers.PublishesOffers,
    Capability.PRODUCTS: offers.ImportsProducts,
    Capability.INVOICE: kit.UploadsInvoices,
    Capability.CARRIERS: kit.ListsCarriers,
    Capability.REASONS: kit.ListsReasons,
    Capability.ORDER_EXPORT: reading.ExportsOrders,
    Capability.DOCUMENTS: aftersales.ManagesDocuments,
    Capability.MESSAGES: aftersales.ReadsMessages,
    Capability.RETURNS: aftersales.ReadsReturns,
}


def test_the_entry_point_names_this_connector() -> None:
    assert connector("mirakl") is CONNECTOR


def test_each_capability_has_its_protocol(stage: Stage) -> None:
    assert MANIFEST.capabilities == frozenset(PROTOCOLS)
    assert all(isinstance(stage.connection, protocol) for protocol in PROTOCOLS.values())
    for also in (kit.Verifies, aftersales.SendsMessages, aftersales.AnswersReturns):
        assert isinstance(stage.connection, also)


async def test_every_operation_has_a_budget_and_every_budget_is_used() -> None:
    used: set[str] = set()
    for several in (True, False):
        stage = Stage(sandbox={"multi_shipment": several})
        connection = stage.connection
        order, sent = stage.shipping_order(), stage.shipping_order(status="SHIPPED")
        stage.orders(120, lines=1)
        await stage.listed()
        await connection.read_order(order.id)
        new = answer_for(stage.order(lines=1))
        await connection.accept([new])
        await connection.probe_accept(new)
        await connection.refuse([answer_for(stage.order(lines=1))])
        await connection.ship([parcel_for(order)])
        await connection.probe_ship(parcel_for(order))
        await connection.refund([refund_for(sent)])
        await connection.probe_refund(refund_for(sent))
        await connection.cancel([cancel_for(order)])
        await connection.probe_cancel(cancel_for(order))
        await connection.upload_invoice([invoice(order.id)])
        await connection.probe_invoice(invoice(order.id))
        [stock_sent] = await connection.set_stock([stock("NOBODY", 1)])
        [price_sent] = await connection.set_price([price("COQUE-NOIR", "1.00", NOWHERE="2.00")])
        stage.clock.pass_seconds(61)
        await connection.probe_stock(stock("NOBODY", 1), stock_sent.answer)
        await connection.probe_price(price("COQUE-NOIR", "1.00"), price_sent.answer)
        await play_offer_side(stage)
        await play_order_side(stage)
        await connection.list_carriers()
        await connection.list_reasons()
        await connection.verify()
        used |= {call.operation for call in stage.http.calls}
    declared = {budget.operation for budget in MANIFEST.budgets}
    audits = {operation for operation in declared if operation.startswith("audit_")}
    assert used == declared - audits
    assert {operation.removeprefix("audit_") for operation in audits} <= used


def test_reads_are_idempotent_and_effects_are_not() -> None:
    assert MANIFEST.effect("refund").on_undecided == "operator"
    assert MANIFEST.budget("list_orders").per_seconds == 60
    assert {budget.owner for budget in MANIFEST.budgets} == {
        "order-ingest",
        "order-acceptance",
        "shipment-notifier",
        "refund-service",
        "stock-sync",
        "catalog-feed",
        "carrier-mapper",
        "connection-registry",
        "message-service",
        "reconciliation",
    }


def test_integrators_have_a_contract_of_their_own() -> None:
    operator = OperatorProfile(name="invented", title="Invented", source="test", calls_per_hour={"ship": 7})
    slow = operator.model_copy(update={"name": "slow", "calls_per_hour": {"list_orders": 2}, "poll_seconds": 3600})
    own, other, nameless, first, second = with_contracts((operator, slow))
    assert (own, other, nameless.name) == (operator, slow, "integrator")
    assert (first.name, first.poll_seconds, first.calls_per_hour) == (
        "invented_integrator",
        900,
        {"ship": 7, "list_orders": 4},
    )
    assert (second.poll_seconds, second.calls_per_hour) == (3600, {"list_orders": 2})
    assert MANIFEST.poll_every({}) == 60
    assert MANIFEST.poll_every({"operator_profile": "integrator"}) == 900
    named = [profile for profile in MANIFEST.profiles if profile.name.endswith("integrator")]
    assert all(profile.calls_per_hour["list_orders"] <= 4 for profile in named)
    assert set(INTEGRATOR.calls_per_hour) <= {budget.operation for budget in MANIFEST.budgets}


def test_settings_are_checked() -> None:
    assert MANIFEST.check_settings({"shop_id": "12"})["shop_id"] == 12
    with pytest.raises(FieldErrors, match="multi_shipment"):
        MANIFEST.check_settings({"multi_shipment": "sometimes"})
    with pytest.raises(FieldErrors, match="api_key: is required"):
        MANIFEST.check_credentials({})
