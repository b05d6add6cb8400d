"""Product files (P41 to P47, P51): handed over, transformed by Mirakl, then taken or refused by the operator.

Three moments of failure, three places to look: the import's status, the transformation's report (P47) and the
operator's report (P44). A COMPLETE import without a single product in it looks like a success unless all are read.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from connector_kit.capabilities import MappingError, Now
from connector_kit.http import BadAnswer, CallError, FilePart, Lane
from connector_kit.offers import ImportProducts, Problem
from connector_kit.outcome import Outcome, OutcomeState, ProbeResult, ProbeState
from connector_kit.profiles import OperatorProfile
from connector_mirakl.client import MiraklClient, Unavailable
from connector_mirakl.csvfile import read_csv
from connector_mirakl.errors import outcome_of_error, outcome_of_refusal
from connector_mirakl.products_report import report_problems, rows_with
from connector_mirakl.wire import Json, as_object, instant, member, objects, query_instant, text

PATH = "/api/products/imports"
RUNNING = frozenset({"TRANSFORMATION_WAITING", "TRANSFORMATION_RUNNING", "WAITING", "RUNNING", "SENT"})
"""P42. SENT: the operator has the file and has not answered; nothing is decided."""
FAILED = frozenset({"TRANSFORMATION_FAILED", "FAILED", "CANCELLED"})
CHECK_SECONDS = 60.0
"""P42: at most once per minute."""
SENT_CHECK_SECONDS = 900.0
"""People at the operator look at products; that takes hours to days."""
CLOCKS_DIFFER = timedelta(minutes=5)
"""How far Mirakl's clock and ours may be apart, well below the 15 minutes between two files."""
TYPES = {"csv": "text/csv", "xml": "application/xml"}
SPREADSHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class ProductImporter:
    """Capability `products` of one connection."""

    def __init__(self, client: MiraklClient, profile: OperatorProfile | None, clock: Now) -> None:
        self._client = client
        self._clock = clock
        self._profile = profile

    async def import_products(self, requests: Sequence[ImportProducts]) -> list[Outcome]:
        """P41, one file per call."""
        return [await self._import(request) for request in requests]

    async def _import(self, request: ImportProducts) -> Outcome:
        try:
            content = base64.b64decode(request.content_base64, validate=True)
        except (binascii.Error, ValueError):
            return Outcome.rejected("content_base64: must be base64")
        if not content:
            return Outcome.rejected("content_base64: the file is empty")
        sent_at = self._clock.now().isoformat()
        kind = TYPES.get(request.file_name.rpartition(".")[2].lower(), SPREADSHEET)
        parts = [
            FilePart("file", content, request.file_name, kind),
            FilePart("operator_format", b"true" if request.operator_format else b"false"),
        ]
        try:
            answer = await self._client.send("import_products", "POST", PATH, parts=parts, lane=Lane.BULK)
            if answer.status != 201:
                return self._refused(outcome_of_refusal(answer, self._client.explain(answer)), sent_at)
            import_id = text(as_object(answer.json(), "import_products").get("import_id"))
        except CallError as error:
            return self._refused(outcome_of_error(error), sent_at)
        if import_id is None:
            return Outcome.unknown("the file was taken without an import_id", sent_at=sent_at)
        return Outcome.sent(check_after=CHECK_SECONDS, import_id=import_id, sent_at=sent_at)

    @staticmethod
    def _refused(outcome: Outcome, sent_at: str) -> Outcome:
        """An unclear end keeps the time of the call, by which the probe finds the import. A 400 is about the file."""
        if outcome.state is not OutcomeState.UNKNOWN:
            return outcome
        if not outcome.retry_if_not_applied:
            return Outcome.rejected(outcome.reason, **outcome.answer)
        return Outcome.unknown(outcome.reason, **outcome.answer, sent_at=sent_at)

    async def probe(self, request: ImportProducts, answer: Mapping[str, Any]) -> ProbeResult:
        """How the import stands (P42), with both reports once it has ended. Raises `CallError`."""
        import_id = text(answer.get("import_id"))
        if import_id is None:
            found = await self._made_at(instant(answer.get("sent_at"), "sent_at"))
            if len(found) != 1:
                seen = f"product imports made at the time of the call: {', '.join(found) or 'none'}"
                return ProbeResult(ProbeState.UNDECIDED if found else ProbeState.NOT_APPLIED, seen)
            [import_id] = found
        path = f"{PATH}/{quote(import_id, safe='')}"
        try:
            told = await self._client.read_object("read_product_import", path, lane=Lane.BULK)
        except Unavailable as error:
            if error.status != 404:
                raise
            return ProbeResult(ProbeState.UNDECIDED, f"Mirakl does not know product import {import_id}")
        status = text(told.get("import_status")) or ""
        reason = text(told.get("reason_status")) or ""
        detail = f"product import {import_id} is {status[:60]}{': ' + reason[:200] if reason else ''}"
        known: Json = {"import_id": import_id}
        if status in RUNNING:
            wait = SENT_CHECK_SECONDS if status == "SENT" else CHECK_SECONDS
            return ProbeResult(ProbeState.PENDING, detail, {**known, "counters": counters(told, (), 0)}, wait)
        if status != "COMPLETE" and status not in FAILED:
            return ProbeResult(ProbeState.UNDECIDED, detail, known)
        problems = await self._problems(told, path)
        if status in FAILED and not any(problem.severity == "error" for problem in problems):
            problems.append(Problem(field="file", rule=reason[:300] or f"the import is {status}"))
        added = await self._added(told, path)
        known["counters"] = counters(told, problems, added)
        known["problems"] = [problem.model_dump(mode="json") for problem in problems]
        return ProbeResult(ProbeState.REJECTED if status in FAILED else ProbeState.APPLIED, detail, known)

    async def _made_at(self, moment: datetime | None) -> list[str]:
        """P51: ids of imports made when the call was. Two calls of ours are 15 minutes apart, so one is ours."""
        if moment is None:
            return []
        params = [("last_request_date", query_instant(moment - CLOCKS_DIFFER))]
        told = await self._client.read_object("list_product_imports", PATH, params, lane=Lane.BULK)
        found = []
        for entry in objects(told.get("product_import_trackings")):
            created, import_id = _created(entry), text(entry.get("import_id"))
            if import_id and created and moment - CLOCKS_DIFFER <= created <= moment + CLOCKS_DIFFER:
                found.append(import_id)
        return found

    async def _problems(self, told: Json, path: str) -> list[Problem]:
        """P47, then P44. What was announced and is not there (any more) is told, not passed over."""
        found: list[Problem] = []
        transformed = (
            told.get("has_transformation_error_report") is True or _count(told, "transform_lines_in_error") > 0
        )
        for wanted, report, about in (
            (transformed, "transformation_error_report", "product file"),
            (told.get("has_error_report") is True, "error_report", "product"),
        ):
            if not wanted:
                continue
            content = await self._report(path, report)
            if content is None:
                rule = "an error report was announced and is not there"
                found.append(Problem(field=about, rule=rule, next_step="Look at the import in the seller portal."))
            else:
                found.extend(report_problems(content, about, self._profile))
        return found

    async def _added(self, told: Json, path: str) -> int:
        """P45: how many products are new in the operator's catalogue; 0 when the report cannot be counted."""
        content = await self._report(path, "new_product_report") if told.get("has_new_product_report") is True else None
        try:
            return max(len(read_csv(content)) - 1, 0) if content else 0
        except BadAnswer:
            return 0

    async def _report(self, path: str, report: str) -> bytes | None:
        try:
            return (await self._client.read("read_product_report", f"{path}/{report}", lane=Lane.BULK)).body
        except Unavailable as error:
            if error.status != 404:
                raise
            return None


def _created(entry: Json) -> datetime | None:
    try:
        return instant(entry.get("date_created"), "date_created")
    except MappingError:
        return None


def counters(told: Json, problems: Sequence[Problem], added: int) -> dict[str, int]:
    """Rows read, taken, failed and warned; products added; and the operator's own counters where it gives them.

    A row fails in the transformation or at the operator; the operator's refusals are counted from its report, or from
    its counters when they are higher.
    """
    details = {name: value for name, value in member(told, "integration_details").items() if _whole(value) is not None}
    refused = sum(_count(details, name) for name in ("rejected_products", "invalid_products"))
    later = [problem for problem in problems if problem.field == "product"]
    read, failed = _count(told, "transform_lines_read"), _count(told, "transform_lines_in_error")
    failed += max(rows_with(later, "error"), refused)
    return {
        "rows_read": read,
        "rows_taken": max(read - failed, 0),
        "rows_failed": failed,
        "rows_warned": max(_count(told, "transform_lines_with_warning"), rows_with(problems, "warning")),
        "products_added": added,
        **details,
    }


def _count(told: Json, name: str) -> int:
    return _whole(told.get(name)) or 0


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
