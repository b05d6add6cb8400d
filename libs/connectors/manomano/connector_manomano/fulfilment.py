"""Orders that ManoMano fulfils itself (ManoFulfillment): recorded, never answered, never shipped by us.

The services leave them alone because their snapshot says so. This is the second lock on the same door, for a stale
snapshot or a call made by hand: what is known here to be ManoMano's is refused before anything is sent.
"""

from __future__ import annotations

import json
import re
from typing import Any

from connector_kit.capabilities import RawOrder

MAX_KNOWN = 10_000
"""References kept in memory; far more than are open at one time."""
_MARK = re.compile(rb'"is_mmf"\s*:\s*(?:true|"true")', re.IGNORECASE)
REASON = "the order is fulfilled by ManoMano (ManoFulfillment), so the seller neither answers nor ships it"


def is_fulfilled_there(order: Any) -> bool:
    """What `is_mmf` of an order object says; anything unclear is no."""
    return isinstance(order, dict) and str(order.get("is_mmf")).lower() == "true"


class FulfilledThere:
    """What one connection knows of orders that ManoMano fulfils: a whole contract, or references met while reading."""

    def __init__(self, whole_contract: bool) -> None:
        self._all = whole_contract
        self._known: dict[str, None] = {}

    def note(self, order: RawOrder) -> None:
        """Remember an order that was read, when ManoMano fulfils it."""
        if not order.reference or _MARK.search(order.body) is None:
            return
        try:
            body = json.loads(order.body)
        except (ValueError, RecursionError):
            return
        if is_fulfilled_there(body):
            self._known[order.reference] = None
            while len(self._known) > MAX_KNOWN:
                del self._known[next(iter(self._known))]

    def obstacle(self, reference: str) -> str | None:
        """Why nothing may be sent about this order, None when nothing is known against it."""
        return REASON if self._all or reference in self._known else None
