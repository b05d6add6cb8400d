"""M10, M11, M12, OR43: conversations about orders. Bodies are kept as they came."""

from __future__ import annotations

import json
import uuid
from typing import Any

from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector_mirakl.sandbox.aftersales import SimMessage, SimThread
from connector_mirakl.sandbox.desk import Desk, Problem, require
from connector_mirakl.sandbox.order_routes import query_date
from connector_mirakl.sandbox.paging import Filters, asked, page_of
from connector_mirakl.sandbox.render import wire_date

Json = dict[str, Any]
FILTERS = ("entity_type", "entity_id", "updated_since", "with_messages")
SHOWN = 100
"""M11 shows the last messages of a thread only."""
MOST = 1_000
LONGEST = 50_000
NAMES = {"SHOP_USER": "SHOP", "CUSTOMER_USER": "CUSTOMER", "OPERATOR_USER": "OPERATOR"}


def message_routes(desk: Desk) -> APIRouter:
    """Routes of the inbox."""
    router = APIRouter()

    @router.get("/api/inbox/threads")
    async def threads(request: Request) -> Response:
        operation = "list_threads_page" if "page_token" in request.query_params else "list_threads"
        return await desk.serve(request, operation, lambda: _list(desk, request))

    @router.get("/api/inbox/threads/{thread_id}")
    async def thread(thread_id: str, request: Request) -> Response:
        return await desk.serve(
            request, "read_thread", lambda: JSONResponse(_render(desk, _thread(desk, thread_id), MOST))
        )

    @router.post("/api/inbox/threads/{thread_id}/message")
    async def reply(thread_id: str, request: Request) -> Response:
        given = await _part(request, "message_input")
        return await desk.serve(request, "send_message", lambda: _reply(desk, thread_id, given))

    @router.post("/api/orders/{order_id}/threads")
    async def begin(order_id: str, request: Request) -> Response:
        given = await _part(request, "thread_input")
        return await desk.serve(request, "send_message", lambda: _begin(desk, order_id, given))

    return router


def write_message(desk: Desk, order_id: str, body: str, sender: str, thread_id: str | None) -> SimThread:
    """The buyer or the operator writes. Raises `ValueError` naming what does not fit."""
    if sender not in NAMES:
        raise ValueError(f"sender: must be one of {', '.join(NAMES)}")
    if order_id not in desk.world.orders:
        raise ValueError(f"order_id: {order_id!r} does not exist")
    if thread_id is not None and thread_id not in desk.world.threads:
        raise ValueError(f"thread_id: {thread_id!r} does not exist")
    topic = {"type": "FREE_TEXT", "value": "Question"}
    thread = desk.world.threads[thread_id] if thread_id else _new_thread(desk, order_id, topic)
    _add(desk, thread, body, sender, ("SHOP",))
    return thread


def _new_thread(desk: Desk, order_id: str, topic: dict[str, str]) -> SimThread:
    thread = SimThread(_uuid(desk, 0x702C), order_id, topic, desk.now())
    desk.world.threads[thread.id] = thread
    return thread


def _add(desk: Desk, thread: SimThread, body: str, sender: str, to: tuple[str, ...]) -> SimMessage:
    message = SimMessage(_uuid(desk, 0x3E55), sender, body, desk.now(), to)
    thread.messages.append(message)
    return message


def _uuid(desk: Desk, prefix: int) -> str:
    return str(uuid.UUID(int=(prefix << 112) + desk.world.number()))


def _thread(desk: Desk, thread_id: str) -> SimThread:
    thread = desk.world.threads.get(thread_id)
    if thread is None:
        raise Problem(404, "NOT_FOUND", "The thread does not exist")
    return thread


def _list(desk: Desk, request: Request) -> Response:
    filters, start, limit = asked(request, FILTERS, 50)
    require("entity_id" not in filters or "entity_type" in filters, "entity_type is mandatory with entity_id")
    rows = sorted((t for t in desk.world.threads.values() if _fits(t, filters)), key=lambda t: (t.created, t.id))
    shown = SHOWN if filters.get("with_messages") == ["true"] else 0
    return JSONResponse(page_of([_render(desk, thread, shown) for thread in rows], filters, start, limit))


def _fits(thread: SimThread, filters: Filters) -> bool:
    since = query_date(next(iter(filters.get("updated_since", [])), None))
    ids = [part for value in filters.get("entity_id", []) for part in value.split(",")]
    about_order = filters.get("entity_type", ["MMP_ORDER"]) == ["MMP_ORDER"]
    return about_order and (not ids or thread.order_id in ids) and (since is None or thread.updated >= since)


def _render(desk: Desk, thread: SimThread, messages: int) -> Json:
    last = thread.messages[-1]
    buyers = [m.sent for m in thread.messages if m.sender == "CUSTOMER_USER"]
    answered = last.sender == "SHOP_USER"
    shown: Json = {
        "id": thread.id,
        "topic": dict(thread.topic),
        "date_created": wire_date(thread.created),
        "date_updated": wire_date(thread.updated),
        "entities": [{"id": thread.order_id, "label": thread.order_id, "type": "MMP_ORDER"}],
        "authorized_participants": [_participant(name) for name in ("SHOP", "CUSTOMER", "OPERATOR")],
        "current_participants": [_participant(name) for name in ("SHOP", "CUSTOMER")],
        "metadata": {
            "last_message_date": wire_date(last.sent),
            "last_sender": _sender(last),
            "shop_reply_needed_since": None if answered or not buyers else wire_date(buyers[-1]),
            "total_count": len(thread.messages),
        },
    }
    if messages:
        shown["messages"] = [_message(message) for message in thread.messages[-messages:]]
        shown["no_store_reply_needed"] = []
    return shown


def _participant(name: str) -> Json:
    return {"display_name": f"Simulated {name.lower()}", "type": name}


def _sender(message: SimMessage) -> Json:
    name = NAMES.get(message.sender, "OPERATOR")
    return {"display_name": f"Simulated {name.lower()}", "type": message.sender}


def _message(message: SimMessage) -> Json:
    return {
        "id": message.id,
        "body": message.body,
        "date_created": wire_date(message.sent),
        "from": _sender(message),
        "to": [_participant(name) for name in message.to],
        "attachments": [],
    }


async def _part(request: Request, name: str) -> Any:
    """The JSON of a multipart body's part; None when it is not there or no JSON."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return None
    async with request.form() as form:
        part = form.get(name)
        content = (await part.read()).decode() if isinstance(part, UploadFile) else str(part or "")
    try:
        return json.loads(content)
    except ValueError:
        return None


def _words(given: Any) -> str:
    require(isinstance(given, dict) and isinstance(given.get("to"), list) and bool(given["to"]), "'to' is mandatory")
    body = given.get("body")
    require(isinstance(body, str) and 0 < len(body) <= LONGEST, "'body' is mandatory")
    return str(body)


def _reply(desk: Desk, thread_id: str, given: Any) -> Response:
    thread = _thread(desk, thread_id)
    body = _words(given)
    require(len(thread.messages) < MOST, "The thread is full")
    to = tuple(str(each.get("type")) for each in given["to"])
    return _sent(desk, thread, _add(desk, thread, body, "SHOP_USER", to))


def _begin(desk: Desk, order_id: str, given: Any) -> Response:
    desk.order(order_id)
    body = _words(given)
    topic = given.get("topic")
    valid = isinstance(topic, dict) and topic.get("type") in ("FREE_TEXT", "REASON_CODE") and bool(topic.get("value"))
    require(valid, "'topic' is mandatory")
    codes = {reason.code for reason in desk.settings.profile.reasons if reason.type == "ORDER_MESSAGING"}
    require(topic["type"] == "FREE_TEXT" or topic["value"] in codes, "The reason does not exist")
    thread = _new_thread(desk, order_id, {"type": topic["type"], "value": str(topic["value"])})
    return _sent(desk, thread, _add(desk, thread, body, "SHOP_USER", tuple(str(name) for name in given["to"])))


def _sent(desk: Desk, thread: SimThread, message: SimMessage) -> Response:
    desk.record.add("send_message", f"{thread.order_id}/{message.id}", thread_id=thread.id)
    return JSONResponse({"message_id": message.id, "thread_id": thread.id}, status_code=201)
