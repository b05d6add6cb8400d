"""Discounts begin and end by themselves: offers are looked at again at that instant, whether or not a shop speaks.

Without it a discount would stay at every marketplace that knows no dates until the shop happens to state a price.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub_common.tx import Cause
from stock_sync import store_offers
from stock_sync.convergence import Touched, advance, touch

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

AT_ONCE = 500
"""A sale begins for thousands of offers at the same instant; each transaction stays short."""
IDLE_SECONDS = 1.0


class PriceMoments:
    """The duty that notices them. Any replica may do it: what another did already has nothing left to change."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def step(self) -> bool:
        """Bring offers whose price became another one up to date; False when there are none."""
        async with self._runtime.transactions.begin() as tx:
            due = await store_offers.price_due(tx.conn, tx.now, AT_ONCE)
            if not due:
                return False
            touched: Touched = {}
            for offer in due:
                touch(touched, [offer.sku], Cause(tenant=offer.tenant))
            await advance(tx, touched)
            # Offers that nobody serves are not calculated: their moment passes without a trace.
            await store_offers.pass_moments(tx.conn, [offer.pair for offer in due], tx.now)
        return True
