"""Erasing what buyers said, and giving out what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends

from hub_common.tx import Tx
from hub_common.web import Operator, Role, operator
from hub_contracts.envelope import Event
from hub_contracts.orders import OrderCustomerErased

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanErase = Annotated[Operator, Depends(operator(Role.ADMIN))]

REMEMBER = """
INSERT INTO erasures (order_id, erased_at) SELECT * FROM unnest($1::uuid[], $2::timestamptz[]) ON CONFLICT DO NOTHING
"""

# A rebuild does not know yet when our own words were sent; those that are still kept were written since.
WORDS = """
DELETE FROM message_bodies b USING messages m, erasures e
WHERE m.message_id = b.message_id AND e.order_id = m.order_id AND m.order_id = ANY($1)
  AND m.sent_at <= e.erased_at AND (m.written_by IS NULL OR m.order_id = ANY($2))
"""

SUBJECTS = "UPDATE threads SET topic = '' WHERE order_id = ANY($1) AND topic <> ''"


async def on_customer_erased(tx: Tx, events: Sequence[Event[OrderCustomerErased]]) -> None:
    """Delete words and subjects, and remember it: marketplaces go on showing the same conversations."""
    ids = [event.data.order_id for event in events]
    await tx.conn.execute(REMEMBER, ids, [event.data.erased_at for event in events])
    await tx.conn.execute(WORDS, ids, [event.data.order_id for event in events if event.live])
    await tx.conn.execute(SUBJECTS, ids)


def erasing_routes(router: APIRouter, runtime: Runtime) -> None:
    """What is held of a buyer."""

    @router.get("/orders/{order_id}/personal-data")
    async def personal_data(order_id: UUID, who: CanErase, counts_only: bool = False) -> dict[str, Any]:
        """Subjects and words about an order; `counts_only` tells how many without showing them."""
        subjects = await runtime.pool.fetch(
            "SELECT thread_reference, topic FROM threads WHERE order_id = $1 AND topic <> '' ORDER BY thread_reference",
            order_id,
        )
        words = await runtime.pool.fetch(
            "SELECT m.sender, m.sent_at, m.written_by, b.body, b.kept_until FROM messages m"
            " JOIN message_bodies b USING (message_id) WHERE m.order_id = $1 ORDER BY m.sent_at, m.message_id",
            order_id,
        )
        erased_at = await runtime.pool.fetchval("SELECT erased_at FROM erasures WHERE order_id = $1", order_id)
        if not counts_only:
            runtime.log.info("personal_data_read", order_id=str(order_id), login=who.login)
        shown = {"subjects": [dict(row) for row in subjects], "messages": [dict(row) for row in words]}
        return {
            "order_id": order_id,
            "erased": {"erased_at": erased_at} if erased_at else None,
            "holds": {"subjects": len(subjects), "messages": len(words)},
            "data": None if counts_only else shown,
        }
