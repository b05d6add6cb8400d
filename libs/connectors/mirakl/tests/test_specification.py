"""Connector and simulator against Mirakl's official OpenAPI document."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector_kit.capabilities import OrderWindow
from connector_kit.http import Answer, Call, FilePart
from connector_mirakl.sandbox.world import SimPrice

from .asgi_caller import START
from .offer_play import ROWS, play_offer_side
from .order_play import play_order_side
from .specification import ABSENT, Specification, specification
from .stage import KEY, Stage, answer_for, cancel_for, money_line, parcel_for, price, refund_for, stock
from .test_documents_and_catalogs import invoice

USED = {
    *("OR11", "OR21", "OR23", "OR24", "OR28", "OR29", "OR30", "OR72", "OR74"),
    *("ST01", "ST11", "STO01", "STO02", "STO03", "PRI01", "PRI02", "PRI03", "OF21"),
    *("OF01", "OF02", "OF03", "OF24", "P41", "P42", "P44", "P45", "P47", "P51"),
    *("OR13", "OR14", "OR15", "OR43", "OR76", "M10", "M11", "M12", "RT11", "RT21", "RT25", "RT26", "ST23", "ST24"),
    *("A01", "PC01", "SH12", "SH21", "RE01"),
}
"""Every operation that the connector uses."""
SIMULATED = {"ST12", "P46", "V01"}
"""Operations that only the simulator has."""


@pytest.fixture
def document() -> Specification:
    found = specification()
    if found is None:
        pytest.skip(ABSENT)
    found.seen.clear()
    return found


async def play_everything(several: bool) -> Stage:
    """Use every capability once, with shop, locale and dates in the query. The watching fixture compares."""
    settings = {"shop_id": "2042", "locale": "fr_FR"}
    stage = Stage(sandbox={"multi_shipment": several, "refund_seconds": 0}, settings=settings)
    connection = stage.connection
    order, sent = stage.shipping_order(), stage.shipping_order(status="SHIPPED")
    stage.order(professional=True, pudo="P1", tax_rule="NONE", country="IT")
    stage.orders(110)
    await stage.listed(OrderWindow(updated_from=START, created_from=START, created_until=START))
    mixed = stage.order(lines=2)
    await connection.accept([answer_for(mixed, refused=(mixed.lines[0].id,))])
    await connection.refuse([answer_for(stage.order(lines=1))])
    await connection.ship([parcel_for(order)])
    await connection.ship([parcel_for(stage.shipping_order(), carrier_code=None)])
    await connection.probe_ship(parcel_for(order))
    both = (money_line(sent), money_line(sent, 1, "19.99"))
    await connection.refund([refund_for(sent, *both)])
    await connection.probe_refund(refund_for(sent, *both))
    early, open_order = stage.order(status="WAITING_DEBIT"), stage.shipping_order()
    await connection.cancel([cancel_for(early), cancel_for(open_order, money_line(open_order, reason_code="35"))])
    await connection.probe_cancel(cancel_for(open_order))
    await connection.upload_invoice([invoice(order.id), invoice(order.id)])
    await connection.probe_invoice(invoice(order.id))
    offer = stage.simulator.world.offers["TEL-PRO-128"]
    offer.prices.append(SimPrice(Decimal(3), discount=Decimal(2), channels=("ES_B2C",), ranges=((5, Decimal(1)),)))
    [stock_sent] = await connection.set_stock([stock("NOBODY", 1)])
    [price_sent, _] = await connection.set_price(
        [price("COQUE-NOIR", "1.00", NOWHERE="2.00"), price("TEL-PRO-128", "5.00")]
    )
    stage.clock.pass_seconds(61)
    await connection.probe_stock(stock("NOBODY", 1), stock_sent.answer)
    await connection.probe_price(price("COQUE-NOIR", "1.00"), price_sent.answer)
    await play_offer_side(stage)
    await play_order_side(stage)
    for read in (connection.list_carriers, connection.list_reasons, connection.verify):
        await read()
    return stage


async def test_every_operation_of_the_connector_keeps_to_the_document(document: Specification) -> None:
    for several in (True, False):
        await play_everything(several)
    assert document.seen == USED


async def test_operations_that_only_the_simulator_has_keep_to_the_document(document: Specification) -> None:
    stage = Stage()
    stage.shipping_order()
    headers = {"Authorization": KEY}
    parts = [FilePart("file", ROWS, "products.csv", "text/csv")]
    taken = await stage.http.call(Call("x", "POST", "/api/products/imports", headers=headers, parts=parts))
    stage.clock.pass_seconds(100)
    file = f"/api/products/imports/{taken.json()['import_id']}/transformed_file"
    for path in ("/api/shipments/items_to_ship", file, "/api/version"):
        assert (await stage.http.call(Call("x", "GET", path, headers=headers))).status == 200
    document.seen.discard("P41")
    assert document.seen == SIMULATED


BODY = {"order_lines": [{"id": "A-1", "accepted": True}]}
PART = FilePart("file", b"a;b\n", "a.csv", "text/csv")


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (Call("x", "GET", "/api/nothing"), "not in the document"),
        (Call("x", "GET", "/api/orders", params=[("ids", "1")]), "ids is not declared"),
        (Call("x", "GET", "/api/orders", params=[("page_token", "1")]), "page_token is not declared"),
        (Call("x", "GET", "/api/shipments", params=[("max", "1")]), "max is not declared"),
        (Call("x", "GET", "/api/orders", params=[("shop_id", "x")]), "not an integer"),
        (Call("x", "GET", "/api/orders", params=[("start_date", "2025-11-07T09:00:00+01:00")]), "not an instant"),
        (Call("x", "GET", "/api/orders", params=[("order_state_codes", "SHIPPING,NEW")]), "declared words"),
        (Call("x", "GET", "/api/orders", params=[("order_ids", "1"), ("order_ids", "2")]), "repeated"),
        (Call("x", "GET", "/api/orders/documents"), "order_ids is missing"),
        (Call("x", "PUT", "/api/orders/A/accept"), "none was sent"),
        (Call("x", "PUT", "/api/orders/A/accept", json={"order_lines": [{"id": "A-1"}]}), "'accepted' is a required"),
        (Call("x", "PUT", "/api/orders/A/tracking", json={"tracking_url": "x"}), "tracking_url is not declared"),
        (Call("x", "PUT", "/api/orders/A/ship", json={}), "no JSON body is declared"),
        (Call("x", "POST", "/api/offers/stock/imports", parts=[FilePart("csv", b"")]), "csv is not declared"),
    ],
)
def test_the_comparison_finds_wrong_calls(document: Specification, call: Call, problem: str) -> None:
    assert any(problem in found for found in document.exchange(call, None))


@pytest.mark.parametrize(
    ("call", "status", "body", "problem"),
    [
        (Call("x", "PUT", "/api/orders/A/accept", json=BODY), 200, b"{}", "status 200 is not declared"),
        (Call("x", "PUT", "/api/orders/A/accept", json=BODY), 204, b"{}", "none is declared"),
        (Call("x", "GET", "/api/orders"), 200, b'{"orders": []}', "'total_count' is a required"),
        (Call("x", "GET", "/api/orders"), 200, b'{"orders": [], "total_count": "0"}', "is not of type 'integer'"),
        (Call("x", "GET", "/api/orders"), 200, b'{"orders": [], "total_count": 0, "x": 1}', "x is not declared"),
        (
            Call("x", "POST", "/api/offers/stock/imports", parts=[PART]),
            201,
            b'{"import_id": 1}',
            "not of type 'string'",
        ),
    ],
)
def test_the_comparison_finds_wrong_answers(
    document: Specification, call: Call, status: int, body: bytes, problem: str
) -> None:
    answer = Answer(status, {"content-type": "application/json"}, body)
    found: list[Any] = document.exchange(call, answer)
    assert any(problem in text for text in found)
