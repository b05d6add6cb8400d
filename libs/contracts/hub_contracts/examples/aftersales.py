"""Examples of what follows a sale: a buyer's return and question, the invoice that was refused."""

from __future__ import annotations

from hub_contracts.examples.world import LAMP_LINE, ORDER, PIXMANIA, ROUTE, Example, at
from hub_contracts.ids import effect_id_for, marketplace_return_id_for, message_id_for
from hub_contracts.messages import MessageReceived, MessageRejected, MessageSent, Sender
from hub_contracts.refunds import (
    MarketplaceReturnAnswered,
    MarketplaceReturnAnswerRejected,
    MarketplaceReturnLine,
    MarketplaceReturnReported,
)
from hub_contracts.shipments import InvoiceRejected

_KEY = str(ORDER)
_REFERENCE = "RT-0a41c7"
_RETURN = marketplace_return_id_for(PIXMANIA, _REFERENCE)
_ANSWER = effect_id_for(f"answer_return:{_RETURN}:accept")
_THREAD = "9f2c51d0-thread"
_QUESTION = message_id_for(PIXMANIA, "9f2c51d0-1")
_REPLY = message_id_for(PIXMANIA, "reply-1")
_SENT = effect_id_for(f"send_message:{_REPLY}")

EXAMPLES: tuple[Example, ...] = (
    Example(
        InvoiceRejected(
            order_id=ORDER,
            connection_id=PIXMANIA,
            effect_id=effect_id_for(f"upload_invoice:{ORDER}"),
            reason="type_code: the document type is not known",
            route_id=ROUTE,
        ),
        key=_KEY,
        time=at(days=1, hours=4),
        version=4,
        after="parcel.carrier_mapped.v1",
    ),
    Example(
        MarketplaceReturnReported(
            return_id=_RETURN,
            order_id=ORDER,
            connection_id=PIXMANIA,
            return_reference=_REFERENCE,
            stage="requested",
            marketplace_state="WAITING_ACCEPTANCE",
            lines=(MarketplaceReturnLine(line_id=LAMP_LINE, quantity=1, reason_code="BROKEN"),),
            marketplace_updated_at=at(days=6),
        ),
        key=_KEY,
        time=at(days=6, seconds=40),
    ),
    Example(
        MarketplaceReturnAnswered(
            return_id=_RETURN,
            order_id=ORDER,
            connection_id=PIXMANIA,
            effect_id=_ANSWER,
            answer="accept",
            confirmed_by="answer",
        ),
        key=_KEY,
        time=at(days=6, hours=1),
        version=2,
        after="marketplace_return.reported.v1",
    ),
    Example(
        MarketplaceReturnAnswerRejected(
            return_id=_RETURN,
            order_id=ORDER,
            connection_id=PIXMANIA,
            effect_id=_ANSWER,
            answer="accept",
            reason="the return is no longer waiting for an answer",
        ),
        key=_KEY,
        time=at(days=6, hours=2),
        version=3,
        after="marketplace_return.reported.v1",
    ),
    Example(
        MessageReceived(
            message_id=_QUESTION,
            connection_id=PIXMANIA,
            thread_reference=_THREAD,
            message_reference="9f2c51d0-1",
            order_id=ORDER,
            sender=Sender.BUYER,
            attachments=1,
            locale="fr_FR",
            awaits_answer=True,
            answer_by=at(days=6),
            sent_at=at(days=5),
        ),
        key=_KEY,
        time=at(days=5, seconds=50),
    ),
    Example(
        MessageSent(
            message_id=_REPLY,
            connection_id=PIXMANIA,
            thread_reference=_THREAD,
            order_id=ORDER,
            effect_id=_SENT,
            written_by="operator-3",
            confirmed_by="answer",
        ),
        key=_KEY,
        time=at(days=5, hours=2),
        version=2,
        after="message.received.v1",
    ),
    Example(
        MessageRejected(
            message_id=_REPLY,
            connection_id=PIXMANIA,
            thread_reference=_THREAD,
            order_id=ORDER,
            effect_id=_SENT,
            reason="the thread is closed",
        ),
        key=_KEY,
        time=at(days=5, hours=3),
        version=3,
        after="message.received.v1",
    ),
)
