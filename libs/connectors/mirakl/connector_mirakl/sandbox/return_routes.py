"""RT11, RT21, RT25, RT26: returns. The answers are 200 whatever became of each return."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector_mirakl.sandbox.aftersales import SimReturn
from connector_mirakl.sandbox.desk import Desk, Problem, as_list, read_body, require
from connector_mirakl.sandbox.order_routes import SLACK, query_date
from connector_mirakl.sandbox.paging import Filters, asked, page_of
from connector_mirakl.sandbox.render import wire_date

Json = dict[str, Any]
FILTERS = (
    *("return_id", "return_state", "return_last_updated_from", "return_last_updated_to"),
    *("order_line_id", "order_commercial_id"),
)
MOST = 100


def return_routes(desk: Desk) -> APIRouter:
    """Routes below `/api/returns`."""
    router = APIRouter()

    @router.get("/api/returns")
    async def returns(request: Request) -> Response:
        single, paged = "return_id" in request.query_params, "page_token" in request.query_params
        operation = "read_return" if single else "list_returns_page" if paged else "list_returns"
        return await desk.serve(request, operation, lambda: _list(desk, request))

    @router.put("/api/returns/accept")
    async def accept(request: Request) -> Response:
        body = await read_body(request)
        return await desk.serve(request, "answer_return", lambda: _each(desk, body, _decide))

    @router.put("/api/returns/receive")
    async def receive(request: Request) -> Response:
        body = await read_body(request)
        return await desk.serve(request, "answer_return", lambda: _each(desk, body, _receive))

    @router.put("/api/returns/compliance")
    async def compliance(request: Request) -> Response:
        body = await read_body(request)
        return await desk.serve(request, "answer_return", lambda: _each(desk, body, _comply))

    return router


def open_return(desk: Desk, order_id: str, lines: dict[str, int], state: str, reason: str) -> SimReturn:
    """A buyer opens a return for units of some lines. Raises `ValueError` naming what does not fit."""
    order = desk.world.orders.get(order_id)
    if order is None:
        raise ValueError(f"order_id: {order_id!r} does not exist")
    unknown = [line_id for line_id in lines if order.line(line_id) is None]
    if unknown or not lines:
        raise ValueError(f"lines: {unknown or 'none'} are no lines of the order")
    now, number = desk.now(), desk.world.number()
    found = SimReturn(
        id=str(uuid.UUID(int=(0x2E7 << 112) + number)),
        order_id=order_id,
        commercial_id=order.commercial_id,
        state=state,
        created=now,
        updated=now,
        lines=[{"order_line_id": i, "quantity": quantity, "reason_code": reason} for i, quantity in lines.items()],
        tracking_number=f"RET{number:08d}" if state == "IN_PROGRESS" else None,
    )
    desk.world.returns[found.id] = found
    return found


def _list(desk: Desk, request: Request) -> Response:
    filters, start, limit = asked(request, FILTERS, 10)
    rows = sorted((r for r in desk.world.returns.values() if _fits(r, filters)), key=lambda r: (r.created, r.id))
    return JSONResponse(page_of([_render(found) for found in rows], filters, start, limit))


def _fits(found: SimReturn, filters: Filters) -> bool:
    since = query_date(next(iter(filters.get("return_last_updated_from", [])), None))
    until = query_date(next(iter(filters.get("return_last_updated_to", [])), None))
    lines = {str(line["order_line_id"]) for line in found.lines}
    return (
        found.id in filters.get("return_id", [found.id])
        and found.state in filters.get("return_state", [found.state])
        and found.commercial_id in filters.get("order_commercial_id", [found.commercial_id])
        and bool(lines & set(filters.get("order_line_id", lines)))
        and (since is None or found.updated >= since - SLACK)
        and (until is None or found.updated <= until)
    )


def _render(found: SimReturn) -> Json:
    return {
        "id": found.id,
        "rma": f"RMA-{found.id[-6:]}",
        "order_id": found.order_id,
        "order_commercial_id": found.commercial_id,
        "state": found.state,
        "date_created": wire_date(found.created),
        "last_updated": wire_date(found.updated),
        "method_code": "RETURN_METHOD_BY_MAIL",
        "reason_code": found.lines[0]["reason_code"],
        "rejection_reason_code": found.rejection_reason_code,
        "return_address": {
            "street1": "1 rue de l'Essai",
            "zip_code": "00000",
            "city": "Nowhere",
            "country_iso_code": "FRA",
        },
        "return_lines": [dict(line) for line in found.lines],
        "tracking": {"tracking_number": found.tracking_number} if found.tracking_number else None,
        "documents": [],
    }


def _each(desk: Desk, body: Any, work: Callable[[Desk, SimReturn, Json], str]) -> Response:
    """Work on each return; `work` names what was done and raises `Problem` for what ends in the list of errors."""
    items = as_list(body, "returns")
    require(len(items) <= MOST, f"at most {MOST} returns")
    good: list[Json] = []
    bad: list[Json] = []
    for item in items:
        return_id = str(item.get("id"))
        try:
            found = desk.world.returns.get(return_id)
            if found is None or desk.faults.strikes("item_refused", "answer_return"):
                raise Problem(400, "", "The return does not exist")
            done = work(desk, found, item)
        except Problem as problem:
            bad.append({"id": return_id, "message": problem.message})
            continue
        found.updated = desk.now()
        desk.record.add("answer_return", f"{return_id}/{done}", order_id=found.order_id)
        if not desk.faults.strikes("item_missing", "answer_return"):
            good.append({"id": return_id})
    return JSONResponse({"return_success": good, "return_errors": bad})


def _must_be(found: SimReturn, *states: str) -> None:
    require(found.state in states, f"The return status must be '{states[0]}' but it is '{found.state}'.")


def _decide(desk: Desk, found: SimReturn, item: Json) -> str:
    _must_be(found, "WAITING_ACCEPTANCE")
    require(isinstance(item.get("accepted"), bool), "'accepted' is mandatory")
    found.state = "IN_PROGRESS" if item["accepted"] else "REFUSED"
    found.rejection_reason_code = None if item["accepted"] else item.get("rejection_reason_code")
    return "accept" if item["accepted"] else "refuse"


def _receive(desk: Desk, found: SimReturn, item: Json) -> str:
    _must_be(found, "IN_PROGRESS")
    found.state = "RECEIVED"
    return "receive"


def _comply(desk: Desk, found: SimReturn, item: Json) -> str:
    _must_be(found, "RECEIVED")
    given = {str(line.get("order_line_id")): line for line in as_list(item, "return_lines")}
    known = {str(line["order_line_id"]) for line in found.lines}
    require(set(given) == known, "The lines are not those of the return")
    for line in found.lines:
        verdict = given[str(line["order_line_id"])]
        require(isinstance(verdict.get("compliant"), bool), "'compliant' is mandatory")
        entry = {"compliant": verdict["compliant"]}
        if verdict.get("non_compliance_reason_code"):
            entry["non_compliance_reason_code"] = verdict["non_compliance_reason_code"]
        line["compliance"] = [entry]
    return "comply" if all(verdict["compliant"] for verdict in given.values()) else "object"
