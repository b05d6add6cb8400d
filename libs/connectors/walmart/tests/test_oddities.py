"""What is odd about this API; the suite knows what all of them have in common."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from connector_kit.capabilities import MappingError, OrderWindow, RawOrder
from connector_kit.http import Answer, BadAnswer
from connector_kit.outcome import OutcomeState, ProbeState
from connector_kit.reading import BadNotice
from connector_kit.requests import ShipLine, ShipParcel
from connector_kit.testing import Interference, Trouble
from hub_contracts.orders import FulfilledBy
from hub_contracts.status import OrderStatus

SECRET = "notice-secret-0123"


async def listed(world: Any, window: OrderWindow, **settings: Any) -> list[str]:
    found = [order async for page in world.connect(**settings).list_orders(window) for order in page]
    return [order.reference for order in found]


def always(world: Any, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
    """Let every call but those for tokens be answered so."""
    operations = frozenset({"list_orders", "read_order", "accept", "probe_accept"})
    answer = Answer(status, headers or {}, body)
    world.http.interference = [Interference(Trouble.ANSWER_INSTEAD, operations, answer)]


async def test_cursor_is_a_query_string(world: Any) -> None:
    """Its parts travel as parameters, a plus sign stays one, and filters that it does not repeat are not added."""
    made = world.sandbox.create_orders(25, {})
    assert sorted(await listed(world, OrderWindow(updated_from=world.clock.now() - timedelta(1)), page_size=10)) == made
    second = dict(world.http.made("list_orders")[1].params)
    assert second["poIndex"] == "10"
    assert "nextCursor" not in second
    pages = [
        b'{"list": {"meta": {"nextCursor": "?cursor=QW9K+x/y==&poIndex=1"}, "elements": {"order": []}}}',
        b'{"list": {"meta": {"nextCursor": null}, "elements": {"order": []}}}',
    ]
    answers = iter([*pages, *pages])
    reads = Interference(
        Trouble.ANSWER_INSTEAD, frozenset({"list_orders"}), lambda call: Answer(200, {}, next(answers))
    )
    world.http.forget()
    world.http.interference = [reads]
    assert await listed(world, OrderWindow(updated_from=world.clock.now())) == []
    assert dict(world.http.made("list_orders")[1].params) == {"cursor": "QW9K+x/y==", "poIndex": "1"}


@pytest.mark.parametrize("cursor", [b'"?poIndex=7"', b'"AoE"', b"7", b'{"a": 1}'], ids=["again", "opaque", "7", "{}"])
async def test_cursor_that_leads_nowhere_is_an_error(world: Any, cursor: bytes) -> None:
    """Neither turning for ever nor a quiet end."""
    always(world, b'{"list": {"meta": {"nextCursor": ' + cursor + b'}, "elements": {"order": []}}}')
    with pytest.raises(BadAnswer, match="same cursor twice, or one that is no query string"):
        await listed(world, OrderWindow(updated_from=world.clock.now()))


async def test_old_order_that_changed_today_is_listed(world: Any) -> None:
    """Without `createdStartDate` only a week of orders is shown, whatever was modified."""
    now = world.clock.now()
    [old] = world.sandbox.create_orders(1, {"created_at": now - timedelta(days=30)})
    world.sandbox._touch(old)
    assert await listed(world, OrderWindow(updated_from=now - timedelta(hours=1))) == [old]


async def test_nothing_found_is_a_404(world: Any) -> None:
    """The application's 404 is an empty list; that of a gateway is not."""
    assert await listed(world, OrderWindow(updated_from=world.clock.now())) == []
    for body in (b"", b"{}", b'{"errors": [{"code": "URI_NOT_FOUND"}]}'):
        always(world, body, 404)
        with pytest.raises(BadAnswer):
            await listed(world, OrderWindow(updated_from=world.clock.now()))
    always(world, b'{"errors": {"error": [{"code": "CONTENT_NOT_FOUND.GMP_ORDER_API"}]}}', 404)
    assert await world.connection.read_order("1") is None


async def test_orders_are_kept_byte_for_byte(world: Any) -> None:
    always(world, b'{"list":{"elements":{"order" : [ {"purchaseOrderId":"A", "x":1.10} ,\n{"purchaseOrderId":"B"}]}}}')
    pages = [page async for page in world.connection.list_orders(OrderWindow(updated_from=world.clock.now()))]
    assert [order.body for page in pages for order in page] == [
        b'{"purchaseOrderId":"A", "x":1.10}',
        b'{"purchaseOrderId":"B"}',
    ]


async def test_429_says_when_in_milliseconds(world: Any) -> None:
    until = str(int(world.clock.now().timestamp() * 1000) + 7_000)
    always(world, b"{}", 429, {"x-next-replenish-time": until})
    [outcome] = await world.connection.accept([world.answer_order()])
    assert (outcome.state, outcome.retry_after) == (OutcomeState.RETRY, pytest.approx(7))
    for odd in ("soon", "1", "9" * 400):
        always(world, b"{}", 429, {"x-next-replenish-time": odd})
        [outcome] = await world.connection.accept([world.answer_order()])
        assert 60 <= (outcome.retry_after or 0) <= 86_400


async def test_locked_order_is_tried_later(world: Any) -> None:
    always(world, b'{"errors": [{"code": "RESOURCE_IS_LOCKED.GMP_RECEIVER_API"}]}', 423)
    [outcome] = await world.connection.accept([world.answer_order()])
    assert (outcome.state, outcome.retry_after) == (OutcomeState.RETRY, 60)


async def test_success_about_another_order_is_none(world: Any) -> None:
    always(world, b'{"order": {"purchaseOrderId": "another"}}')
    request = world.answer_order()
    [outcome] = await world.connection.accept([request])
    assert outcome.state is OutcomeState.UNKNOWN
    with pytest.raises(BadAnswer, match="another order"):
        await world.connection.read_order(request.order_reference)


async def test_refusal_of_a_change_is_probed_before_it_stands(world: Any) -> None:
    """A 400 says neither "wrong field" nor "done before"."""
    always(world, b'{"errors": [{"code": "INVALID_REQUEST_CONTENT.GMP_ORDER_API"}]}', 400)
    [outcome] = await world.connection.accept([world.answer_order()])
    assert (outcome.state, outcome.retry_if_not_applied) == (OutcomeState.UNKNOWN, False)


async def test_there_is_no_refusal_so_the_seller_cancels(world: Any) -> None:
    """Every line with all its units and the reason of the settings, which takes the article out of stock there."""
    request = world.answer_order(accepted=False)
    [outcome] = await world.connect(cancel_reason="SELLER_CANCEL_PRICING_ERROR").refuse([request])
    assert outcome.state is OutcomeState.DONE
    rows = world.http.made("refuse")[0].json["orderCancellation"]["orderLines"]["orderLine"]
    assert [row["lineNumber"] for row in rows] == [line.line_id for line in request.lines]
    states = [row["orderLineStatuses"]["orderLineStatus"][0] for row in rows]
    assert {state["cancellationReason"] for state in states} == {"SELLER_CANCEL_PRICING_ERROR"}
    raw = await world.connection.read_order(request.order_reference)
    assert world.connection.map_order(raw).snapshot.status is OrderStatus.CANCELLED
    assert [entry.kind for entry in world.sandbox.record.entries] == ["cancel"]


async def test_refusal_that_comes_too_late_is_not_sent(world: Any) -> None:
    request = world.answer_order(accepted=False, status="Shipped")
    [outcome] = await world.connection.refuse([request])
    assert (outcome.state, outcome.retry_if_not_applied) == (OutcomeState.UNKNOWN, False)
    assert not world.http.made("refuse")
    assert (await world.connection.probe_refuse(request)).state is ProbeState.REJECTED


async def test_lines_are_not_acknowledged_one_by_one(world: Any) -> None:
    request = world.answer_order(skus=[{"sku": "A", "price": "1.00"}, {"sku": "B", "price": "2.00"}])
    partly = request.model_copy(update={"lines": (request.lines[0].model_copy(update={"accepted": False}),)})
    [outcome] = await world.connection.accept([partly])
    assert outcome.state is OutcomeState.REJECTED
    assert not world.http.calls


def parcel(reference: str, units: int, number: str | None, **more: Any) -> ShipParcel:
    line = ShipLine(line_id="1", offer_sku="A", quantity=units)
    about = {"order_reference": reference, "parcel_id": UUID(int=units), "lines": (line,), "tracking_number": number}
    about |= {"whole_order": False, "completes_order": False, "carrier_name": "FedEx", "carrier_code": "FedEx"}
    return ShipParcel(**{**about, **more})


async def test_two_parcels_of_one_line_are_told_apart_by_tracking_number(world: Any) -> None:
    [reference] = world.sandbox.create_orders(
        1, {"status": "Acknowledged", "skus": [{"sku": "A", "price": "5.00", "quantity": 3}]}
    )
    first, second = parcel(reference, 1, "T-1"), parcel(reference, 2, "T-2")
    [outcome] = await world.connection.ship([first])
    assert outcome.state is OutcomeState.DONE
    assert (await world.connection.probe_ship(first)).state is ProbeState.APPLIED
    assert (await world.connection.probe_ship(second)).state is ProbeState.NOT_APPLIED
    raw = await world.connection.read_order(reference)
    assert world.connection.map_order(raw).snapshot.status is OrderStatus.PREPARATION
    await world.connection.ship([second])
    assert (await world.connection.probe_ship(second)).state is ProbeState.APPLIED
    assert (await world.connection.probe_ship(parcel(reference, 1, "T-3"))).state is ProbeState.UNDECIDED


async def test_parcel_that_walmart_would_refuse_costs_no_call(world: Any) -> None:
    """No tracking number, or a carrier without a code and without a tracking page."""
    wrong = [parcel("1", 1, None), parcel("1", 1, "T", carrier_code=None)]
    outcomes = await world.connection.ship(wrong)
    assert {outcome.state for outcome in outcomes} == {OutcomeState.REJECTED}
    assert not world.http.calls


def order(world: Any, **options: Any) -> dict[str, Any]:
    [reference] = world.sandbox.create_orders(1, {"skus": [{"sku": "A", "price": "10.00", "quantity": 3}], **options})
    found: dict[str, Any] = world.sandbox.orders[reference]
    return found


def mapped(world: Any, raw: dict[str, Any], **settings: Any) -> Any:
    return world.connect(**settings).map_order(RawOrder("1", json.dumps(raw).encode())).snapshot


def test_charges_hold_for_a_unit_or_for_a_line(world: Any) -> None:
    """Which of the two is a setting, and the order's own total tells when it is the wrong one."""
    shown = mapped(world, order(world))
    assert (shown.products_price, shown.shipping_price, shown.data_alerts) == (Decimal(30), Decimal("5.97"), ())
    with pytest.raises(MappingError, match="cannot be split over 3 units"):
        mapped(world, order(world), charges_are="line")
    even = order(world, skus=[{"sku": "A", "price": "10.00", "quantity": 2}])
    shown = mapped(world, even, charges_are="line")
    assert (shown.lines[0].unit_price.amount, shown.products_price) == (Decimal(5), Decimal(10))
    assert "not 23.98" in shown.data_alerts[0]


def test_tax_is_walmarts_and_explains_the_total(world: Any) -> None:
    raw = order(world)
    raw["orderLines"]["orderLine"][0]["charges"]["charge"][0]["tax"] = {"taxAmount": {"amount": 0.5, "currency": "USD"}}
    raw["orderSummary"]["totalAmount"]["amount"] = 37.47
    shown = mapped(world, raw)
    assert (shown.total_price, shown.data_alerts) == (Decimal("35.97"), ())


def test_order_stands_where_its_slowest_line_stands(world: Any) -> None:
    raw = order(world, skus=[{"sku": sku, "price": "1.00"} for sku in "ABC"], status="Shipped")
    lines = raw["orderLines"]["orderLine"]
    for line, word in zip(lines, ("Shipped", "Acknowledged", "Cancelled"), strict=True):
        line["orderLineStatuses"]["orderLineStatus"][0]["status"] = word
    shown = mapped(world, raw)
    assert shown.status is OrderStatus.PREPARATION
    assert [line.status for line in shown.lines] == [
        OrderStatus.SHIPPED,
        OrderStatus.PREPARATION,
        OrderStatus.CANCELLED,
    ]


def test_orders_that_walmart_ships_are_nobodys_duty(world: Any) -> None:
    raw = order(world) | {"shipNode": {"type": "WFSFulfilled"}}
    assert mapped(world, raw).fulfilled_by is FulfilledBy.MARKETPLACE
    assert mapped(world, raw | {"shipNode": {"type": "3PLFulfilled"}}).fulfilled_by is FulfilledBy.SELLER


def signed(body: bytes, secret: str = SECRET, *, as_hex: bool = False) -> dict[str, str]:
    proof = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return {"x-proof": proof.hex() if as_hex else base64.b64encode(proof).decode()}


@pytest.mark.parametrize("as_hex", [False, True])
@pytest.mark.parametrize(
    ("payload", "orders"),
    [
        ({"purchaseOrderId": "17"}, ("17",)),
        ({"subEventType": "PO_CREATED", "order": {"purchaseOrderId": "18"}}, ("18",)),
        ({"sku": "A"}, ()),
    ],
    ids=["PO_CREATED", "ORDER_UPDATES", "test notice"],
)
def test_signed_notice_names_its_order(world: Any, payload: Any, orders: tuple[str, ...], as_hex: bool) -> None:
    body = json.dumps({"source": {"eventType": "PO_CREATED"}, "payload": payload}).encode()
    connection = world.connect(notice_header="X-Proof")
    assert connection.read_notice(signed(body, as_hex=as_hex), body).order_references == orders


@pytest.mark.parametrize(
    "headers", [{}, {"x-proof": ""}, {"x-proof": "é"}, signed(b"x"), signed(b'{"payload": {"a": "17"}}', "another")]
)
def test_unproved_notice_is_refused(world: Any, headers: dict[str, str]) -> None:
    with pytest.raises(BadNotice) as caught:
        world.connect(notice_header="X-Proof").read_notice(headers, b'{"payload": {"a": "17"}}')
    assert "17" not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"payload": "17"}', b"\xff", b"[" * 5000])
def test_unreadable_notice_is_refused(world: Any, body: bytes) -> None:
    with pytest.raises(BadNotice, match="payload"):
        world.connect(notice_header="X-Proof").read_notice(signed(body), body)
