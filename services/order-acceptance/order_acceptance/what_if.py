"""What another policy would have decided: the same orders, the facts as they were, nothing stored, told or sent. Pure.

A policy tried on live orders shows its faults as refused orders. Here the trace of each past decision gives back what
was known then: free units, known prices, links. What the trace does not say (a rule that was switched off) is taken as
of today, and said to be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from hub_contracts.acceptances import Decision
from hub_contracts.base import Money
from hub_contracts.connections import AcceptancePolicy
from hub_contracts.orders import OrderSnapshot
from order_acceptance.domain import Facts, KnownOffer, Verdict, decide


@dataclass(frozen=True, slots=True)
class Past:
    """One order that was decided, and how. `rules` is the trace, empty when nobody decided."""

    order_id: UUID
    snapshot: OrderSnapshot
    decided: Decision | None
    decided_by: str
    decided_at: datetime | None
    rules: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Changed:
    """An order that the other policy decides otherwise."""

    past: Past
    before: Verdict
    after: Verdict
    as_of_today: tuple[str, ...]
    """SKUs whose stock or price the trace does not tell."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The outcome over all orders."""

    orders: int
    transitions: Counter[tuple[str, str]]
    changes: tuple[Changed, ...]


def compare(past: Iterable[Past], present: AcceptancePolicy, proposed: AcceptancePolicy, today: Facts) -> WhatIf:
    """Decide each order by both policies on the same facts. `today` fills what the traces do not tell."""
    transitions: Counter[tuple[str, str]] = Counter()
    changes: list[Changed] = []
    orders = 0
    for one in past:
        facts, unsure = facts_then(one, today)
        before, after = decide(one.snapshot, present, facts), decide(one.snapshot, proposed, facts)
        orders += 1
        transitions[before.decision.value, after.decision.value] += 1
        if (before.decision, before.lines) != (after.decision, after.lines):
            changes.append(Changed(one, before, after, unsure))
    return WhatIf(orders, transitions, tuple(changes))


def facts_then(past: Past, today: Facts) -> tuple[Facts, tuple[str, ...]]:
    """What was known when the order was decided, and the SKUs for which today's figures had to stand in."""
    free, prices, linked = _told(past)
    offers: dict[str, KnownOffer] = {}
    unsure: list[str] = []
    for line in past.snapshot.lines:
        sku, now = line.offer_sku, today.offers.get(line.offer_sku)
        if sku in offers:
            continue
        known_price = Money(amount=prices[sku], currency=line.unit_price.currency) if sku in prices else None
        if sku not in free or (known_price is None and now is not None and now.price is not None):
            unsure.append(sku)
        if sku in free:
            offers[sku] = KnownOffer(free[sku], known_price or (now.price if now else None))
        elif now is not None:
            offers[sku] = KnownOffer(now.free, known_price or now.price)
    return (
        replace(
            today,
            now=past.decided_at or today.now,
            offers=offers,
            linked_skus=today.linked_skus | linked,
        ),
        tuple(sorted(unsure)),
    )


def _told(past: Past) -> tuple[dict[str, int], dict[str, Decimal], frozenset[str]]:
    free: dict[str, int] = {}
    prices: dict[str, Decimal] = {}
    linked: set[str] = set()
    for rule in past.rules:
        inputs = rule.get("inputs") or {}
        sku = str(inputs.get("sku", ""))
        if rule.get("rule") == "stock_available" and "free" in inputs:
            # Several lines of one SKU: the first was told before the others took anything.
            free.setdefault(sku, int(inputs["free"]))
        elif rule.get("rule") == "price_within_tolerance" and "known" in inputs:
            try:
                prices[sku] = Decimal(str(inputs["known"]))
            except InvalidOperation:
                continue
        elif rule.get("rule") == "sku_linked" and rule.get("outcome") == "passed":
            linked.add(sku)
    return free, prices, frozenset(linked)
