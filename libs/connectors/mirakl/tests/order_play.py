"""Everything of the order side used once: for the comparison with the manifest and with the official document."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

from connector_kit.aftersales import AnswerReturn, SendMessage
from connector_kit.capabilities import OrderWindow
from connector_kit.requests import RefundTax

from .asgi_caller import START
from .stage import Stage, money_line, parcel_for, refund_for
from .test_documents_and_catalogs import invoice

BODY = "Invented words: the parcel leaves today, été & co."


async def play_order_side(stage: Stage) -> None:
    """Exports, parcels in every way, taxes, documents, returns, conversations."""
    await play_export(stage)
    await play_parcels(stage)
    await play_money(stage)
    await play_returns(stage)
    await play_messages(stage)


async def play_export(stage: Stage) -> None:
    stage.order(lines=1)
    ticket = await stage.connection.start_export(OrderWindow(updated_from=START, created_from=START))
    await stage.connection.export_state(ticket)
    stage.clock.pass_seconds(21)
    await stage.connection.export_state(ticket)
    assert [order async for page in stage.connection.read_export(ticket) for order in page]


async def play_parcels(stage: Stage) -> None:
    connection = stage.connection
    order = stage.shipping_order()
    stage.fault("shipment_left_open", "ship")
    await connection.ship([parcel_for(order)])
    stage.no_faults()
    await connection.ship([parcel_for(order, tracking_number="0040-corrected")])
    await connection.ship([parcel_for(stage.shipping_order(), tracking_number=None)])
    untracked = parcel_for(stage.shipping_order(), carrier_code=None, tracking_number=None)
    await connection.ship([untracked])


async def play_money(stage: Stage) -> None:
    order = stage.shipping_order(status="SHIPPED", tax_rule="NONE")
    taxes = (RefundTax(code="TVA20", amount=Decimal("1.67")),)
    line = money_line(
        order, amount="10.00", shipping_amount=Decimal("5.90"), taxes=taxes, shipping_taxes=taxes, reason_code="19"
    )
    await stage.connection.refund([refund_for(order, line)])
    await stage.connection.upload_invoice([invoice(order.id)])
    [document] = await stage.connection.list_documents(order.id)
    await stage.connection.remove_document(document.document_reference)


async def play_returns(stage: Stage) -> None:
    order = stage.shipping_order(status="SHIPPED")
    opened = [stage.simulator.open_return(order.id, {order.lines[0].id: 1}) for _ in range(101)]
    assert sum([len(page) async for page in stage.connection.list_returns(START)]) == 101
    for answer, at in (("accept", 0), ("refuse", 1), ("receive", 0), ("object", 0)):
        reason = {"refuse": "RETURN_REJECTION_WINDOW_CLOSED", "object": "RETURN_NON_COMPLIANT_DAMAGED_PRODUCT"}
        request = AnswerReturn.model_validate(
            {
                "return_reference": opened[at],
                "order_reference": order.id,
                "answer": answer,
                "reason_code": reason.get(answer),
            }
        )
        await stage.connection.answer_returns([request])
        await stage.connection.probe_answer_return(request)


async def play_messages(stage: Stage) -> None:
    order = stage.order(lines=1)
    threads = [stage.simulator.write_message(order.id, BODY) for _ in range(101)]
    for _ in range(101):
        stage.simulator.write_message(order.id, BODY, thread_id=threads[0])
    assert sum([len(page) async for page in stage.connection.list_threads(START)]) == 101
    reply = SendMessage(message_id=uuid4(), thread_reference=threads[0], body=BODY)
    begin = SendMessage(message_id=uuid4(), order_reference=order.id, topic="50", body=BODY, recipients=("operator",))
    for request in (reply, begin):
        await stage.connection.send_messages([request])
        await stage.connection.probe_send_message(request)
