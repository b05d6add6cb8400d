"""Restores what deadline clocks said, for the replay plans of services that own some."""

from __future__ import annotations

from collections.abc import Sequence

from hub_common.replay import Compared
from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.envelope import Event
from hub_contracts.work import DeadlineApproaching, DeadlineMissed

TOLD = """
UPDATE deadlines d SET percent_told = greatest(d.percent_told, t.percent)
FROM (SELECT order_id, kind, max(percent) AS percent
      FROM unnest($1::uuid[], $2::text[], $3::int[]) AS u(order_id, kind, percent) GROUP BY order_id, kind) t
WHERE d.order_id = t.order_id AND d.kind = t.kind
"""


async def on_approaching(tx: Tx, events: Sequence[Event[DeadlineApproaching]]) -> None:
    """What a clock said is not said again."""
    kinds = [event.data.deadline.value for event in events]
    await tx.conn.execute(TOLD, [e.data.order_id for e in events], kinds, [e.data.percent_used for e in events])


async def on_missed(tx: Tx, events: Sequence[Event[DeadlineMissed]]) -> None:
    """It has said everything."""
    kinds = [event.data.deadline.value for event in events]
    await tx.conn.execute(TOLD, [e.data.order_id for e in events], kinds, [100] * len(events))


DEADLINE_ROUTES: Routes = {DeadlineApproaching: on_approaching, DeadlineMissed: on_missed}
DEADLINES = Compared(
    "deadlines",
    ignore={"next_at": "follows from the other columns"},
    # A clock that stopped has no more to say, and one that started and stopped in one batch was never written.
    where="met_at IS NULL",
)
"""Clocks without a last resort."""
