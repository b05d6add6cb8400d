"""The hub-wide order status and its allowed transitions, as one table of data.

If each service had its own idea of what may follow what, a late poll could push a shipped order back to pending and
have it shipped twice. A rejected edge raises; repeating the present status is a no-op.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class OrderStatus(StrEnum):
    """Where an order stands, hub-wide. The marketplace's own word is always kept next to it."""

    WAITING_PAYMENT = "WAITING_PAYMENT"
    REMORSE_PERIOD = "REMORSE_PERIOD"
    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    PREPARATION = "PREPARATION"
    SHIPPED = "SHIPPED"
    DELIVERED = "DELIVERED"
    REFUNDING = "REFUNDING"
    REFUNDED = "REFUNDED"
    REFUSED = "REFUSED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True)
class Transition:
    """One allowed edge: what happens (`trigger`) and which event tells the world."""

    source: OrderStatus
    target: OrderStatus
    trigger: str
    event: str


S = OrderStatus
_CHANGED = "order.status_changed.v1"

TRANSITIONS: tuple[Transition, ...] = (
    Transition(S.WAITING_PAYMENT, S.REMORSE_PERIOD, "payment_confirmed", _CHANGED),
    Transition(S.WAITING_PAYMENT, S.PENDING, "payment_confirmed", _CHANGED),
    Transition(S.WAITING_PAYMENT, S.PREPARATION, "released_without_answer", _CHANGED),
    Transition(S.WAITING_PAYMENT, S.CANCELLED, "payment_failed", _CHANGED),
    Transition(S.REMORSE_PERIOD, S.PENDING, "remorse_over", _CHANGED),
    Transition(S.REMORSE_PERIOD, S.PREPARATION, "released_without_answer", _CHANGED),
    Transition(S.REMORSE_PERIOD, S.CANCELLED, "buyer_withdrew", _CHANGED),
    Transition(S.PENDING, S.ACCEPTED, "accepted", _CHANGED),
    Transition(S.PENDING, S.PREPARATION, "accepted_and_released", _CHANGED),
    Transition(S.PENDING, S.REFUSED, "refused", _CHANGED),
    Transition(S.PENDING, S.CANCELLED, "cancelled", _CHANGED),
    Transition(S.ACCEPTED, S.PREPARATION, "released", _CHANGED),
    Transition(S.ACCEPTED, S.REFUSED, "refused", _CHANGED),
    Transition(S.ACCEPTED, S.CANCELLED, "debit_refused_or_cancelled", _CHANGED),
    Transition(S.PREPARATION, S.SHIPPED, "all_units_shipped", _CHANGED),
    Transition(S.PREPARATION, S.CANCELLED, "cancelled", _CHANGED),
    Transition(S.PREPARATION, S.REFUNDING, "refund_requested", _CHANGED),
    Transition(S.SHIPPED, S.DELIVERED, "delivered", _CHANGED),
    Transition(S.SHIPPED, S.REFUNDING, "refund_requested", _CHANGED),
    Transition(S.SHIPPED, S.REFUNDED, "refund_completed", _CHANGED),
    Transition(S.DELIVERED, S.REFUNDING, "refund_requested", _CHANGED),
    Transition(S.DELIVERED, S.REFUNDED, "refund_completed", _CHANGED),
    Transition(S.REFUNDING, S.REFUNDED, "refund_completed", _CHANGED),
    Transition(S.REFUNDING, S.SHIPPED, "partial_refund_completed", _CHANGED),
    Transition(S.REFUNDING, S.DELIVERED, "partial_refund_completed", _CHANGED),
)

FINAL: frozenset[OrderStatus] = frozenset({S.REFUSED, S.CANCELLED, S.REFUNDED})
"""Nothing follows these."""

OPEN: frozenset[OrderStatus] = frozenset({S.WAITING_PAYMENT, S.REMORSE_PERIOD, S.PENDING, S.ACCEPTED, S.PREPARATION})
"""The seller still owes something: these count for the deadlines and for the import of open orders."""

_EDGES: dict[OrderStatus, frozenset[OrderStatus]] = {
    status: frozenset(edge.target for edge in TRANSITIONS if edge.source == status) for status in OrderStatus
}


class TransitionNotAllowed(ValueError):
    """The table has no path for this change; the order must be parked, not forced."""

    def __init__(self, source: OrderStatus, target: OrderStatus) -> None:
        super().__init__(f"order status cannot go from {source} to {target}")
        self.source = source
        self.target = target


def transition_for(source: OrderStatus, target: OrderStatus) -> Transition | None:
    """The edge from `source` to `target`; None when both are equal (a repeat is a no-op).

    Raises `TransitionNotAllowed` when the table has no such edge.
    """
    if source == target:
        return None
    for edge in TRANSITIONS:
        if edge.source == source and edge.target == target:
            return edge
    raise TransitionNotAllowed(source, target)


def path_between(source: OrderStatus, target: OrderStatus) -> tuple[OrderStatus, ...]:
    """Shortest list of statuses that leads from `source` (excluded) to `target` (included) along allowed edges.

    A poll sees snapshots, not steps: an order may be PENDING at one poll and SHIPPED at the next. Every step between
    is then real and is told in order. A refund is never assumed on the way: paths do not lead through REFUNDING.
    Empty when both are equal. Raises `TransitionNotAllowed` when no path exists.
    """
    if source == target:
        return ()
    frontier: list[tuple[OrderStatus, ...]] = [(source,)]
    seen = {source}
    while frontier:
        path = frontier.pop(0)
        for following in sorted(_EDGES[path[-1]], key=list(OrderStatus).index):
            if following == target:
                return (*path[1:], following)
            if following not in seen and following is not OrderStatus.REFUNDING:
                seen.add(following)
                frontier.append((*path, following))
    raise TransitionNotAllowed(source, target)
