"""How an import ended: status, then the error report row by row. COMPLETE alone proves nothing.

Thousands of offers share one import and Mirakl allows its status to be read every 15 seconds and its report once a
minute, so both are read once and remembered per import.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from urllib.parse import quote

from connector_kit.capabilities import MappingError, Now
from connector_kit.http import BadAnswer, Lane
from connector_kit.offers import Problem
from connector_kit.outcome import ProbeResult, ProbeState
from connector_kit.profiles import OperatorProfile
from connector_mirakl.client import MiraklClient, Unavailable
from connector_mirakl.csvfile import read_csv
from connector_mirakl.offer_rules import with_remedy
from connector_mirakl.wire import Json, as_object, instant, objects, text

RUNNING = frozenset({"WAITING", "RUNNING", "QUEUED", "WAITING_SYNCHRONIZATION_PRODUCT"})
"""Not ended yet (fact sheet 4.3)."""
REMEMBERED = 200
"""Imports kept in memory per connection; older ones are simply read again."""


@dataclass(frozen=True, slots=True)
class ImportKind:
    """One of the imports of offers, with its own way of tracking (three ways exist in Mirakl)."""

    about: str
    """What its rows state, for people."""
    imports_path: str
    status_operation: str
    report_operation: str
    tracking: Literal["listed", "status", "plain"]
    """PRI02 is a list filtered by `import_id`; STO02 is `…/{id}/status`; OF02 is `…/{id}`."""
    check_seconds: float
    """How soon it is worth looking again: the published frequency of the status call."""


STOCK = ImportKind("stock", "/api/offers/stock/imports", "read_stock_import", "read_stock_report", "status", 15)
PRICE = ImportKind("price", "/api/offers/pricing/imports", "read_price_import", "read_price_report", "listed", 60)
OFFER = ImportKind("offer", "/api/offers/imports", "read_offer_import", "read_offer_report", "plain", 60)

SKU_COLUMNS = ("offer-sku", "sku", "shop-sku", "shop_sku")
"""What the offer's SKU is called in STO03 and PRI03, and in OF03 of files and of JSON requests."""


@dataclass(frozen=True, slots=True)
class RowError:
    """One row of an error report. `line` is that of the file sent, 1 = its header; None when the report names none."""

    sku: str
    warehouse: str
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class ImportResult:
    """Where an import stands. `errors` is None when the report cannot be matched to offers."""

    import_id: str
    status: str
    read_at: datetime
    errors: tuple[RowError, ...] | None = ()
    detail: str = ""
    created: datetime | None = None

    @property
    def running(self) -> bool:
        return self.status in RUNNING


class ImportBook:
    """Remembers imports of one connection. Safe for concurrent probes: one import is read by one of them."""

    def __init__(self, client: MiraklClient, clock: Now) -> None:
        self._client = client
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], ImportResult] = OrderedDict()
        self._lock = asyncio.Lock()

    async def result(self, kind: ImportKind, import_id: str) -> ImportResult | None:
        """Where the import stands; None when Mirakl does not know it (any more). Raises `CallError`."""
        key = (kind.imports_path, import_id)
        async with self._lock:
            known = self._known.get(key)
            if known is not None and self._still_good(known, kind):
                return known
            found = await self._read(kind, import_id)
            if found is not None:
                self._known[key] = found
                self._known.move_to_end(key)
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
            return found

    def _still_good(self, known: ImportResult, kind: ImportKind) -> bool:
        age = (self._clock.now() - known.read_at).total_seconds()
        return not known.running or 0 <= age < kind.check_seconds

    async def _read(self, kind: ImportKind, import_id: str) -> ImportResult | None:
        told = await self._status(kind, import_id)
        if told is None:
            return None
        status = text(told.get("status")) or ""
        reason = text(told.get("reason_status")) or ""
        detail = f"import {import_id} is {status[:60]}{': ' + reason[:200] if reason else ''}"
        created = _created(told)
        if status != "COMPLETE" or not _has_errors(told):
            return ImportResult(import_id, status, self._clock.now(), (), detail, created)
        path = f"{kind.imports_path}/{quote(import_id, safe='')}/error_report"
        report = await self._client.read(kind.report_operation, path, lane=Lane.STOCK)
        return ImportResult(import_id, status, self._clock.now(), report_errors(report.body), detail, created)

    async def _status(self, kind: ImportKind, import_id: str) -> Json | None:
        if kind.tracking == "listed":
            params = [("import_id", import_id)]
            page = await self._client.read_object(kind.status_operation, kind.imports_path, params, lane=Lane.STOCK)
            return next((item for item in objects(page.get("data")) if text(item.get("import_id")) == import_id), None)
        path = f"{kind.imports_path}/{quote(import_id, safe='')}{'/status' if kind.tracking == 'status' else ''}"
        try:
            answer = await self._client.read(kind.status_operation, path, lane=Lane.STOCK)
        except Unavailable as error:
            if error.status != 404:
                raise
            return None
        return as_object(answer.json(), kind.status_operation)


def _created(told: Json) -> datetime | None:
    try:
        return instant(told.get("date_created"), "date_created")
    except MappingError:
        return None


def _has_errors(told: Json) -> bool:
    """Whether the report must be read. Neither a flag nor a counter is no proof of success, so it is read then too."""
    flag = told.get("has_error_report")
    counts = [told.get(name) for name in ("lines_in_error", "offers_in_error")]
    known = [count for count in counts if isinstance(count, int)]
    if flag is True or any(count > 0 for count in known):
        return True
    return flag is not False and not known


def report_errors(content: bytes) -> tuple[RowError, ...] | None:
    """Rows of an error report. STO03, PRI03: line number and reason come first, then the columns that were sent;
    OF03: the columns that were sent, then `error-line` and `error-message`.

    A line without a reason stands there because another line of its offer has one (PRI03 returns whole offers).
    None when no column names the offer: the rows cannot be matched. Raises `BadAnswer` for bytes that are no CSV.
    """
    rows = read_csv(content)
    if not rows:
        raise BadAnswer("the error report is empty although errors were announced")
    header = [name.strip().lower() for name in rows[0]]
    sku_at = next((header.index(name) for name in SKU_COLUMNS if name in header), None)
    if sku_at is None:
        return None
    place_at = header.index("warehouse-code") if "warehouse-code" in header else None
    line_at = header.index("error-line") if "error-line" in header else 0
    why_at = header.index("error-message") if "error-message" in header else 1
    found = [
        RowError(
            _cell(row, sku_at),
            "" if place_at is None else _cell(row, place_at),
            _cell(row, why_at),
            int(_cell(row, line_at)) if _cell(row, line_at).isdecimal() else None,
        )
        for row in rows[1:]
    ]
    explained = {error.sku for error in found if error.message}
    return tuple(
        replace(error, message=error.message or "no reason given")
        for error in found
        if error.message or error.sku not in explained
    )


def _cell(row: list[str], position: int) -> str:
    return row[position].strip() if position < len(row) else ""


def judge_import(
    result: ImportResult,
    kind: ImportKind,
    sku: str,
    warehouse: str | None = None,
    *,
    profile: OperatorProfile | None = None,
) -> ProbeResult:
    """What the import means for one offer. Pure. Rows that are not in the report were applied (STO03, PRI03, OF03).

    A refusal's answer holds `problems`, each with what to do next where the operator's profile knows it.
    """
    told = {"import_id": result.import_id}
    if result.running:
        return ProbeResult(ProbeState.PENDING, result.detail, told, kind.check_seconds)
    if result.status == "FAILED":
        return ProbeResult(ProbeState.NOT_APPLIED, result.detail, told)
    if result.status != "COMPLETE":
        return ProbeResult(ProbeState.UNDECIDED, result.detail, told)
    if result.errors is None:
        return ProbeResult(ProbeState.UNDECIDED, f"{result.detail}; its error report names no offers", told)
    mine = [e for e in result.errors if e.sku == sku and (warehouse is None or e.warehouse in ("", warehouse))]
    if mine:
        said = "; ".join(error.message for error in mine)[:300]
        problems = [problem_of_row(error, kind, profile).model_dump(mode="json") for error in mine]
        evidence = f"{result.detail}; the offer's row: {said}"
        return ProbeResult(ProbeState.REJECTED, evidence, {**told, "problems": problems})
    return ProbeResult(ProbeState.APPLIED, f"{result.detail}; the offer is in no row of its error report", told)


def problem_of_row(error: RowError, kind: ImportKind, profile: OperatorProfile | None) -> Problem:
    """A row's message as a problem. Rows count from 1 without the header."""
    row = error.line - 1 if error.line is not None and error.line > 1 else None
    return with_remedy(Problem(field=kind.about, rule=error.message[:300], row=row, offer_sku=error.sku), profile)
