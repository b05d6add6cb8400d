"""What becomes of a shop's wish to cancel: pure. It depends on how far the marketplace is with the order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hub_contracts.connections import RefundSettings
from hub_contracts.shop_activity import LineQuantity
from hub_contracts.status import OrderStatus
from refund_service.domain import DEAD, Ask, Balance, Obstacle, Order, cancellable
from refund_service.domain_returns import with_code

UNANSWERED = frozenset({OrderStatus.WAITING_PAYMENT, OrderStatus.REMORSE_PERIOD, OrderStatus.PENDING})
CANCELLABLE = frozenset({OrderStatus.ACCEPTED, OrderStatus.PREPARATION})


@dataclass(frozen=True, slots=True)
class CancelPlan:
    """Lines to cancel; empty = the whole order without naming lines, where no reason code is known."""

    asks: tuple[Ask, ...]


@dataclass(frozen=True, slots=True)
class Over:
    """Nothing is left to cancel."""

    text: str


def decide_cancellation(
    order: Order,
    books: Mapping[str, Balance],
    wanted: Sequence[LineQuantity],
    reason: str | None,
    settings: RefundSettings,
    *,
    supported: bool,
    codes: frozenset[str] | None,
) -> CancelPlan | Over | Obstacle:
    """Cancel, stop, or what stands against it. `wanted` empty means the whole order."""
    if order.status in DEAD:
        return Over(f"the order is {order.status}")
    unknown = next((line.line_id for line in wanted if line.line_id not in order.lines), None)
    if unknown is not None:
        return Obstacle("line_unknown", unknown, "the order has no such line", "line_id")
    # Nobody answers or ships a test order, so its status says nothing.
    if order.status in UNANSWERED and not order.is_test:
        return Obstacle("cancel_before_acceptance", "", f"the order is {order.status}: it was not accepted yet")
    if order.status not in CANCELLABLE and not order.is_test:
        return Obstacle("already_shipped", "", f"the order is {order.status}")
    if not supported:
        return Obstacle("cancel_unsupported", "", "this marketplace lets sellers cancel nothing after acceptance")
    asks = _asks(order, books, wanted)
    if isinstance(asks, Obstacle):
        return asks
    if not asks:
        return Over("every line is cancelled already")
    code = cancel_code(settings, reason, codes)
    if isinstance(code, Obstacle):
        # Before the buyer is debited a whole order is cancelled without any reason (Mirakl OR29).
        if code.cause == "reason_unmapped" and order.status is OrderStatus.ACCEPTED and not wanted:
            return CancelPlan(())
        return code
    return CancelPlan(tuple(with_code(ask, code) for ask in asks))


def _asks(order: Order, books: Mapping[str, Balance], wanted: Sequence[LineQuantity]) -> list[Ask] | Obstacle:
    quantities: dict[str, int | None] = {}
    if wanted:
        for each in wanted:
            quantities[each.line_id] = (quantities.get(each.line_id) or 0) + each.quantity
    else:
        quantities = {line.line_id: None for line in order.lines.values() if line.status not in DEAD}
    asks: list[Ask] = []
    for line_id, quantity in quantities.items():
        balance = books.get(line_id, Balance())
        if quantity is None and not balance.open.quantity:
            continue
        result = cancellable(order, balance, order.lines[line_id], quantity)
        if isinstance(result, Obstacle):
            return result
        asks.append(result)
    return asks


def cancel_code(settings: RefundSettings, reason: str | None, codes: frozenset[str] | None) -> str | Obstacle:
    """The marketplace's cancellation code: a map entry only where the marketplace lists it as one, else the default."""
    mapped = settings.reason_map.get(reason) if reason else None
    candidates = [code for code in (mapped, settings.cancel_default_reason) if code]
    if codes is None:
        candidates.reverse()  # the map is made for refunds; without a list the default is the surer code
    elif candidates:
        usable = [code for code in candidates if code in codes]
        if not usable:
            listed = ", ".join(sorted(codes)[:20]) or "none"
            text = f"the marketplace does not list {candidates[0][:40]!r} for cancelling; it lists {listed}"
            return Obstacle("reason_unknown", "", text, "reason_code")
        candidates = usable
    if not candidates:
        return Obstacle("reason_unmapped", "", "no reason code for cancelling is set", "reason_code")
    return candidates[0]
