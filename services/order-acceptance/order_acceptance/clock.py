"""The accept-by clock's last resort: what is done when nobody decided and the window is nearly used up."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from hub_common.connections import load_connections
from hub_common.deadlines import Reached
from hub_common.tx import Tx
from hub_contracts.acceptances import DecidedBy, Decision
from hub_contracts.status import OrderStatus
from order_acceptance import store
from order_acceptance.decisions import decide_by_hand


async def last_resort(tx: Tx, reached: Sequence[Reached]) -> dict[UUID, str]:
    """Accept or refuse orders that are still undecided, by the connection's policy; returns what was done."""
    known = await load_connections(tx.conn, (clock.connection_id for clock in reached))
    done: dict[UUID, str] = {}
    for clock in reached:
        connection = known.get(clock.connection_id)
        order = await store.lock_order(tx.conn, clock.order_id)
        if connection is None or order is None or order.status != OrderStatus.PENDING:
            continue
        if order.decision not in (None, Decision.HOLD):
            continue  # an answer is on its way; the alarm of the clock still tells that time is short
        action = connection.data.settings.acceptance.last_resort
        if action == "alarm":
            continue
        reason = f"last resort: nobody decided before {connection.data.settings.acceptance.last_resort_percent} %"
        decision = Decision.ACCEPT if action == "accept" else Decision.REFUSE
        await decide_by_hand(tx, order, decision, (), reason, DecidedBy.LAST_RESORT, None)
        done[clock.order_id] = action
    return done
