"""Examples of what services tell about their own work."""

from __future__ import annotations

from hub_contracts.examples.world import LAMP_LINE, ORDER, PARCEL, PIXMANIA, Example, at
from hub_contracts.ids import effect_id_for, parked_id_for
from hub_contracts.work import (
    DeadlineApproaching,
    DeadlineKind,
    DeadlineMissed,
    EffectInDoubt,
    EffectSettled,
    WorkParked,
    WorkResumed,
)

_KEY = str(ORDER)
_PARKED = parked_id_for("order-router", "line", LAMP_LINE, "sku_unlinked")
_NATURAL_KEY = f"ship:{PARCEL}"
_EFFECT = effect_id_for(_NATURAL_KEY)

EXAMPLES: tuple[Example, ...] = (
    Example(
        WorkParked(
            parked_id=_PARKED,
            owner="order-router",
            subject_kind="line",
            subject_id=LAMP_LINE,
            order_id=ORDER,
            connection_id=PIXMANIA,
            cause="sku_unlinked",
            detail="offer SKU LUM-OPALINE-BL is not linked to a shop's SKU",
            next_step="link the SKU in the connection's settings; the line goes on by itself",
            due_at=at(days=4),
        ),
        key=_KEY,
        time=at(hours=1, seconds=22),
        after="order.status_changed.v1",
        source="order-router",
    ),
    Example(
        WorkResumed(
            parked_id=_PARKED,
            owner="order-router",
            order_id=ORDER,
            resolution="the SKU was linked",
            actor="operator-3",
        ),
        key=_KEY,
        time=at(hours=2),
        version=2,
        after="sku_link.changed.v1",
        source="order-router",
    ),
    Example(
        DeadlineApproaching(
            order_id=ORDER,
            connection_id=PIXMANIA,
            owner="order-acceptance",
            deadline=DeadlineKind.ACCEPT_BY,
            due_at=at(days=2),
            percent_used=75,
            seconds_left=43_200,
        ),
        key=_KEY,
        time=at(hours=36),
        version=2,
        source="order-acceptance",
    ),
    Example(
        DeadlineMissed(
            order_id=ORDER,
            connection_id=PIXMANIA,
            owner="shipment-notifier",
            deadline=DeadlineKind.SHIP_BY,
            due_at=at(days=4),
            last_resort="alarm",
        ),
        key=_KEY,
        time=at(days=4, seconds=1),
        version=2,
        source="shipment-notifier",
    ),
    Example(
        EffectInDoubt(
            effect_id=_EFFECT,
            owner="shipment-notifier",
            kind="ship",
            natural_key=_NATURAL_KEY,
            order_id=ORDER,
            connection_id=PIXMANIA,
            reason="no answer within 20 s after the request was sent",
            needs_operator=False,
        ),
        key=_KEY,
        time=at(days=1, seconds=30),
        version=2,
        source="shipment-notifier",
    ),
    Example(
        EffectSettled(
            effect_id=_EFFECT,
            owner="shipment-notifier",
            kind="ship",
            natural_key=_NATURAL_KEY,
            order_id=ORDER,
            connection_id=PIXMANIA,
            state="DONE",
            evidence="the order is SHIPPED at the marketplace with this tracking number",
            settled_by="probe",
        ),
        key=_KEY,
        time=at(days=1, seconds=90),
        version=3,
        after="effect.became_unknown.v1",
        source="shipment-notifier",
    ),
)
