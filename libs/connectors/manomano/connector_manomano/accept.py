"""Accept and refuse: whole orders only, in arrays of up to 50, answered 204 or item by item in a 207."""

from __future__ import annotations

from collections.abc import Sequence

from connector_kit.outcome import Outcome, ProbeResult
from connector_kit.requests import AnswerOrder
from connector_manomano.client import ACCEPT, REFUSE
from connector_manomano.orders import Orders
from connector_manomano.probes import GONE, Seen, accept_shown, refuse_shown


class Answers(Orders):
    """Capability `accept`."""

    async def accept(self, requests: Sequence[AnswerOrder]) -> Sequence[Outcome]:
        """Accept whole orders. A request that keeps back a line is rejected: ManoMano has no line level."""
        whole = [request for request in requests if all(line.accepted for line in request.lines)]
        references = [request.order_reference for request in whole]
        sent = iter(await self._answer(ACCEPT, references))
        partly = Outcome.rejected("lines: ManoMano accepts whole orders only, so every line must be accepted")
        return [next(sent) if all(line.accepted for line in request.lines) else partly for request in requests]

    async def refuse(self, requests: Sequence[AnswerOrder]) -> Sequence[Outcome]:
        """Refuse whole orders; ManoMano takes no reason."""
        return await self._answer(REFUSE, [request.order_reference for request in requests])

    async def _answer(self, path: str, references: Sequence[str]) -> list[Outcome]:
        """Both answers draw on the share of `accept`: at the deadline they are the same work."""
        return await self.order_action("accept", path, references, [self.item(reference) for reference in references])

    async def probe_accept(self, request: AnswerOrder) -> ProbeResult:
        """Was the order accepted? Raises `CallError` when ManoMano cannot be read."""
        order = await self.fetch("probe_accept", request.order_reference)
        return accept_shown(Seen(order.body)) if order else GONE

    async def probe_refuse(self, request: AnswerOrder) -> ProbeResult:
        """Was the order refused? Raises `CallError` when ManoMano cannot be read."""
        order = await self.fetch("probe_accept", request.order_reference)
        return refuse_shown(Seen(order.body)) if order else GONE
