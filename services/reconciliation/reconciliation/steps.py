"""What a finding is, whose business each kind is, and what people do about it: one table of data. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from hub_contracts.ids import difference_id_for
from hub_contracts.orders import OrderSnapshot
from hub_contracts.reconciliations import DifferenceKind, Repair

K = DifferenceKind
OFFER_KINDS = frozenset({K.STOCK, K.PRICE, K.OFFER_MISSING})
ORDER_KINDS = frozenset(K) - OFFER_KINDS

OWNER: dict[DifferenceKind, str] = {
    K.ORDER_MISSING: "order-ingest",
    K.ORDER_VANISHED: "order-ingest",
    K.STATUS: "order-ingest",
    K.LINES: "order-ingest",
    K.PAID_TOTAL: "order-ingest",
    K.ANSWER_MISSING: "order-acceptance",
    K.PARCEL_MISSING: "shipment-notifier",
    K.REFUND_MISSING: "refund-service",
    K.REFUND_UNKNOWN: "refund-service",
    K.STOCK: "stock-sync",
    K.PRICE: "stock-sync",
    K.OFFER_MISSING: "stock-sync",
}

BY_ITSELF: dict[Repair, str] = {
    Repair.REREAD: "Nothing yet: order-ingest reads the order again by itself.",
    Repair.PUSH_AGAIN: "Nothing yet: stock-sync sends the value again by itself.",
}

FOR_PEOPLE: dict[DifferenceKind, str] = {
    K.ORDER_MISSING: "Look for a parked item of this reference at order-ingest (it cannot be understood), or for "
    "a filter in the connection's import settings; then poll the connection again.",
    K.ORDER_VANISHED: "Ask the marketplace what became of the order. If it is void, stop the shop by hand and close "
    "this difference with what they said.",
    K.STATUS: "Open the order's story and its parked items: the hub holds a status that cannot lead to the "
    "marketplace's. Settle it there, then close this.",
    K.LINES: "Compare the lines at the marketplace with the shop's order and correct it by hand before it ships.",
    K.PAID_TOTAL: "Compare what the buyer paid with the shop's order and correct it before it is invoiced.",
    K.ANSWER_MISSING: "Answer the order in the marketplace's own back office before its accept-by instant passes; the "
    "effect's evidence at order-acceptance shows what was answered then.",
    K.PARCEL_MISSING: "Enter the parcel in the marketplace's own back office; carrier and tracking are in the order's "
    "story. The hub does not repeat it, it could be shown twice.",
    K.REFUND_MISSING: "Compare with the refund ledger of the order, and give the money back in the marketplace's own "
    "back office if the buyer has not got it.",
    K.REFUND_UNKNOWN: "Find out who gave this money back (the marketplace's staff, or somebody in its back office); "
    "close this with the reason.",
    K.STOCK: "Look at the offer at stock-sync: its last push and what the marketplace objected to.",
    K.PRICE: "Look at the offer at stock-sync: its last push and what the marketplace objected to; a discount or price "
    "entered by hand at the marketplace may stand in the way.",
    K.OFFER_MISSING: "Publish the offer at the marketplace again, or take its link away if it is not to be sold there.",
}

SHIPPED_ELSEWHERE = (
    "Somebody confirmed the shipment in the marketplace's own back office. Check that the shop ships it and that the "
    "buyer's tracking is right; then close this."
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not agree, as one comparison shows it. Values are for people and hold no personal data."""

    difference_id: UUID
    kind: DifferenceKind
    hub: str
    marketplace: str
    repair: Repair
    for_people: str
    order_id: UUID | None = None
    reference: str | None = None
    line_id: str | None = None
    offer_sku: str | None = None

    @property
    def owner(self) -> str:
        """The service whose business it is."""
        return OWNER[self.kind]


def next_step(finding: Finding, repair: Repair) -> str:
    """What is done about it now: by itself, or by a person."""
    return BY_ITSELF.get(repair, finding.for_people)


def finding(
    kind: DifferenceKind,
    order: OrderSnapshot,
    *,
    hub: str,
    marketplace: str,
    repair: Repair,
    line_id: str | None = None,
    part: str = "",
) -> Finding:
    """A finding about an order. `part` tells several of one kind apart (a refund's reference)."""
    subject = "/".join(filter(None, (order.marketplace_reference, line_id if not part else "", part)))
    return Finding(
        difference_id=difference_id_for(order.connection_id, kind, subject),
        kind=kind,
        hub=hub,
        marketplace=marketplace,
        repair=repair,
        for_people=SHIPPED_ELSEWHERE if part == "shipped_elsewhere" else FOR_PEOPLE[kind],
        order_id=order.order_id,
        reference=order.marketplace_reference,
        line_id=line_id,
    )


def offer_finding(
    kind: DifferenceKind, connection_id: UUID, offer_sku: str, *, hub: str, marketplace: str, repair: Repair
) -> Finding:
    """A finding about an offer."""
    return Finding(
        difference_id=difference_id_for(connection_id, kind, offer_sku),
        kind=kind,
        hub=hub,
        marketplace=marketplace,
        repair=repair,
        for_people=FOR_PEOPLE[kind],
        offer_sku=offer_sku,
    )
