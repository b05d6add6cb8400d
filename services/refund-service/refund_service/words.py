"""What a person should do about each cause for which refund-service parks work."""

from __future__ import annotations

NEXT_STEPS = {
    "environment_mismatch": "Correct the environment of the shop's or the marketplace's connection.",
    "order_cancelled": "Nothing was paid, so nothing goes back; close this, or tell the shop.",
    "line_unknown": "Ask the shop which line it means; refund by hand with the right line.",
    "quantity_invalid": "Ask the shop for the right quantity; refund or cancel by hand.",
    "refunded_elsewhere": "See at the marketplace whether this is given back already: close this, or refund by hand.",
    "exceeds_paid": "More is wanted than was paid: correct the return at the shop, or refund by hand what is left.",
    "amount_unsupported": "Refund by hand an amount that this marketplace can take.",
    "partial_refund_unsupported": "Give part of the money back in the marketplace's back office, or refund all lines.",
    "refund_unsupported": "Give the money back in the marketplace's back office.",
    "reason_unmapped": "Map the shop's reason to the marketplace's code in the connection, or set a default reason.",
    "reason_unknown": "Set a reason code that the marketplace lists in the connection.",
    "cancel_before_acceptance": "Refuse the order at order-acceptance; it was not accepted yet.",
    "cancel_unsupported": "Ask the buyer through the marketplace, or ship and refund: it cancels nothing then.",
    "already_shipped": "Stop the parcel and let it come back as a return, or refund by hand.",
}

OWN_CAUSES = frozenset(NEXT_STEPS)
"""Causes that end by themselves when the facts change; others (a rejected refund) are closed by people."""

REFUND_REJECTED = "refund_rejected"
CANCEL_REJECTED = "cancel_rejected"
