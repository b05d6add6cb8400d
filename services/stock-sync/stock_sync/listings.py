"""An offer that was taken off the marketplace stays off: no quantity or price is sent until it is listed again.

Where taking an offer off means a quantity of 0 (ManoMano has no other way), the shop's next statement of stock would
silently put it back on sale.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub_common.connections import load_connections
from hub_common.tx import Cause, Tx
from hub_contracts.catalog import OfferListed
from hub_contracts.envelope import Event
from stock_sync import pushing, store_offers
from stock_sync.serving import Pair, Serving

STOP = """
UPDATE effects SET state = 'SUPERSEDED', settled_at = now(), updated_at = now(), reason = 'the offer was taken off'
WHERE order_key = ANY($1) AND state IN ('PLANNED', 'RETRY')
"""
# Also of offers that nothing else is known of yet: what makes them comes on other topics.
NOTE = """
INSERT INTO withdrawals (connection_id, offer_sku, withdrawn_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[])
ON CONFLICT (connection_id, offer_sku) DO UPDATE SET withdrawn_at = excluded.withdrawn_at
"""
SET = """
UPDATE offers f SET withdrawn_at = t.at FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS t(c, s, at)
WHERE f.connection_id = t.c AND f.offer_sku = t.s
"""


async def on_listed(tx: Tx, events: Sequence[Event[OfferListed]]) -> None:
    """Note which offers were taken off or listed; the latter get what the hub knows now, whatever was sent before."""
    latest: dict[Pair, Event[OfferListed]] = {(e.data.connection_id, e.data.offer_sku): e for e in events}
    times = [event.meta.time if event.data.withdrawn else None for event in latest.values()]
    await tx.conn.execute(NOTE, [pair[0] for pair in latest], [pair[1] for pair in latest], times)
    offers = await store_offers.offers_by_pair(tx.conn, latest)
    if not offers:
        return
    gone = {pair: latest[pair].data.withdrawn for pair in offers}
    at = [latest[pair].meta.time if gone[pair] else None for pair in offers]
    await tx.conn.execute(SET, [pair[0] for pair in offers], [pair[1] for pair in offers], at)
    keys = [f"{kind}:{offer.key}" for offer in offers.values() if gone[offer.pair] for kind in pushing.KINDS]
    await tx.conn.execute(STOP, keys)
    known = await load_connections(tx.conn, {pair[0] for pair in offers})
    changed = []
    for pair, offer in offers.items():
        offer.withdrawn_at = latest[pair].meta.time if gone[pair] else None
        if gone[pair]:
            offer.forget_planned()
            changed.append(offer)
            continue
        connection = known.get(pair[0])
        if connection is None or offer.serving in (Serving.UNSERVED, Serving.MISMATCH):
            continue
        if pushing.plan(tx, offer, pushing.channel_of(connection), Cause.of(latest[pair].meta), again=True):
            changed.append(offer)
    await store_offers.save_figures(tx.conn, changed)
