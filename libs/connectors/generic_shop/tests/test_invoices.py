"""Fetching invoices: signed for one route, told apart from login pages and empty files."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from connector_generic_shop.connector import GenericShop
from connector_generic_shop.sandbox.simulator import GenericShopSimulator
from connector_kit.aftersales import FetchedInvoice, FetchInvoice
from connector_kit.http import BadAnswer, Call, NotSent
from connector_kit.requests import CreateShopOrder
from connector_kit.simulator import FaultRule

from .asgi_caller import AsgiCaller

Connect = Callable[..., GenericShop]
Order = Callable[..., CreateShopOrder]
ADDRESS = "https://shop.example.invalid/shops/blue/invoice"


def asks(route_id: UUID) -> FetchInvoice:
    """What the hub asks for."""
    return FetchInvoice(order_id=uuid4(), route_id=route_id, order_number="N-1")


@pytest.fixture
async def held(connect: Connect, simulator: GenericShopSimulator, order: Order) -> UUID:
    """The route of an order that the shop holds, with its invoice."""
    shop = simulator.shop("blue")
    shop.behaviour = shop.behaviour.model_copy(update={"invoice": "at_once"})
    request = order()
    [outcome] = await connect().create_order([request])
    assert outcome.state == "done"
    return request.route_id


async def test_the_invoice_comes_with_its_name(connect: Connect, held: UUID) -> None:
    found = await connect(invoice_url=ADDRESS).fetch_invoice(asks(held))
    assert isinstance(found, FetchedInvoice)
    assert (found.file_name, found.content_type) == ("facture BLUE-000001.pdf", "application/pdf")
    assert found.content.startswith(b"%PDF-")


async def test_none_yet_is_no_error(connect: Connect, simulator: GenericShopSimulator, held: UUID) -> None:
    shop = simulator.shop("blue")
    shop.behaviour = shop.behaviour.model_copy(update={"invoice": "after_shipment"})
    assert await connect(invoice_url=ADDRESS).fetch_invoice(asks(held)) is None
    assert await connect(invoice_url=ADDRESS).fetch_invoice(asks(uuid4())) is None


@pytest.mark.parametrize("fault", ["invoice_as_html", "invoice_empty", "error_500_before_effect", "redirect"])
async def test_what_is_no_invoice_is_refused(
    connect: Connect, simulator: GenericShopSimulator, held: UUID, fault: str
) -> None:
    simulator.faults.set([FaultRule(fault=fault, operation="fetch_invoice")])
    with pytest.raises(BadAnswer):
        await connect(invoice_url=ADDRESS).fetch_invoice(asks(held))


async def test_a_signature_made_for_one_route_opens_no_other(
    connect: Connect, simulator: GenericShopSimulator, held: UUID
) -> None:
    caller = AsgiCaller(simulator.app)
    await connect(caller, invoice_url=ADDRESS).fetch_invoice(asks(held))
    [seen] = caller.calls
    assert (await caller.call(seen)).status == 200
    other = Call("fetch_invoice", "GET", seen.path, params=[("route_id", str(uuid4()))], headers=seen.headers)
    assert (await caller.call(other)).status == 401


async def test_without_an_address_nothing_is_sent(connect: Connect) -> None:
    with pytest.raises(NotSent, match="invoice_url: is not set"):
        await connect().fetch_invoice(asks(uuid4()))
