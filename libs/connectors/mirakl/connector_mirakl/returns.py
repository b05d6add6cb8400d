"""Returns that buyers opened at the marketplace: read (RT11), answered (RT21), received (RT25), judged (RT26).

The calls answer 200 whatever became of each return, so each is looked up in the two lists of the answer. A received
return gives no money back; that is a refund of its own (OR28).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from connector_kit.aftersales import AnswerReturn, MarketplaceReturn, MarketplaceReturnLine, ReturnStage
from connector_kit.capabilities import MappingError
from connector_kit.http import BadAnswer, CallError
from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from connector_mirakl.client import MiraklClient
from connector_mirakl.errors import outcome_of_error, outcome_of_refusal
from connector_mirakl.seek import seek
from connector_mirakl.wire import Json, as_object, instant, member, objects, query_instant, required_text, text, whole

STAGES = {
    "WAITING_ACCEPTANCE": ReturnStage.REQUESTED,
    "IN_PROGRESS": ReturnStage.UNDER_WAY,
    "REFUSED": ReturnStage.REFUSED,
    "RECEIVED": ReturnStage.RECEIVED,
    "NO_RECEPTION": ReturnStage.CLOSED,
    "CLOSED": ReturnStage.CLOSED,
    "CANCELED": ReturnStage.CANCELLED,
}
"""Mirakl RT11. NO_RECEPTION: the goods never came, nothing more is asked of the seller."""
MOST = 100
"""Mirakl RT21, RT25, RT26: returns per call."""
CALLS = {
    "accept": ("RT21", "/api/returns/accept"),
    "refuse": ("RT21", "/api/returns/accept"),
    "receive": ("RT25", "/api/returns/receive"),
    "comply": ("RT26", "/api/returns/compliance"),
    "object": ("RT26", "/api/returns/compliance"),
}


class Returns:
    """Capability `returns` of one connection."""

    def __init__(self, client: MiraklClient) -> None:
        self._client = client

    async def listing(self, updated_from: datetime | None) -> AsyncIterator[Sequence[MarketplaceReturn]]:
        """Pages of returns (RT11, sorted by creation and read by token, so nothing shifts).

        Raises `CallError`. Returns that cannot be understood are told at the end, when all others were given.
        """
        problems: list[str] = []
        params = [] if updated_from is None else [("return_last_updated_from", query_instant(updated_from))]
        async for page in seek(self._client, ("list_returns", "list_returns_page"), "/api/returns", params):
            mapped: list[MarketplaceReturn] = []
            for item in page:
                try:
                    mapped.append(map_return(item))
                except MappingError as error:
                    problems.append(f"{text(item.get('id'))}: {error}")
            if mapped:
                yield mapped
        if problems:
            raise BadAnswer(f"RT11: {len(problems)} return(s) cannot be understood: {'; '.join(problems)[:300]}")

    async def answer(self, requests: Sequence[AnswerReturn]) -> list[Outcome]:
        """One outcome per request, in order; one call for all requests that go to the same operation."""
        outcomes: dict[int, Outcome] = {}
        for call, path in dict.fromkeys(CALLS.values()):
            mine = {i: r for i, r in enumerate(requests) if CALLS[r.answer] == (call, path)}
            for group in _groups(mine):
                outcomes.update(await self._answer(call, path, group))
        return [outcomes[index] for index in range(len(requests))]

    async def _answer(self, call: str, path: str, requests: dict[int, AnswerReturn]) -> dict[int, Outcome]:
        outcomes: dict[int, Outcome] = {}
        items: list[Json] = []
        shown: Mapping[str, Json] = {}
        if call == "RT26":
            try:
                shown = await self._shown([request.return_reference for request in requests.values()])
            except CallError as error:
                reason = f"not sent, the lines of the return are unknown: {error}"
                return dict.fromkeys(requests, Outcome.retry(reason, after=getattr(error, "retry_after", None)))
        for index, request in requests.items():
            item = _item(request, shown.get(request.return_reference))
            if item is None:
                outcomes[index] = Outcome.rejected("return_reference: Mirakl shows no lines of this return")
            else:
                items.append(item)
        if items:
            left = {index: request for index, request in requests.items() if index not in outcomes}
            outcomes.update(await self._send(call, path, items, left))
        return outcomes

    async def _send(
        self, call: str, path: str, items: list[Json], requests: dict[int, AnswerReturn]
    ) -> dict[int, Outcome]:
        try:
            answer = await self._client.send("answer_return", "PUT", path, json={"returns": items})
            if answer.status != 200:
                refused = outcome_of_refusal(answer, self._client.explain(answer))
                return dict.fromkeys(requests, refused)
            told = as_object(answer.json(), call)
        except CallError as error:
            return dict.fromkeys(requests, outcome_of_error(error))
        return {index: read_item(told, request.return_reference, call) for index, request in requests.items()}

    async def probe(self, request: AnswerReturn) -> ProbeResult:
        """Does Mirakl show the return as answered so? Raises `CallError` when it cannot be read."""
        shown = (await self._shown([request.return_reference])).get(request.return_reference)
        return judge(shown, request)

    async def _shown(self, references: Sequence[str]) -> dict[str, Json]:
        """Returns by id (RT11 `return_id`, repeated)."""
        found: dict[str, Json] = {}
        params = [("return_id", reference) for reference in references]
        async for page in seek(self._client, ("read_return", "read_return"), "/api/returns", params):
            found.update({text(item.get("id")) or "": item for item in page})
        return found


def _groups(requests: dict[int, AnswerReturn]) -> list[dict[int, AnswerReturn]]:
    """At most `MOST` per call, and no return twice in one call: its lists could not be told apart."""
    groups: list[dict[int, AnswerReturn]] = []
    for index, request in requests.items():
        taken = (group for group in groups if len(group) < MOST)
        mine = request.return_reference
        group = next((g for g in taken if all(r.return_reference != mine for r in g.values())), None)
        if group is None:
            group = {}
            groups.append(group)
        group[index] = request
    return groups


def _item(request: AnswerReturn, shown: Json | None) -> Json | None:
    """The return's entry in the call; None when RT26 needs lines that Mirakl does not show."""
    item: dict[str, Any] = {"id": request.return_reference}
    if request.answer in ("accept", "refuse"):
        item["accepted"] = request.answer == "accept"
        if request.answer == "refuse" and request.reason_code is not None:
            item["rejection_reason_code"] = request.reason_code
    if request.answer in ("comply", "object"):
        ids = [text(line.get("order_line_id")) for line in objects((shown or {}).get("return_lines"))]
        if not ids:
            return None
        verdict: dict[str, Any] = {"compliant": request.answer == "comply"}
        if request.answer == "object" and request.reason_code is not None:
            verdict["non_compliance_reason_code"] = request.reason_code
        item["return_lines"] = [{"order_line_id": line_id, **verdict} for line_id in ids]
    return item


def read_item(told: Json, reference: str, call: str) -> Outcome:
    """One return in the answer's lists. Refused items may have been answered before, so the probe decides."""
    good = [item for item in objects(told.get("return_success")) if text(item.get("id")) == reference]
    bad = [item for item in objects(told.get("return_errors")) if text(item.get("id")) == reference]
    if len(good) == 1 and not bad:
        return Outcome.done(way=call)
    if bad and not good:
        reason = text(bad[0].get("message")) or "no text"
        return Outcome.unknown(f"{call} refused the return: {reason[:300]}", retry_if_not_applied=False)
    return Outcome.unknown(f"{call}: the return is not in exactly one list of the answer")


ANSWERED = {
    "accept": ({"IN_PROGRESS", "RECEIVED", "NO_RECEPTION", "CLOSED"}, {"WAITING_ACCEPTANCE"}, {"REFUSED", "CANCELED"}),
    "refuse": (
        {"REFUSED"},
        {"WAITING_ACCEPTANCE"},
        {"IN_PROGRESS", "RECEIVED", "NO_RECEPTION", "CLOSED", "CANCELED"},
    ),
    "receive": ({"RECEIVED"}, {"WAITING_ACCEPTANCE", "IN_PROGRESS", "NO_RECEPTION"}, {"REFUSED", "CANCELED"}),
}
"""States that show an answer as given, as not given, and as impossible. A CLOSED return may have been received or not,
so it stays undecided for `receive`."""


def judge(shown: Json | None, request: AnswerReturn) -> ProbeResult:
    """Compare what Mirakl shows with the answer. Pure."""
    if shown is None:
        return ProbeResult(ProbeState.UNDECIDED, "Mirakl does not show the return")
    state = text(shown.get("state")) or ""
    evidence = f"the return is {state[:60]}"
    if request.answer in ("comply", "object"):
        return _judge_compliance(shown, request, evidence)
    given, waiting, gone = ANSWERED[request.answer]
    for states, result in ((given, ProbeState.APPLIED), (waiting, ProbeState.NOT_APPLIED), (gone, ProbeState.REJECTED)):
        if state in states:
            return ProbeResult(result, evidence)
    return ProbeResult(ProbeState.UNDECIDED, evidence)


def _judge_compliance(shown: Json, request: AnswerReturn, evidence: str) -> ProbeResult:
    verdicts: list[bool | None] = []
    for line in objects(shown.get("return_lines")):
        found = [item.get("compliant") for item in objects(line.get("compliance"))]
        verdicts.append(found[-1] if found and isinstance(found[-1], bool) else None)
    evidence = f"{evidence}; compliant per line: {', '.join(str(verdict) for verdict in verdicts) or 'no lines'}"
    if verdicts and all(verdict is (request.answer == "comply") for verdict in verdicts):
        return ProbeResult(ProbeState.APPLIED, evidence)
    if verdicts and all(verdict is None for verdict in verdicts):
        return ProbeResult(ProbeState.NOT_APPLIED, evidence)
    return ProbeResult(ProbeState.UNDECIDED, evidence)


def map_return(item: Json) -> MarketplaceReturn:
    """A return for the hub; its address, label and description stay outside. Raises `MappingError`."""
    created = instant(item.get("date_created"), "date_created")
    updated = instant(item.get("last_updated"), "last_updated") or created
    if updated is None:
        raise MappingError("last_updated", "is missing, and so is date_created")
    return MarketplaceReturn(
        return_reference=required_text(item, "id"),
        order_reference=required_text(item, "order_id"),
        stage=STAGES.get(text(item.get("state")) or "", ReturnStage.UNKNOWN),
        marketplace_state=text(item.get("state")) or "",
        lines=tuple(_line(line, at) for at, line in enumerate(objects(item.get("return_lines")))),
        tracking_number=text(member(item, "tracking").get("tracking_number")),
        created_at=created,
        updated_at=updated,
    )


def _line(line: Json, at: int) -> MarketplaceReturnLine:
    where = f"return_lines[{at}]."
    return MarketplaceReturnLine(
        line_id=required_text(line, "order_line_id", where),
        quantity=whole(line.get("quantity"), f"{where}quantity"),
        reason_code=text(line.get("reason_code")),
    )
