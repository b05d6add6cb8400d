"""Sets quantities through feeds: handed over now, worked on later, read back row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from connector_kit.requests import SetStock

from connector_lantern_bay.client import as_object
from connector_lantern_bay.manifest import OFFERS_PER_CALL
from connector_lantern_bay.orders import Orders

CHECK_AFTER_SECONDS = 30.0


class Stock(Orders):
    """Capability `stock`."""

    async def set_stock(self, requests: Sequence[SetStock]) -> Sequence[Outcome]:
        """One outcome per request, in order: `SENT`, with what the probe needs to find its row again."""
        starts = range(0, len(requests), OFFERS_PER_CALL)
        batches = [await self._send(requests[start : start + OFFERS_PER_CALL]) for start in starts]
        return [outcome for batch in batches for outcome in batch]

    async def _send(self, batch: Sequence[SetStock]) -> list[Outcome]:
        body = {"offers": [{"sku": each.offer_sku, "quantity": each.quantity} for each in batch]}
        got = await self.client.change("set_stock", "POST", "/v1/stock-feeds", body, idempotent=True)
        if isinstance(got, Outcome):
            return [got] * len(batch)
        feed = got.get("feed_id")
        if not isinstance(feed, str):
            return [Outcome.retry("the answer names no feed")] * len(batch)
        return [Outcome.sent(check_after=CHECK_AFTER_SECONDS, feed_id=feed) for _ in batch]

    async def probe_stock(self, request: SetStock, answer: Mapping[str, Any]) -> ProbeResult:
        """How the feed ended for this offer; without a feed, what is shown now. Raises `CallError`."""
        feed = answer.get("feed_id")
        if feed is None:
            return await self._shown(request)
        read = await self.client.read("read_stock", f"/v1/stock-feeds/{feed}")
        body = as_object(read) if read else {}
        if body.get("status") == "processing":
            return ProbeResult(ProbeState.PENDING, f"feed {feed} is being worked on", check_after=CHECK_AFTER_SECONDS)
        results = body.get("results")
        rows = [each for each in results if isinstance(each, dict)] if isinstance(results, list) else []
        row = next((each for each in rows if each.get("sku") == request.offer_sku), None)
        if row is None:
            return ProbeResult(ProbeState.UNDECIDED, f"feed {feed} has no row for the offer")
        state = ProbeState.APPLIED if row.get("ok") is True else ProbeState.REJECTED
        return ProbeResult(state, f"feed {feed}: {'taken' if row.get('ok') is True else 'the row is refused'}")

    async def _shown(self, request: SetStock) -> ProbeResult:
        read = await self.client.read("read_stock", "/v1/stock", [("sku", request.offer_sku)])
        shown = as_object(read).get("quantity") if read else None
        if not isinstance(shown, int):
            return ProbeResult(ProbeState.UNDECIDED, "no quantity is shown")
        state = ProbeState.APPLIED if shown == request.quantity else ProbeState.NOT_APPLIED
        return ProbeResult(state, f"quantity {shown} is shown")
