"""Accepting and refusing orders (OR21), and finding out whether a doubtful answer took effect.

OR21 is not idempotent: a repeat gets ORDER_INVALID_STATE, like an order that somebody else decided. The probe therefore
reads the order, and only what it shows counts.
"""

from __future__ import annotations

from collections.abc import Sequence

from connector_kit.http import Answer, CallError
from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from connector_kit.requests import AnswerOrder
from connector_mirakl.client import MiraklClient, order_path
from connector_mirakl.errors import outcome_of_error, outcome_of_refusal
from connector_mirakl.orders import OrderReader
from connector_mirakl.settings import MiraklSettings
from connector_mirakl.wire import Json, objects, text

NOT_PARTIAL = "ORDER_PARTIAL_ACCEPTANCE_DISABLED"
"""Mirakl OR21: the shop takes one decision per order; nothing was applied."""
UNDECIDED_STATES = frozenset({"STAGING", "WAITING_ACCEPTANCE"})
"""Nobody has answered yet."""
ACCEPTED_STATES = frozenset(
    {"WAITING_DEBIT", "WAITING_DEBIT_PAYMENT", "SHIPPING", "SHIPPED", "TO_COLLECT", "RECEIVED", "CLOSED"}
)
"""Only an accepted order gets here (state graph, fact sheet 2.3)."""


class Answers:
    """Capability `accept` of one connection."""

    def __init__(self, client: MiraklClient, reader: OrderReader, settings: MiraklSettings) -> None:
        self._client = client
        self._reader = reader
        self._settings = settings
        self._partial = settings.partial_acceptance

    async def accept(self, requests: Sequence[AnswerOrder]) -> list[Outcome]:
        """Answer line by line. One call per order (Mirakl OR21)."""
        return [await self._answer(request, "accept") for request in requests]

    async def refuse(self, requests: Sequence[AnswerOrder]) -> list[Outcome]:
        """Refuse whole orders: every line is refused, whatever the request's lines say."""
        return [await self._answer(_all_refused(request), "refuse") for request in requests]

    async def _answer(self, request: AnswerOrder, operation: str) -> Outcome:
        problem = _problem(request)
        if problem is not None:
            return Outcome.rejected(problem)
        if is_mixed(request) and not self._partial:
            return await self._as_a_whole(request)
        try:
            answer = await self._send(request, operation)
        except CallError as error:
            return outcome_of_error(error)
        if answer.status == 204:
            return Outcome.done(status=204)
        explanation = self._client.explain(answer)
        if is_mixed(request) and NOT_PARTIAL in explanation.codes:
            self._partial = False
            return await self._as_a_whole(request)
        return outcome_of_refusal(answer, explanation)

    async def _send(self, request: AnswerOrder, operation: str) -> Answer:
        body = {"order_lines": [{"id": line.line_id, "accepted": line.accepted} for line in request.lines]}
        return await self._client.send(operation, "PUT", order_path(request.order_reference, "accept"), json=body)

    async def _as_a_whole(self, request: AnswerOrder) -> Outcome:
        """What becomes of a mixed decision where Mirakl takes one per order, as the connection's setting says.

        Lines that cannot be served are never accepted. Also a whole refusal is told as `rejected`: the acceptance that
        was asked for did not happen, and the next poll shows the order as REFUSED.
        """
        why = "lines: this operator takes one decision per order, so single lines cannot be refused"
        if self._settings.when_not_partial != "refuse":
            return Outcome.rejected(f"{why}; accept or refuse the whole order", whole_order="held")
        try:
            answer = await self._send(_all_refused(request), "accept")
        except CallError as error:
            return outcome_of_error(error)
        if answer.status == 204:
            return Outcome.rejected(f"{why}; the whole order was refused instead", whole_order="refused")
        return outcome_of_refusal(answer, self._client.explain(answer))

    async def probe_accept(self, request: AnswerOrder) -> ProbeResult:
        """Was the order accepted as asked? Raises `CallError` when Mirakl cannot be read."""
        order = await self._reader.read_json(request.order_reference, "probe_accept")
        return judge_accept(order, request)

    async def probe_refuse(self, request: AnswerOrder) -> ProbeResult:
        """Was the order refused? Raises `CallError` when Mirakl cannot be read."""
        order = await self._reader.read_json(request.order_reference, "probe_accept")
        return judge_refuse(order)


def _problem(request: AnswerOrder) -> str | None:
    """What OR21 would certainly refuse, found before a call is spent on it."""
    ids = [line.line_id for line in request.lines]
    if not ids:
        return "lines: every line of the order must be present"
    if len(set(ids)) != len(ids):
        return "lines: a line is given twice"
    return None


def is_mixed(request: AnswerOrder) -> bool:
    """Whether some lines are accepted and others refused."""
    return len({line.accepted for line in request.lines}) > 1


def _all_refused(request: AnswerOrder) -> AnswerOrder:
    lines = tuple(line.model_copy(update={"accepted": False}) for line in request.lines)
    return request.model_copy(update={"lines": lines})


def judge_accept(order: Json | None, request: AnswerOrder) -> ProbeResult:
    """Compare what Mirakl shows with what was asked. Pure."""
    if order is None:
        return ProbeResult(ProbeState.UNDECIDED, "Mirakl does not show the order")
    state = text(order.get("order_state")) or ""
    if state in UNDECIDED_STATES:
        return ProbeResult(ProbeState.NOT_APPLIED, f"order_state is {state}")
    if state in ACCEPTED_STATES:
        return _judge_lines(order, request, state)
    if state == "REFUSED":
        if not any(line.accepted for line in request.lines):
            return ProbeResult(ProbeState.APPLIED, "order_state is REFUSED, as asked for every line")
        return ProbeResult(ProbeState.REJECTED, "order_state is REFUSED: it was refused, or its deadline passed")
    if state == "CANCELED":
        return _judge_cancelled(order)
    return ProbeResult(ProbeState.UNDECIDED, f"order_state {state[:60]!r} is not known")


def _judge_lines(order: Json, request: AnswerOrder, state: str) -> ProbeResult:
    states = {text(line.get("order_line_id")): text(line.get("order_line_state")) for line in _lines(order)}
    evidence = f"order_state is {state}, lines are {', '.join(f'{k}={v}' for k, v in states.items())}"
    for line in request.lines:
        shown = states.get(line.line_id)
        if shown is None:
            return ProbeResult(ProbeState.UNDECIDED, f"line {line.line_id} is not shown; {evidence}")
        if shown in UNDECIDED_STATES:
            return ProbeResult(ProbeState.UNDECIDED, f"line {line.line_id} still waits; {evidence}")
        if (shown != "REFUSED") is not line.accepted:
            return ProbeResult(ProbeState.REJECTED, f"line {line.line_id} was decided differently; {evidence}")
    return ProbeResult(ProbeState.APPLIED, evidence)


def _judge_cancelled(order: Json) -> ProbeResult:
    """Cancelled after the answer (debit refused) or before it; the decision date tells which."""
    decided = text(order.get("acceptance_decision_date"))
    if decided is not None:
        return ProbeResult(ProbeState.APPLIED, f"accepted at {decided}, then CANCELED")
    return ProbeResult(ProbeState.REJECTED, "order_state is CANCELED without an acceptance decision")


def judge_refuse(order: Json | None) -> ProbeResult:
    """Whether Mirakl shows the order as refused. Pure."""
    if order is None:
        return ProbeResult(ProbeState.UNDECIDED, "Mirakl does not show the order")
    state = text(order.get("order_state")) or ""
    if state == "REFUSED":
        return ProbeResult(ProbeState.APPLIED, "order_state is REFUSED")
    if state in UNDECIDED_STATES:
        return ProbeResult(ProbeState.NOT_APPLIED, f"order_state is {state}")
    if state in ACCEPTED_STATES or state == "CANCELED":
        return ProbeResult(ProbeState.REJECTED, f"order_state is {state}: it can no longer be refused")
    return ProbeResult(ProbeState.UNDECIDED, f"order_state {state[:60]!r} is not known")


def _lines(order: Json) -> list[Json]:
    return objects(order.get("order_lines"))
