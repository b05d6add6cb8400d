"""Acting on posts about one order: acknowledgement, shipment, return, cancellation. The order's row is locked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from hub_common.parked import resume
from hub_common.tx import Cause, Tx
from hub_contracts.ids import cancellation_id_for, parcel_id_for, parked_id_for, return_id_for
from hub_contracts.shop_activity import (
    CancellationRequested,
    LineQuantity,
    ParcelHandedOver,
    ReturnLine,
    ReturnReported,
    ShopOrderAcknowledged,
)
from shop_gateway import post_store
from shop_gateway.creating import REJECTED
from shop_gateway.domain import (
    NamedUnits,
    Parcel,
    Refusal,
    TakenUnits,
    advances,
    allocate,
    corrected,
    per_line,
    remaining,
    split_amount,
    summed,
)
from shop_gateway.post_store import StoredPost
from shop_gateway.shop_protocol import Acknowledgement, CancellationPost, LineUnits, ReturnPost, ShipmentPost
from shop_gateway.store import StoredOrder
from shop_gateway.verdicts import (
    AFTER_CANCELLATION,
    CANCELLED_TOO_MANY,
    LINE_UNKNOWN,
    REFERENCE_REUSED,
    RETURNED_TOO_MANY,
    SHIPPED_TOO_MANY,
    Verdict,
    cause_of,
    done,
    parked,
    rejected,
)


@dataclass(frozen=True, slots=True)
class Context:
    """One post and the order that it speaks of."""

    tx: Tx
    post: StoredPost
    order: StoredOrder
    at: str
    despite_cancellation: bool

    @property
    def cause(self) -> Cause:
        """Cause of what is told."""
        return cause_of(self.post, self.order)

    async def shop_has_it(self, reference: str | None) -> None:
        """A shop that works on an order it refused before has taken it after all."""
        if self.order.state == "rejected":
            parked_id = parked_id_for(self.tx.service, "shop_order", str(self.order.route_id), REJECTED)
            await resume(self.tx, [parked_id], resolution="the shop works on it")
            await post_store.touch_order(
                self.tx.conn, self.order.route_id, self.tx.now, reference=reference, taken=True
            )


async def take_acknowledgement(context: Context, post: Acknowledgement) -> Verdict:
    """Learn the shop's own number, once."""
    tx, order = context.tx, context.order
    if order.shop_order_reference not in (None, post.shop_order_reference):
        return rejected(f"{context.at}/shop_order_reference", "another number is known for this order", order)
    if order.acknowledged_at is not None:
        return done(order, "known already", order.version)
    await context.shop_has_it(post.shop_order_reference)
    at = post.acknowledged_at or context.post.received_at
    version = await post_store.touch_order(
        tx.conn, order.route_id, tx.now, reference=post.shop_order_reference, acknowledged_at=at
    )
    event = ShopOrderAcknowledged(
        order_id=order.order_id,
        route_id=order.route_id,
        shop_connection_id=order.shop_connection_id,
        is_test=order.is_test,
        shop_order_reference=post.shop_order_reference,
        acknowledged_at=at,
    )
    tx.emit(event, key=order.order_id, cause=context.cause)
    return done(order, version=version)


async def take_shipment(context: Context, post: ShipmentPost) -> Verdict:
    """Tell a parcel, or a correction of one: the same parcel id with what changed. A plain repeat changes nothing."""
    tx, order = context.tx, context.order
    parcels = await post_store.load_parcels(tx.conn, order.route_id)
    parcel_id = parcel_id_for(order.order_id, order.shop_connection_id, post.shipment_reference)
    known = parcels.pop(parcel_id, None)
    if known is None and order.cancel_reason is not None and not context.despite_cancellation:
        return parked(AFTER_CANCELLATION, "the order was cancelled before the parcel left", order)
    if known is None and await _belongs_elsewhere(tx, parcel_id):
        return parked(REFERENCE_REUSED, "this reference is a parcel of another shop order", order)
    free = remaining(order.lines, summed(parcel.lines for parcel in parcels.values()))
    lines: dict[str, int] = dict(known.lines) if known and not post.lines else {}
    if not lines:
        taken = allocate(_named(post.lines), order.lines, free)
        if isinstance(taken, Refusal):
            return _refused(taken, SHIPPED_TOO_MANY, order)
        lines = per_line(taken)
    parcel = corrected(known, _parcel(post, lines))
    if parcel == known:
        return done(order, "known already", order.version)
    await context.shop_has_it(post.shop_order_reference)
    await post_store.save_parcel(tx.conn, parcel_id, order.route_id, post.shipment_reference, parcel, tx.now)
    everything = sum(free.values()) == sum(parcel.lines.values())
    version = await post_store.touch_order(
        tx.conn, order.route_id, tx.now, reference=post.shop_order_reference, closed=everything
    )
    tx.emit(_handed_over(order, parcel_id, post, parcel), key=order.order_id, cause=context.cause)
    return done(order, "" if known is None else "taken as a correction", version)


async def _belongs_elsewhere(tx: Tx, parcel_id: UUID) -> bool:
    return bool(await tx.conn.fetchval("SELECT true FROM parcels WHERE parcel_id = $1", parcel_id))


def _parcel(post: ShipmentPost, lines: dict[str, int]) -> Parcel:
    return Parcel(
        lines=lines,
        carrier_code=post.carrier_code,
        carrier_name=post.carrier_name,
        tracking_number=next(iter(post.all_tracking_numbers), None),
        tracking_url=post.tracking_url,
        handed_over_at=post.handed_over_at,
    )


def _handed_over(order: StoredOrder, parcel_id: UUID, post: ShipmentPost, parcel: Parcel) -> ParcelHandedOver:
    return ParcelHandedOver(
        parcel_id=parcel_id,
        order_id=order.order_id,
        connection_id=order.connection_id,
        route_id=order.route_id,
        shop_connection_id=order.shop_connection_id,
        environment=order.environment,
        is_test=order.is_test,
        shop_parcel_reference=post.shipment_reference,
        shop_order_reference=order.shop_order_reference or post.shop_order_reference,
        lines=tuple(LineQuantity(line_id=line, quantity=units) for line, units in parcel.lines.items()),
        carrier_code=parcel.carrier_code,
        carrier_name=parcel.carrier_name,
        tracking_number=parcel.tracking_number,
        tracking_url=parcel.tracking_url,
        destination_country=order.country,
        handed_over_at=parcel.handed_over_at,
    )


async def take_return(context: Context, post: ReturnPost) -> Verdict:
    """Tell each stage of a return once. No more units come back than left."""
    tx, order = context.tx, context.order
    if post.currency not in (None, order.request.currency):
        return rejected(f"{context.at}/currency", f"must be the order's: {order.request.currency}", order)
    returns = await post_store.load_returns(tx.conn, order.route_id)
    return_id = return_id_for(order.order_id, order.shop_connection_id, post.return_reference)
    known_stage, known_lines = returns.pop(return_id, (None, ()))
    if not advances(known_stage, post.stage.value):
        return done(order, "this stage was told before", order.version)
    lines = known_lines
    if post.lines or not known_lines:
        parcels = await post_store.load_parcels(tx.conn, order.route_id)
        shipped = summed(parcel.lines for parcel in parcels.values())
        returned = summed({line.line_id: line.quantity} for _, told in returns.values() for line in told)
        free = {line.line_id: shipped.get(line.line_id, 0) - returned.get(line.line_id, 0) for line in order.lines}
        taken = allocate(_named(post.lines), order.lines, free)
        if isinstance(taken, Refusal):
            return _refused(taken, RETURNED_TOO_MANY, order)
        lines = _return_lines(post, taken)
    event = ReturnReported(
        return_id=return_id,
        order_id=order.order_id,
        connection_id=order.connection_id,
        shop_connection_id=order.shop_connection_id,
        environment=order.environment,
        is_test=order.is_test,
        route_id=order.route_id,
        shop_return_reference=post.return_reference,
        stage=post.stage.value,
        lines=lines,
        refund_shipping=post.refund_shipping,
        reported_at=post.reported_at or context.post.received_at,
    )
    await post_store.save_return(tx.conn, return_id, order.route_id, post.return_reference, event.stage, lines, tx.now)
    version = await post_store.touch_order(tx.conn, order.route_id, tx.now)
    tx.emit(event, key=order.order_id, cause=context.cause)
    return done(order, version=version)


def _return_lines(post: ReturnPost, taken: Sequence[TakenUnits]) -> tuple[ReturnLine, ...]:
    """Reason and amount of each posted line; an amount for a SKU of several lines is shared out by units."""
    posted = post.resolved_lines
    if not posted:
        return tuple(ReturnLine(line_id=u.line_id, quantity=u.quantity, reason=post.reason) for u in taken)
    found: list[ReturnLine] = []
    for position, line in enumerate(posted):
        units = [unit for unit in taken if unit.position == position]
        shares = split_amount(line.amount, [unit.quantity for unit in units])
        for unit, amount in zip(units, shares, strict=True):
            found.append(ReturnLine(line_id=unit.line_id, quantity=unit.quantity, reason=line.reason, amount=amount))
    return tuple(found)


async def take_cancellation(context: Context, post: CancellationPost) -> Verdict:
    """Pass on that the shop cannot fulfil. "The whole order" means what it was given: others may serve the rest."""
    tx, order = context.tx, context.order
    if order.cancel_reason is not None:
        return done(order, "the order is cancelled already", order.version)
    told = await post_store.load_cancellations(tx.conn, order.route_id)
    cancellation_id = cancellation_id_for(order.order_id, order.shop_connection_id, post.cancellation_reference)
    if cancellation_id in told:
        return done(order, "known already", order.version)
    parcels = await post_store.load_parcels(tx.conn, order.route_id)
    used = summed([*(parcel.lines for parcel in parcels.values()), *told.values()])
    taken = allocate(_named(post.lines), order.lines, remaining(order.lines, used))
    if isinstance(taken, Refusal):
        return _refused(taken, CANCELLED_TOO_MANY, order)
    lines = per_line(taken)
    await post_store.insert_cancellation(
        tx.conn, cancellation_id, order.route_id, post.cancellation_reference, lines, tx.now
    )
    whole = not post.lines and order.sole_route and not used
    event = CancellationRequested(
        cancellation_id=cancellation_id,
        order_id=order.order_id,
        connection_id=order.connection_id,
        shop_connection_id=order.shop_connection_id,
        environment=order.environment,
        is_test=order.is_test,
        route_id=order.route_id,
        shop_cancellation_reference=post.cancellation_reference,
        lines=() if whole else tuple(LineQuantity(line_id=k, quantity=v) for k, v in lines.items()),
        reason=post.reason,
        requested_at=post.requested_at or context.post.received_at,
    )
    tx.emit(event, key=order.order_id, cause=context.cause)
    return done(order, version=await post_store.touch_order(tx.conn, order.route_id, tx.now))


def _named(lines: Sequence[LineUnits]) -> list[NamedUnits]:
    return [NamedUnits(line.line_id, line.sku, line.quantity) for line in lines]


def _refused(refusal: Refusal, too_many: str, order: StoredOrder) -> Verdict:
    return parked(LINE_UNKNOWN if refusal.cause == "line_unknown" else too_many, refusal.detail, order)
