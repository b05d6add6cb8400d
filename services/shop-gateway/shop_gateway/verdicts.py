"""What became of a shop's post, and writing that down: the row, and the parked item that a person sees."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import orjson

from hub_common.parked import Park, park, resume
from hub_common.tx import Cause, Tx
from hub_contracts.ids import parked_id_for
from shop_gateway import post_store
from shop_gateway.post_store import StoredPost
from shop_gateway.shop_protocol import FieldError
from shop_gateway.store import StoredOrder

ORDER_UNKNOWN = "order_unknown"
ORDER_AMBIGUOUS = "order_ambiguous"
LINE_UNKNOWN = "line_unknown"
SHIPPED_TOO_MANY = "shipped_too_many"
RETURNED_TOO_MANY = "returned_too_many"
CANCELLED_TOO_MANY = "cancelled_too_many"
AFTER_CANCELLATION = "shipped_after_cancellation"
REFERENCE_REUSED = "reference_reused"
FAILED = "post_failed"

RETRIED = (SHIPPED_TOO_MANY, RETURNED_TOO_MANY, CANCELLED_TOO_MANY)
"""Causes that another post about the same order may cure: posts overtake each other."""

NEXT_STEP = {
    ORDER_UNKNOWN: "Nothing, when the order is on its way: it goes on by itself. Else ask the shop what it meant.",
    ORDER_AMBIGUOUS: "Ask the shop to name the order by route_id.",
    LINE_UNKNOWN: "Ask the shop which line it meant; it posts again under another key.",
    SHIPPED_TOO_MANY: "Ask the shop what left; it goes on by itself when an earlier parcel is corrected.",
    RETURNED_TOO_MANY: "Nothing, when the shipment is on its way: it goes on by itself. Else ask the shop.",
    CANCELLED_TOO_MANY: "Ask the shop what it cannot ship.",
    AFTER_CANCELLATION: "Get the parcel back; or take the shipment all the same (retry with despite_cancellation).",
    REFERENCE_REUSED: "Ask the shop for a reference of its own for each parcel and return.",
    FAILED: "Look at the log of shop-gateway at that time, then retry the post.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`state`: done, parked, rejected (against a rule of the protocol) or aside (a type that the hub does not use)."""

    state: str
    detail: str = ""
    cause: str | None = None
    errors: tuple[FieldError, ...] = ()
    kind: str | None = None
    order: StoredOrder | None = None
    order_version: int | None = None
    names: tuple[UUID | None, str | None, str | None] = (None, None, None)


def done(order: StoredOrder | None = None, detail: str = "", version: int | None = None) -> Verdict:
    """The post was taken, now or before."""
    return Verdict("done", detail, order=order, order_version=version)


def parked(cause: str, detail: str, order: StoredOrder | None = None) -> Verdict:
    """The post waits, and nothing of it was told."""
    return Verdict("parked", detail, cause, order=order, order_version=order.version if order else None)


def rejected(pointer: str, rule: str, order: StoredOrder | None = None) -> Verdict:
    """The post breaks a rule that can only be judged knowing the order or the time."""
    return Verdict("rejected", "one rule is broken", errors=(FieldError(pointer, rule),), order=order)


def cause_of(post: StoredPost, order: StoredOrder | None = None) -> Cause:
    """What a post leads to belongs to the trace of its order; a trace that a stranger sends is not believed."""
    return Cause(post.tenant, traceparent=order.traceparent if order else None, causation_id=str(post.post_id))


async def conclude(tx: Tx, post: StoredPost, verdict: Verdict, *, actor: str | None = None) -> None:
    """Write a verdict down; park the post or resume what was parked before."""
    order = verdict.order
    errors = orjson.dumps([{"pointer": error.pointer, "detail": error.rule} for error in verdict.errors]).decode()
    route_id = order.route_id if order else None
    row = (verdict.state, verdict.cause, verdict.detail, errors, route_id, verdict.order_version, *verdict.names)
    await post_store.conclude(tx.conn, post.post_id, (*row, verdict.kind or post.kind, tx.now))
    if post.cause is not None and post.cause != verdict.cause:
        parked_id = parked_id_for(tx.service, "post", str(post.post_id), post.cause)
        await resume(tx, [parked_id], resolution=f"the post is {verdict.state}", actor=actor)
    if verdict.cause is not None:
        await park(tx, [_park(post, verdict, verdict.cause)])


def _park(post: StoredPost, verdict: Verdict, cause: str) -> Park:
    order = verdict.order
    return Park(
        subject_kind="post",
        subject_id=str(post.post_id),
        cause=cause,
        detail=f"A shop's post ({verdict.kind or post.kind}) waits: {verdict.detail}.",
        next_step=NEXT_STEP[cause],
        event_key=str(order.order_id if order else post.post_id),
        why=cause_of(post, order),
        order_id=order.order_id if order else None,
        connection_id=post.connection_id,
        is_test=order.is_test if order else False,
        due_at=order.request.ship_by if order else None,
    )
