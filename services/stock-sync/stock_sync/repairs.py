"""Sends offers again that the marketplace shows with other values than it took: absolute values, so it is harmless."""

from __future__ import annotations

from collections.abc import Sequence

from hub_common.connections import load_connections
from hub_common.tx import Cause, Tx
from hub_contracts.envelope import Event
from hub_contracts.reconciliations import DifferenceFound, Repair
from stock_sync import pushing, store_offers
from stock_sync.serving import Pair, Serving


async def on_difference_found(tx: Tx, events: Sequence[Event[DifferenceFound]]) -> None:
    """Plan quantity and price anew, once per event however they differ. The fence drops what is replayed.

    An offer that is served by nobody, or whose connection is not known, has nothing to send; the next comparison asks
    again, and in the end a person.
    """
    wanted: dict[Pair, Cause] = {
        (e.data.connection_id, e.data.offer_sku): Cause.of(e.meta)
        for e in events
        if e.live and e.data.repair is Repair.PUSH_AGAIN and e.data.offer_sku
    }
    if not wanted:
        return
    offers = await store_offers.offers_by_pair(tx.conn, wanted)
    known = await load_connections(tx.conn, {pair[0] for pair in offers})
    planned = []
    for pair, offer in offers.items():
        connection = known.get(pair[0])
        if connection is None or offer.serving in (Serving.UNSERVED, Serving.MISMATCH):
            continue
        if pushing.plan(tx, offer, pushing.channel_of(connection), wanted[pair], again=True):
            planned.append(offer)
    await store_offers.save_figures(tx.conn, planned)
