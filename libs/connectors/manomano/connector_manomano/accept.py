"""Accept and refuse: whole orders only, in arrays of up to 50, answered 204 or item by item in a 207."""

from __future__ import annotations

from collections.abc import Sequence

from connector_kit.outcome import Outcome, ProbeResult
from connector_kit.requests import AnswerOrder
from connector_manomano.batches import send_sound
from connector_manomano.client import ACCEPT, REFUSE
from connector_manomano.orders import Orders
from connector_manomano.probes import GONE, Seen, accept_shown, refuse_shown

PARTLY = "lines: ManoMano accepts whole orders only, so every line must be accepted"


class Answers(Orders):
    """Capability `accept`."""

    async def accept(self, requests: Sequence[AnswerOrder]) -> Sequence[Outcome]:
        """Accept whole orders. A request that keeps back a line is rejected: ManoMano has no line level."""
        partly = [None if all(line.accepted for line in request.lines) else PARTLY for request in requests]
        return await self._answer(ACCEPT, [request.order_reference for request in requests], partly)

    async def refuse(self, requests: Sequence[AnswerOrder]) -> Sequence[Outcome]:
        """Refuse whole orders; ManoMano takes no reason."""
        return await self._answer(REFUSE, [request.order_reference for request in requests], [None] * len(requests))

    async def _answer(self, path: str, references: Sequence[str], obstacles: Sequence[str | None]) -> list[Outcome]:
        """Both answers draw on the share of `accept`: at the deadline they are the same work."""

        async def send(sound: Sequence[int]) -> list[Outcome]:
            chosen = [references[at] for at in sound]
            return await self.order_action("accept", path, chosen, [self.item(reference) for reference in chosen])

        known = [self.fulfilled_there.obstacle(reference) for reference in references]
        return await send_sound([ours or theirs for ours, theirs in zip(known, obstacles, strict=True)], send)

    async def probe_accept(self, request: AnswerOrder) -> ProbeResult:
        """Was the order accepted? Raises `CallError` when ManoMano cannot be read."""
        order = await self.fetch("probe_accept", request.order_reference)
        return accept_shown(Seen(order.body)) if order else GONE

    async def probe_refuse(self, request: AnswerOrder) -> ProbeResult:
        """Was the order refused? Raises `CallError` when ManoMano cannot be read."""
        order = await self.fetch("probe_accept", request.order_reference)
        return refuse_shown(Seen(order.body)) if order else GONE
