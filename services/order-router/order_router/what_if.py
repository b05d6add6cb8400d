"""What other routing rules would do with orders that were routed already: nothing is stored, told or sent.

Stock, links and shops are those of now: what they were then is not kept. So both the present and the proposed rules are
tried on the same facts, and only what the rules themselves change shows as changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hub_contracts.connections import RoutingRule, SkuSettings
from hub_contracts.status import OrderStatus
from order_router.deciding import judge
from order_router.domain import Facts, Verdict
from order_router.standing import OrderFacts
from order_router.store import StoredOrder


@dataclass(frozen=True, slots=True)
class Changed:
    """An order that the proposed rules route otherwise."""

    order: StoredOrder
    before: Verdict
    after: Verdict


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The outcome over all orders."""

    orders: int
    transitions: Counter[tuple[str, str]]
    changes: tuple[Changed, ...]


def compare(
    past: Sequence[tuple[StoredOrder, Facts]], rules: Sequence[RoutingRule] | None, sku: SkuSettings | None
) -> WhatIf:
    """Route each order by the present and by the proposed rules; None = as they are."""
    transitions: Counter[tuple[str, str]] = Counter()
    changes: list[Changed] = []
    for order, facts in past:
        other = replace(
            facts, rules=facts.rules if rules is None else tuple(rules), sku=facts.sku if sku is None else sku
        )
        before, after = _route(order, facts), _route(order, other)
        transitions[outcome(before, facts), outcome(after, other)] += 1
        if _plain(before) != _plain(after):
            changes.append(Changed(order, before, after))
    return WhatIf(len(past), transitions, tuple(changes))


def _route(order: StoredOrder, facts: Facts) -> Verdict:
    assert order.snapshot is not None, "only orders with a snapshot are compared"
    # As when it was ready: what became of it since has nothing to do with the rules.
    ready = OrderFacts(
        snapshot=order.snapshot,
        live=True,
        status=OrderStatus.PREPARATION,
        word_means=OrderStatus.PREPARATION,
        line_status={},
        released=True,
        refused=False,
        refused_lines=order.refused_lines,
    )
    return judge(order.snapshot, ready, facts, by_hand=False)


def _plain(verdict: Verdict) -> tuple[Any, ...]:
    served = sorted(
        (each.line.line_id, str(each.shop_connection_id), each.warehouse or "", each.shop_sku)
        for each in verdict.served
    )
    return served, sorted((wait.line_id, wait.cause) for wait in verdict.waits)


def outcome(verdict: Verdict, facts: Facts) -> str:
    """In words: the shops that serve it, or why it waits."""
    if verdict.waits:
        return "waits: " + ", ".join(sorted({wait.cause for wait in verdict.waits}))
    names = {
        facts.shops[each.shop_connection_id].label if each.shop_connection_id in facts.shops else "unknown shop"
        for each in verdict.served
    }
    return " + ".join(sorted(names)) or "nothing to serve"
