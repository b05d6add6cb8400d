"""Accepts and refuses whole orders, one call each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from connector_kit.requests import AnswerOrder

from connector_lantern_bay.orders import Orders, order_path

ACCEPTED = frozenset({"accepted", "shipped", "delivered", "refunded"})
"""Words that only an accepted order can show."""
ELSE = {
    "new": ProbeState.NOT_APPLIED,
    "refused": ProbeState.REJECTED,
    "cancelled": ProbeState.REJECTED,
}
"""What the other words prove. A word that is in neither proves nothing."""


class Answers(Orders):
    """Capability `accept`."""

    async def accept(self, requests: Sequence[AnswerOrder]) -> Sequence[Outcome]:
        """Accept orders. One that keeps a line back is rejected: there is no line level here."""
        partly = Outcome.rejected("lines: Lantern Bay accepts whole orders only")
        return [
            await self._answer(each, "accept") if all(line.accepted for line in each.lines) else partly
            for each in requests
        ]

    async def refuse(self, requests: Sequence[AnswerOrder]) -> Sequence[Outcome]:
        """Refuse orders."""
        return [await self._answer(each, "refuse") for each in requests]

    async def _answer(self, request: AnswerOrder, word: str) -> Outcome:
        got = await self.client.change("accept", "POST", order_path(request.order_reference, word), {})
        return got if isinstance(got, Outcome) else Outcome.done(status=got.get("status"))

    async def probe_accept(self, request: AnswerOrder) -> ProbeResult:
        """Was it accepted? Raises `CallError`."""
        return await self._probe(request, dict.fromkeys(ACCEPTED, ProbeState.APPLIED) | ELSE)

    async def probe_refuse(self, request: AnswerOrder) -> ProbeResult:
        """Was it refused? Raises `CallError`."""
        over = dict.fromkeys(ACCEPTED, ProbeState.REJECTED)
        return await self._probe(request, ELSE | over | {"refused": ProbeState.APPLIED})

    async def _probe(self, request: AnswerOrder, meaning: Mapping[str, ProbeState]) -> ProbeResult:
        word = str((await self.shown("probe_accept", request.order_reference)).get("status"))
        return ProbeResult(meaning.get(word, ProbeState.UNDECIDED), f"the order shows status {word[:60]!r}")
