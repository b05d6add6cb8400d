"""Where an order stands for routing, and which of its lines are to be served. Pure.

The answers come on one topic and the marketplace's view on another, in any order; without one place that weighs them,
an order could be routed because of an answer that a later cancellation has overtaken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from hub_contracts.orders import FulfilledBy, OrderLine, OrderSnapshot
from hub_contracts.status import OPEN, OrderStatus

STOPPED = frozenset({OrderStatus.REFUSED, OrderStatus.CANCELLED})
"""The shop must not send anything, or no longer."""
SENT = frozenset({OrderStatus.SHIPPED, OrderStatus.DELIVERED, OrderStatus.REFUNDED})
"""Served by somebody without us; a shop's order now would send the goods twice."""
PAST_PREPARATION = STOPPED | SENT | {OrderStatus.REFUNDING}


class Standing(StrEnum):
    """What routing may do with an unrouted order."""

    NOT_OURS = "not_ours"
    NOT_YET = "not_yet"
    READY = "ready"
    BY_HAND = "by_hand"
    """A refund was asked for before the order was routed: sending it is for a person to decide."""
    STOPPED = "stopped"
    SENT = "sent"


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What is known of one order. `word_means` is the marketplace's latest word by its connector's status map."""

    snapshot: OrderSnapshot | None
    live: bool
    status: OrderStatus | None
    word_means: OrderStatus | None
    line_status: Mapping[str, OrderStatus]
    released: bool
    refused: bool
    refused_lines: frozenset[str]


@dataclass(frozen=True, slots=True)
class Totals:
    """Money of what is served, in the order's currency and tax mode."""

    products: Decimal
    shipping: Decimal
    total: Decimal


def stand(facts: OrderFacts) -> Standing:
    """What may be done now. Orders of the marketplace's own warehouse and backfilled orders are never ours."""
    snapshot = facts.snapshot
    if snapshot is None or facts.status is None:
        return Standing.NOT_YET
    if not facts.live or snapshot.fulfilled_by is not FulfilledBy.SELLER:
        return Standing.NOT_OURS
    if facts.refused or facts.status in STOPPED:
        return Standing.STOPPED
    if facts.status in SENT:
        return Standing.SENT
    if facts.status is OrderStatus.REFUNDING:
        return Standing.BY_HAND
    if facts.status is OrderStatus.PREPARATION:
        # One poll may tell several steps; this one is then only passed through and the next step is on its way.
        return Standing.NOT_YET if facts.word_means in PAST_PREPARATION else Standing.READY
    answered = facts.released and facts.status in (OrderStatus.PENDING, OrderStatus.ACCEPTED)
    return Standing.READY if answered else Standing.NOT_YET


def line_status(facts: OrderFacts, line: OrderLine) -> OrderStatus:
    """The newest status of a line."""
    return facts.line_status.get(line.line_id, line.status)


def left_out(facts: OrderFacts, line: OrderLine, *, by_hand: bool = False) -> str | None:
    """Why a line is not to be served; None when it is. By hand, a line with a refund under way may be."""
    if line.line_id in facts.refused_lines:
        return "we refused the line"
    status = line_status(facts, line)
    if status in OPEN or (by_hand and status is OrderStatus.REFUNDING):
        return None
    return f"the marketplace shows the line as {status}"


def totals(snapshot: OrderSnapshot, served: tuple[OrderLine, ...]) -> Totals:
    """The order's own figures when every line is served, else the sums of the served lines.

    In both tax modes the total is products plus shipping (Mirakl's figures all exclude taxes in TAX_EXCLUDED).
    """
    if len(served) == len(snapshot.lines):
        return Totals(snapshot.products_price, snapshot.shipping_price, snapshot.total_price)
    products = sum((line.line_price.amount for line in served), Decimal(0))
    shipping = sum((line.shipping_price.amount for line in served), Decimal(0))
    return Totals(products, shipping, products + shipping)
