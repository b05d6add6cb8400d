"""How a wait is shown to people: one parked item per line or order and cause, with what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from hub_common.parked import Park
from order_router import domain
from order_router.domain import Wait
from order_router.store import Conn, StoredOrder

LINE_CANCELLED = "line_cancelled_after_routing"

NEXT_STEP: Mapping[str, str] = {
    domain.CONNECTION_UNKNOWN: "Nothing, when the connection was just made; else check that it exists.",
    domain.MODE_UNSET: "Choose at the connection whether SKUs are linked or passed through.",
    domain.SKU_UNLINKED: "Link the SKU; the order goes on by itself. Or choose shop and SKU for this order.",
    domain.SKU_MISSING: "Pass offer SKUs through instead, or choose shop and SKU for this order.",
    domain.COUNTRY_UNKNOWN: "Nothing, when the marketplace shows the address later. Or choose a shop for this order.",
    domain.NO_SHOP: "Activate a shop, add a routing rule, or choose a shop for this order.",
    domain.SHOP_UNKNOWN: "Correct the routing rule or the SKU link, or choose a shop for this order.",
    domain.SHOP_INACTIVE: "Activate the shop, correct the rule or the link, or choose a shop for this order.",
    domain.MISMATCH: "Correct the rule or the link: sandbox orders need a sandbox shop, production a production shop.",
    domain.REFUND_FIRST: "Settle the refund at the marketplace, or route the order by hand if it shall still be sent.",
    LINE_CANCELLED: "See that the shop does not send this line; nothing to do if the shop itself asked for it.",
}


def parked(order: StoredOrder, wait: Wait, candidates: Sequence[Mapping[str, str]] = ()) -> Park:
    """The parked item of a wait. `candidates` are shop SKUs that read nearly the same."""
    whole = wait.line_id == domain.WHOLE_ORDER
    snapshot = order.snapshot
    number = snapshot.order_number if snapshot else str(order.order_id)
    near = f"; near: {', '.join(each['shop_sku'] for each in candidates)}" if candidates else ""
    return Park(
        subject_kind="order" if whole else "line",
        subject_id=str(order.order_id) if whole else f"{order.order_id}:{wait.line_id}",
        cause=wait.cause,
        detail=f"Order {number}{'' if whole else f', line {wait.line_id}'}: {wait.detail}{near}.",
        next_step=NEXT_STEP[wait.cause],
        event_key=str(order.order_id),
        why=order.cause,
        order_id=order.order_id,
        connection_id=order.connection_id,
        is_test=bool(snapshot and snapshot.is_test),
        due_at=order.ship_by,
        data={"line_id": wait.line_id, "sku": wait.sku, "candidates": [dict(each) for each in candidates]},
    )


async def open_items(conn: Conn, order_ids: Sequence[UUID], causes: Sequence[str]) -> dict[UUID, UUID]:
    """Open parked items of these orders, by id, with the order each belongs to."""
    rows = await conn.fetch(
        "SELECT parked_id, order_id FROM parked WHERE order_id = ANY($1) AND cause = ANY($2) AND resolved_at IS NULL",
        list(order_ids),
        list(causes),
    )
    return {row["parked_id"]: row["order_id"] for row in rows}
