"""What catalog-feed reacts to: offers as they change, and connections."""

from __future__ import annotations

from collections.abc import Sequence

from catalog_feed import store
from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.connections import ConnectionChanged
from hub_contracts.envelope import Event
from hub_contracts.stock import OfferChanged, OfferPushed


async def on_offer_changed(tx: Tx, events: Sequence[Event[OfferChanged]]) -> None:
    """Keep the newest word on each offer; the feeds that list it are built again."""
    await store.mark_changed(tx.conn, await store.save_offers(tx.conn, events), tx.now)


async def on_offer_pushed(tx: Tx, events: Sequence[Event[OfferPushed]]) -> None:
    """An offer whose stock or price the marketplace takes is listed there, however it got there."""
    await store.note_pushed(tx.conn, events)


async def on_connection_changed(tx: Tx, events: Sequence[Event[ConnectionChanged]]) -> None:
    """Which offers a feed lists depends on its connection's environment."""
    await store.mark_changed(tx.conn, {event.data.connection_id for event in events}, tx.now)


ROUTES: Routes = {
    OfferChanged: on_offer_changed,
    OfferPushed: on_offer_pushed,
    ConnectionChanged: on_connection_changed,
}
