"""Restores parked items from a service's own events, for the replay plans of services that park."""

from __future__ import annotations

from collections.abc import Sequence

from hub_common.replay import Compared
from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.envelope import Event
from hub_contracts.work import WorkParked, WorkResumed

RESTORE = """
INSERT INTO parked (parked_id, tenant, subject_kind, subject_id, order_id, connection_id, is_test, cause, detail,
                    next_step, event_key, parked_at, due_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::bool[], $8::text[],
                     $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[])
ON CONFLICT (parked_id) DO UPDATE SET detail = excluded.detail, next_step = excluded.next_step,
    parked_at = excluded.parked_at, due_at = excluded.due_at, resolved_at = NULL, resolution = NULL, actor = NULL
"""

CLOSE = """
UPDATE parked p SET resolved_at = t.at, resolution = t.resolution, actor = t.actor
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[]) AS t(parked_id, at, resolution, actor)
WHERE p.parked_id = t.parked_id AND p.resolved_at IS NULL
"""


async def on_parked(tx: Tx, events: Sequence[Event[WorkParked]]) -> None:
    """It waits again, since it was told to."""
    items = list({event.data.parked_id: event for event in events}.values())
    bodies = [event.data for event in items]
    await tx.conn.execute(
        RESTORE,
        [body.parked_id for body in bodies],
        [event.meta.tenant for event in items],
        [body.subject_kind for body in bodies],
        [body.subject_id for body in bodies],
        [body.order_id for body in bodies],
        [body.connection_id for body in bodies],
        [body.is_test for body in bodies],
        [body.cause for body in bodies],
        [body.detail for body in bodies],
        [body.next_step for body in bodies],
        [event.key for event in items],
        [event.meta.time for event in items],
        [body.due_at for body in bodies],
    )


async def on_resumed(tx: Tx, events: Sequence[Event[WorkResumed]]) -> None:
    """It no longer waits."""
    items = list({event.data.parked_id: event for event in events}.values())
    await tx.conn.execute(
        CLOSE,
        [event.data.parked_id for event in items],
        [event.meta.time for event in items],
        [event.data.resolution for event in items],
        [event.data.actor for event in items],
    )


PARKED_ROUTES: Routes = {WorkParked: on_parked, WorkResumed: on_resumed}
PARKED = Compared("parked", ignore={"data": "what is needed to go on is not told"})
CONNECTIONS = Compared("connections", ignore={"changed_at": "when this database was written to"})
"""Every service's own copy of the connections."""
