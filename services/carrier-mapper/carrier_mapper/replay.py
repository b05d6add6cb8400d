"""Rebuilding: which carrier a parcel got is in our own events, because rules and lists have changed since.

A rebuilt parcel counts as not live, so that nobody decides it again by today's rules.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from carrier_mapper.translate import told_of
from hub_common.replay import Compared, ReplayPlan
from hub_common.replay_given import Given
from hub_common.replay_parked import CONNECTIONS, PARKED, on_parked, on_resumed
from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.envelope import Event
from hub_contracts.parcels import ParcelCarrierMapped
from hub_contracts.work import WorkParked, WorkResumed

MAPPED = """
UPDATE parcels p SET outcome = 'mapped', cause = NULL, corrected = false, mapped_by = t.mapped_by, told = t.told,
       decided_at = t.at
FROM unnest($1::uuid[], $2::text[], $3::jsonb[], $4::timestamptz[]) AS t(parcel_id, mapped_by, told, at)
WHERE p.parcel_id = t.parcel_id
"""

WAITS = """
UPDATE parcels p SET outcome = 'parked', cause = t.cause, corrected = false, mapped_by = NULL, decided_at = t.at
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS t(parcel_id, cause, at) WHERE p.parcel_id = t.parcel_id
"""

# Mapped as it was told before: the end of waiting is then all that was told.
GOES_ON = """
UPDATE parcels p SET outcome = 'mapped', cause = NULL
FROM parked k WHERE k.parked_id = ANY($1) AND k.subject_kind = 'parcel' AND k.subject_id = p.parcel_id::text
  AND k.cause = p.cause AND p.outcome = 'parked'
"""


async def on_mapped(tx: Tx, events: Sequence[Event[ParcelCarrierMapped]]) -> None:
    """The last carrier of each parcel, as it was told."""
    last = {event.data.parcel_id: event for event in events}
    await tx.conn.execute(
        MAPPED,
        list(last),
        [event.data.mapped_by for event in last.values()],
        [orjson.dumps(told_of(event.data)).decode() for event in last.values()],
        [event.meta.time for event in last.values()],
    )


async def on_waiting(tx: Tx, events: Sequence[Event[WorkParked]]) -> None:
    """Parcels that came to wait for a carrier."""
    last = {event.data.subject_id: event for event in events if event.data.subject_kind == "parcel"}
    causes = [event.data.cause for event in last.values()]
    await tx.conn.execute(WAITS, list(last), causes, [event.meta.time for event in last.values()])


async def on_going_on(tx: Tx, events: Sequence[Event[WorkResumed]]) -> None:
    """Parcels that wait no longer: `mapped` is what this service says then, people say why they close an item."""
    await tx.conn.execute(GOES_ON, [event.data.parked_id for event in events if event.data.resolution == "mapped"])


OWN_ROUTES: Routes = {
    ParcelCarrierMapped: on_mapped,
    WorkParked: (on_parked, on_waiting),
    WorkResumed: (on_resumed, on_going_on),
}

_AS_BEFORE = "how it was come by last: a decision that comes out the same is not told again"

REPLAY = ReplayPlan(
    tables=(
        Compared("orders"),
        Compared(
            "parcels",
            ignore={
                "live": "a replayed parcel counts as not live, so that nobody decides it again",
                "decision": "every rule tried; the event has those that explain it",
                "mapped_by": _AS_BEFORE,
                "decided_at": _AS_BEFORE,
                "decided_by": _AS_BEFORE,
            },
        ),
        CONNECTIONS,
        PARKED,
    ),
    own=OWN_ROUTES,
    given=(
        Given("carrier_rules", "operators write them, or have one noted down when they choose a carrier by hand"),
        Given("marketplace_carriers", "the marketplaces' own lists of carriers, fetched once a day"),
    ),
)
