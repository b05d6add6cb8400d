"""Rebuilding: what the registry told is read back from its own topic, which keeps the last word on every key for good.

Nobody tells the registry anything by event. What it keeps to itself (contacts, who did what, API keys) people gave it;
what others act upon must come out of the topic as it is here, or they would act upon something else.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub_common import connections, sku_links
from hub_common.replay import Compared, ReplayPlan
from hub_common.replay_given import Given
from hub_common.replay_parked import CONNECTIONS, PARKED, PARKED_ROUTES
from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.connections import BackfillRequested, ConnectionChanged, TestOrderRequested
from hub_contracts.envelope import Event

SHARED = """
UPDATE connection_details d SET credential_ref = t.ref
FROM unnest($1::uuid[], $2::text[]) AS t(connection_id, ref) WHERE d.connection_id = t.connection_id
"""

TEST_ORDERS = """
INSERT INTO test_orders (test_order_id, connection_id, offer_sku, quantity, country, requested_at, requested_by)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::text[], $6::timestamptz[], $7::text[])
ON CONFLICT DO NOTHING
"""

BACKFILLS = """
INSERT INTO backfills (backfill_id, connection_id, created_from, created_until, requested_at, requested_by)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::text[])
ON CONFLICT DO NOTHING
"""


async def on_changed(tx: Tx, events: Sequence[Event[ConnectionChanged]]) -> None:
    """Whose quota a connection shares, as everybody was told."""
    last = {event.data.connection_id: event.data.credential_ref for event in events}
    await tx.conn.execute(SHARED, list(last), list(last.values()))


async def on_test_order(tx: Tx, events: Sequence[Event[TestOrderRequested]]) -> None:
    """Test orders that were asked for."""
    wishes = [event.data for event in events]
    await tx.conn.execute(
        TEST_ORDERS,
        [wish.test_order_id for wish in wishes],
        [wish.connection_id for wish in wishes],
        [wish.offer_sku for wish in wishes],
        [wish.quantity for wish in wishes],
        [wish.country for wish in wishes],
        [wish.requested_at for wish in wishes],
        [wish.requested_by or "" for wish in wishes],
    )


async def on_backfill(tx: Tx, events: Sequence[Event[BackfillRequested]]) -> None:
    """Backfills that were asked for."""
    wishes = [event.data for event in events]
    await tx.conn.execute(
        BACKFILLS,
        [wish.backfill_id for wish in wishes],
        [wish.connection_id for wish in wishes],
        [wish.created_from for wish in wishes],
        [wish.created_until for wish in wishes],
        [wish.requested_at for wish in wishes],
        [wish.requested_by or "" for wish in wishes],
    )


OWN_ROUTES: Routes = {
    ConnectionChanged: (connections.on_connection_changed, on_changed),
    **sku_links.ROUTES,
    TestOrderRequested: on_test_order,
    BackfillRequested: on_backfill,
    **PARKED_ROUTES,
}

REPLAY = ReplayPlan(
    tables=(
        CONNECTIONS,
        Compared("connection_details"),
        Compared("sku_links"),
        Compared("test_orders"),
        Compared("backfills"),
        PARKED,
    ),
    own=OWN_ROUTES,
    given=(
        Given(
            "connection_details",
            "people's notes, contacts and budgets, what checks said, marks of sealed credentials: others may not know",
            begins={"credential_ref": "''"},
        ),
        Given("connection_changes", "the audit: who changed what. Nobody acts upon it, so nobody is told"),
        Given("api_keys", "people make keys for shops; only the hashes of those that live are told"),
        Given("registry_secrets", "drawn once, sealed with the deployment's key; it must not travel"),
    ),
)
