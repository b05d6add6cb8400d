"""Each event of an order in a sentence, and to whom it was told: what a person reads first on the time line. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Body = Mapping[str, Any]

MARKETPLACE, SHOP, BUYER, PEOPLE = "the marketplace", "the shop", "the buyer", "operators"


@dataclass(frozen=True, slots=True)
class Said:
    """One event for people. `told` names who outside knows it since then; `tag` colours it."""

    title: str
    words: str = ""
    told: str = ""
    tag: str = ""


def units(lines: Any) -> int:
    """Units of some lines."""
    return sum(int(line["quantity"]) for line in lines)


def _price(order: Body) -> str:
    return f"{units(order['lines'])} units, {order['total_price']} {order['currency']}"


def _decided(body: Body) -> Said:
    who = body["actor"] or body["decided_by"].replace("_", " ")
    tag = {"accept": "ok", "refuse": "bad"}.get(body["decision"], "warn")
    return Said(f"Decided: {body['decision']}", f"by {who} – {body['reason']}", tag=tag)


def _status(body: Body) -> Said:
    words = f"{body['from_status']} → {body['to_status']}, in its own word {body['marketplace_status']}"
    return Said("The marketplace shows another status", words, tag="info")


def _routed(body: Body) -> Said:
    shops = ", ".join(
        f"{units(r['lines'])} units" + (f" from {r['warehouse']}" if r["warehouse"] else "") for r in body["routes"]
    )
    return Said("Routed", f"to {len(body['routes'])} shop(s): {shops}", tag="info")


def _parcel(body: Body) -> str:
    carrier = body.get("carrier_name") or body.get("carrier_code") or "an unnamed carrier"
    number = body.get("tracking_number") or "no tracking number"
    return f"{units(body['lines'])} units with {carrier}, {number}"


def _money(body: Body) -> str:
    parts = [f"{line['quantity']} × {line['line_id']}: {line['amount']}" for line in body["lines"]]
    return f"{', '.join(parts)} {body['currency']}"


def _address(body: Body) -> Said:
    fields = ", ".join(name.replace("_", " ") for name in body["changed_fields"]) or "confirmed as it was"
    again = f" (correction {body['version']})" if body["version"] > 1 else ""
    return Said(f"Address corrected{again}", f"{fields}; by {body['actor']}", tag="info")


def _answered(body: Body, done: str) -> Said:
    return Said(f"The marketplace took our answer: {done}", f"known from its {body['confirmed_by']}", MARKETPLACE, "ok")


def _doubt(body: Body) -> Said:
    who = "a person must decide" if body["needs_operator"] else "the probe looks"
    return Said(f"In doubt: {body['kind']}", f"{body['reason']}; {who}", tag="bad")


def _deadline(body: Body) -> str:
    return f"{body['deadline'].replace('_', ' ')} {body['due_at']}"


SENTENCES: dict[str, Callable[[Body], Said]] = {
    "order.received.v1": lambda b: Said(
        "Received", f"{_price(b['order'])}, {b['order']['marketplace_status']}", tag="info"
    ),
    "order.changed.v1": lambda b: Said("Changed at the marketplace", ", ".join(b["changed_fields"])),
    "order.status_changed.v1": _status,
    "order.customer_recorded.v1": lambda b: Said(
        "Buyer recorded", f"{len(b.get('fields_present', ()))} fields, kept by shop-gateway"
    ),
    "order.customer_erased.v1": lambda b: Said("Buyer erased", b["why"], tag="warn"),
    "order.acceptance_decided.v1": _decided,
    "order.accepted.v1": lambda b: _answered(b, "accepted"),
    "order.refused.v1": lambda b: _answered(b, "refused"),
    "order.answer_rejected.v1": lambda b: Said("The marketplace would not take our answer", b["reason"], tag="bad"),
    "order.routed.v1": _routed,
    "route.cancelled.v1": lambda b: Said("Route cancelled", b["reason"], tag="warn"),
    "shop_order.created.v1": lambda b: Said("Order created in the shop", b["shop_order_reference"] or "", SHOP, "ok"),
    "shop_order.acknowledged.v1": lambda b: Said("The shop works on it", b["shop_order_reference"]),
    "shop_order.rejected.v1": lambda b: Said("The shop would not take it", b["reason"], tag="bad"),
    "shop_order.cancelled.v1": lambda b: Said("The shop stopped", "", SHOP, "warn"),
    "shipping_address.corrected.v1": _address,
    "parcel.handed_over.v1": lambda b: Said("Parcel left", _parcel(b), tag="info"),
    "parcel.carrier_mapped.v1": lambda b: Said("Carrier mapped", f"{b['carrier_name']}, by {b['mapped_by']}"),
    "shipment.notified.v1": lambda b: Said("Parcel told", _parcel(b), f"{MARKETPLACE} and through it {BUYER}", "ok"),
    "shipment.rejected.v1": lambda b: Said("The marketplace would not take the parcel", b["reason"], tag="bad"),
    "invoice.uploaded.v1": lambda b: Said("Invoice uploaded", b["document_reference"] or "", MARKETPLACE, "ok"),
    "invoice.rejected.v1": lambda b: Said("The marketplace would not take the invoice", b["reason"], tag="bad"),
    "return.reported.v1": lambda b: Said(
        f"Return {b['stage']}", f"{units(b['lines'])} units, {b['shop_return_reference']}", tag="warn"
    ),
    "order.cancellation_requested.v1": lambda b: Said("The shop cannot fulfil it", b["reason"] or "", tag="warn"),
    "refund.requested.v1": lambda b: Said("Refund entered", f"{_money(b)}, by {b['requested_by']}", tag="warn"),
    "refund.confirmed.v1": lambda b: Said("Refund confirmed", _money(b), f"{MARKETPLACE} and through it {BUYER}", "ok"),
    "refund.rejected.v1": lambda b: Said("Refund refused", b["reason"], tag="bad"),
    "cancellation.confirmed.v1": lambda b: Said(
        "Cancellation confirmed", f"known from its {b['confirmed_by']}", MARKETPLACE, "ok"
    ),
    "cancellation.rejected.v1": lambda b: Said("Cancellation refused", b["reason"], tag="bad"),
    "marketplace_return.reported.v1": lambda b: Said(
        f"Return at the marketplace: {b['stage']}", b["return_reference"], tag="warn"
    ),
    "marketplace_return.answered.v1": lambda b: Said("Return answered", b["answer"], MARKETPLACE, "ok"),
    "marketplace_return.answer_rejected.v1": lambda b: Said("Answer to the return refused", b["reason"], tag="bad"),
    "message.received.v1": lambda b: Said(
        f"Message from the {b['sender']}", "waits for an answer" if b["awaits_answer"] else ""
    ),
    "message.sent.v1": lambda b: Said("Message sent", f"by {b['written_by']}", BUYER, "ok"),
    "message.rejected.v1": lambda b: Said("Message refused", b["reason"], tag="bad"),
    "work.parked.v1": lambda b: Said(f"Parked: {b['cause'].replace('_', ' ')}", b["detail"], tag="warn"),
    "work.resumed.v1": lambda b: Said("Goes on", b["resolution"] + (f" ({b['actor']})" if b["actor"] else "")),
    "order.deadline_approaching.v1": lambda b: Said("Deadline comes near", _deadline(b), tag="warn"),
    "order.deadline_missed.v1": lambda b: Said(
        "Deadline missed", f"{_deadline(b)}; last resort: {b['last_resort']}", tag="bad"
    ),
    "effect.became_unknown.v1": _doubt,
    "effect.became_known.v1": lambda b: Said(
        f"No longer in doubt: {b['kind']}", f"{b['state']}, settled by {b['settled_by']}", tag="ok"
    ),
}


def say(kind: str, body: Body) -> Said:
    """An event in words; one that nobody wrote a sentence for shows its type, and one of an older form does too."""
    sentence = SENTENCES.get(kind)
    plain = Said(kind.removesuffix(".v1").replace("_", " ").replace(".", ": "))
    if sentence is None:
        return plain
    try:
        return sentence(body)
    except (KeyError, TypeError, ValueError):
        return plain
