"""Examples of `hub.refunds`: one of the two lamps came back broken."""

from __future__ import annotations

from decimal import Decimal

from hub_contracts.examples.world import LAMP_LINE, ORDER, PIXMANIA, RETURN, SHOP, Example, at
from hub_contracts.ids import cancellation_id_for, effect_id_for, refund_id_for
from hub_contracts.refunds import (
    CancellationConfirmed,
    CancellationRejected,
    CancelledMoney,
    RefundConfirmed,
    RefundLine,
    RefundRejected,
    RefundRequested,
)

_KEY = str(ORDER)
_REFUND = refund_id_for(ORDER, RETURN)
_EFFECT = effect_id_for(f"refund:{_REFUND}")
_CANCELLATION = cancellation_id_for(ORDER, SHOP, "ANN-118")
_CANCEL_EFFECT = effect_id_for(f"cancel:{_CANCELLATION}")
_LINES = (
    RefundLine(
        line_id=LAMP_LINE,
        quantity=1,
        amount=Decimal("34.90"),
        shipping_amount=Decimal("0.00"),
        reason_code="ITEM_DAMAGED",
    ),
)

EXAMPLES: tuple[Example, ...] = (
    Example(
        RefundRequested(
            refund_id=_REFUND,
            order_id=ORDER,
            connection_id=PIXMANIA,
            return_id=RETURN,
            currency="EUR",
            lines=_LINES,
            requested_by="policy",
            requested_at=at(days=8, seconds=1),
        ),
        key=_KEY,
        time=at(days=8, seconds=3),
        after="return.reported.v1",
    ),
    Example(
        RefundConfirmed(
            refund_id=_REFUND,
            order_id=ORDER,
            connection_id=PIXMANIA,
            effect_id=_EFFECT,
            currency="EUR",
            lines=_LINES,
            refund_references=("1188",),
            confirmed_by="answer",
        ),
        key=_KEY,
        time=at(days=8, seconds=5),
        version=2,
        after="refund.requested.v1",
    ),
    Example(
        RefundRejected(
            refund_id=_REFUND,
            order_id=ORDER,
            connection_id=PIXMANIA,
            effect_id=_EFFECT,
            reason="the amount exceeds what is left of the line",
        ),
        key=_KEY,
        time=at(days=8, seconds=5),
        version=2,
        after="refund.requested.v1",
    ),
    Example(
        CancellationConfirmed(
            cancellation_id=_CANCELLATION,
            order_id=ORDER,
            connection_id=PIXMANIA,
            effect_id=_CANCEL_EFFECT,
            confirmed_by="probe",
            money=(
                CancelledMoney(line_id=LAMP_LINE, quantity=2, amount=Decimal("69.80"), shipping_amount=Decimal("4.90")),
            ),
        ),
        key=_KEY,
        time=at(hours=3, seconds=4),
        after="order.cancellation_requested.v1",
    ),
    Example(
        CancellationRejected(
            cancellation_id=_CANCELLATION,
            order_id=ORDER,
            connection_id=PIXMANIA,
            effect_id=_CANCEL_EFFECT,
            reason="the line was already shipped",
        ),
        key=_KEY,
        time=at(hours=3, seconds=4),
        after="order.cancellation_requested.v1",
    ),
)
