"""The key must not show: not in outcomes, errors, details or reprs, even when the outside echoes it."""

from __future__ import annotations

import json

import pytest

from connector_kit.capabilities import OrderWindow
from connector_kit.http import Ambiguous, Answer, BadAnswer, Call, CallError, NotSent
from connector_kit.offers import ChannelPrice, PublishOffer, ReleaseOffer
from connector_kit.requests import SetStock, UploadInvoice
from hub_contracts.base import Money

from .conftest import World, answer_request, parcel, refund_request

CANARY = "canary-key-5d1f"
ECHO = json.dumps({"message": f"key {CANARY} refused", "error": {"app_code": CANARY, "message": CANARY}}).encode()


def echoes() -> list[Answer | CallError]:
    statuses = (400, 401, 403, 404, 409, 429, 500)
    item = {"order_reference": "M1", "result": {"http_code": 400, "error": {"message": CANARY}}}
    return [
        *(Answer(status, {"content-type": "application/json"}, ECHO) for status in statuses),
        *(Answer(status, {}, json.dumps({"message": CANARY}).encode()) for status in statuses),
        Answer(207, {}, json.dumps({"content": [item]}).encode()),
        Answer(200, {}, json.dumps({"content": [{"items": [item | {"sku": "A"}]}]}).encode()),
        Answer(
            200, {}, json.dumps({"content": [{"sku": "A", "response": {"status": 400}, "errors": [CANARY]}]}).encode()
        ),
        Answer(
            200,
            {},
            json.dumps({"content": [{"sku": "A", "response": {"status": 400, "reason_phrase": CANARY}}]}).encode(),
        ),
        Answer(200, {"content-type": f"text/html; {CANARY}"}, CANARY.encode()),
        NotSent(f"refused with {CANARY}"),
        Ambiguous(f"lost with {CANARY}"),
    ]


@pytest.mark.parametrize("echo", echoes(), ids=str)
async def test_outcomes_never_hold_the_key(world: World, echo: Answer | CallError) -> None:
    world.http.before = lambda call: echo
    connection = world.connect(key=CANARY)
    outcomes = [
        *await connection.accept([answer_request("M1")]),
        *await connection.refuse([answer_request("M1")]),
        *await connection.ship([parcel("M1", whole=True)]),
        *await connection.refund([refund_request("M1", ("A", 1))]),
        *await connection.set_stock([SetStock(offer_sku="A", quantity=1)]),
        *await connection.upload_invoice(
            [UploadInvoice(order_reference="M1", file_name="i.pdf", content_base64="JVBERi0x")]
        ),
    ]
    outcomes += await connection.release_offers([ReleaseOffer(offer_sku="A", fields=("price",))])
    prices = (ChannelPrice(price=Money(amount="1.00", currency="EUR")),)
    whole = PublishOffer(
        offer_sku="A",
        prices=prices,
        quantity=1,
        carrier_grids=(("Standard", 1, 2),),
        attributes={"eco_participation": "0"},
    )
    outcomes += await connection.publish_offers([whole, PublishOffer(offer_sku="B", withdraw=True)])
    outcomes += await connection.publish_offers([whole.model_copy(update={"quantity": None})])
    assert len(outcomes) == 10
    assert CANARY not in repr(outcomes)
    assert CANARY not in repr(await connection.verify())


@pytest.mark.parametrize("echo", [echo for echo in echoes() if isinstance(echo, Answer)], ids=str)
async def test_errors_of_reads_never_hold_the_key(world: World, echo: Answer) -> None:
    world.http.before = lambda call: echo
    connection = world.connect(key=CANARY)
    texts: list[str] = []
    released, published = ReleaseOffer(offer_sku="A", fields=("price",)), PublishOffer(offer_sku="A", quantity=1)
    for read in (
        connection.read_order("M1"),
        connection.probe_release_offer(released, {}),
        connection.probe_publish_offer(published, {}),
        connection.probe_ship(parcel("M1", whole=True)),
    ):
        try:
            texts.append(repr(await read))
        except CallError as error:
            texts.append(f"{error!r} {error.__cause__!r}")
    try:
        texts += [order.reference async for page in connection.list_orders(OrderWindow()) for order in page]
    except CallError as error:
        texts.append(repr(error))
    assert CANARY not in "".join(texts)


async def test_offers_read_back_never_hold_the_key(world: World) -> None:
    offer = {"sku": "A", "status": "ERROR", "errors": [f"key {CANARY}"], "price": CANARY}
    body = json.dumps({"content": [offer], "pagination": {"pages": 1}}).encode()
    world.http.before = lambda call: Answer(200, {}, body)
    connection = world.connect(key=CANARY)
    [page] = [page async for page in connection.list_offers(["A"])]
    probed = await connection.probe_publish_offer(PublishOffer(offer_sku="A"), {})
    assert page[0].problems
    assert CANARY not in f"{page!r} {probed!r}"


async def test_calls_and_connections_hide_the_key(world: World) -> None:
    connection = world.connect(key=CANARY)
    with pytest.raises(BadAnswer):
        await connection.read_order("M1")
    call: Call = world.http.calls[0]
    assert call.headers["x-api-key"] == CANARY
    assert CANARY not in f"{call!r} {call.headers} {connection.context!r} {vars(connection.client)!r}"


async def test_every_call_names_the_integrator(world: World) -> None:
    await world.connect(thirdparty_name="Shop_2.1").verify()
    assert world.http.calls[0].headers["x-thirdparty-name"] == "Shop_2.1"
