"""What an operator may choose for the lines of a waiting order. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from hub_contracts.connections import ConnectionState
from hub_contracts.orders import OrderSnapshot
from order_router.domain import Choice, Facts, Shop, own_sku


def broken_rules(order: OrderSnapshot, lines: Sequence[tuple[str, Choice]], facts: Facts) -> list[tuple[int, str, str]]:
    """(position, field, rule) of everything that is wrong with these choices; empty when they can be kept."""
    known = {line.line_id: line for line in order.lines}
    found: list[tuple[int, str, str]] = []
    seen: set[str] = set()
    for position, (line_id, choice) in enumerate(lines):
        line = known.get(line_id)
        if line is None:
            found.append((position, "line_id", "the order has no such line"))
        elif line_id in seen:
            found.append((position, "line_id", "the line is chosen for twice"))
        elif choice.shop_sku is None and not _has_own(line.offer_sku, own_sku(line, facts.sku), facts):
            found.append((position, "shop_sku", "is required: the line has no SKU of a shop yet"))
        seen.add(line_id)
        problem = _shop_problem(choice.shop_connection_id, order, facts.shops)
        if problem:
            found.append((position, "shop_connection_id", problem))
    return found


def _has_own(offer_sku: str, passed_through: str | None, facts: Facts) -> bool:
    if facts.sku.link_mode == "pass_through":
        return bool(passed_through)
    return facts.sku.link_mode == "linked" and offer_sku in facts.links


def _shop_problem(shop_connection_id: UUID, order: OrderSnapshot, shops: Mapping[UUID, Shop]) -> str | None:
    shop = shops.get(shop_connection_id)
    if shop is None:
        return "is no shop connection of this seller"
    if shop.environment is not order.environment:
        return f"is {shop.environment}, the order is {order.environment}"
    return "is inactive" if shop.state is ConnectionState.INACTIVE else None
