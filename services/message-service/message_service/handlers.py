"""What message-service reacts to: orders, for the language of the buyer the number that people know them by, and
buyers that are to be forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.envelope import Event
from hub_contracts.orders import OrderChanged, OrderCustomerErased, OrderReceived
from message_service import store
from message_service.erasing import on_customer_erased


async def on_order(tx: Tx, events: Sequence[Event[OrderReceived | OrderChanged]]) -> None:
    """Keep number and language, and link threads that were read before their order was heard of."""
    await store.save_orders(tx.conn, events)


ROUTES: Routes = {
    OrderReceived: on_order,
    OrderChanged: on_order,
    OrderCustomerErased: on_customer_erased,
}
"""What this service reacts to."""
