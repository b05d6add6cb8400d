"""The conversation with buyers: read (M11, M10), answered in a thread (M12), begun for an order (OR43).

A message sent twice is read twice, and Mirakl knows no idempotency key. After a doubtful call only a message of ours
that the thread shows since the time of sending counts.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from connector_kit.aftersales import MessageThread, SendMessage
from connector_kit.capabilities import MappingError, Now
from connector_kit.http import Answer, BadAnswer, CallError, FilePart
from connector_kit.outcome import Outcome, ProbeResult
from connector_mirakl.client import MiraklClient, Unavailable, order_path
from connector_mirakl.errors import outcome_of_error, outcome_of_refusal
from connector_mirakl.mapping_messages import map_thread, order_of
from connector_mirakl.message_probe import SentBook, judge
from connector_mirakl.operator_setup import Daily
from connector_mirakl.seek import seek
from connector_mirakl.settings import MiraklSettings
from connector_mirakl.wire import Json, as_object, member, objects, query_instant, text
from connector_mirakl.words import as_html

LONGEST_BODY = 50_000
"""Mirakl M12, OR43: characters of a body."""
RECIPIENTS = {"buyer": "CUSTOMER", "operator": "OPERATOR"}
TOPIC_REASONS = "ORDER_MESSAGING"
"""RE01 type of the reasons that may head a thread about an order."""
THREADS = "/api/inbox/threads"


class Messages:
    """Capability `messages` of one connection."""

    def __init__(self, client: MiraklClient, settings: MiraklSettings, clock: Now) -> None:
        self._client = client
        self._settings = settings
        self._book = SentBook(clock)
        self._topics = Daily(clock, self._read_topics)

    async def listing(self, updated_from: datetime | None) -> AsyncIterator[Sequence[MessageThread]]:
        """Pages of threads with their messages and the buyer's language. Raises `CallError`.

        Threads that cannot be understood are told at the end, when all others were given.
        """
        params = [("with_messages", "true")]
        if updated_from is not None:
            params.append(("updated_since", query_instant(updated_from)))
        problems: list[str] = []
        async for page in seek(self._client, ("list_threads", "list_threads_page"), THREADS, params):
            locales = await self._locales(page)
            mapped: list[MessageThread] = []
            for shown in page:
                try:
                    whole = await self._whole(shown)
                    mapped.append(map_thread(whole, locales.get(order_of(whole) or "")))
                except MappingError as error:
                    problems.append(f"{text(shown.get('id'))}: {error}")
            if mapped:
                yield mapped
        if problems:
            raise BadAnswer(f"M11: {len(problems)} thread(s) cannot be understood: {'; '.join(problems)[:300]}")

    async def _whole(self, shown: Json) -> Json:
        """M11 gives the last 100 messages of a thread; the whole of a longer one comes from M10."""
        total, thread_id = member(shown, "metadata").get("total_count"), text(shown.get("id"))
        if thread_id is None or not isinstance(total, int) or total <= len(objects(shown.get("messages"))):
            return shown
        return await self._thread(thread_id, "read_thread")

    async def _thread(self, thread_id: str, operation: str) -> Json:
        return await self._client.read_object(operation, f"{THREADS}/{quote(thread_id, safe='')}")

    async def _locales(self, page: list[Json]) -> dict[str, str | None]:
        """The language field of the buyers of a page's orders (OR11). Unknown when it cannot be read: the message
        itself must not wait for it."""
        orders = sorted({reference for reference in map(order_of, page) if reference})
        if not orders:
            return {}
        params = [("order_ids", ",".join(orders)), ("max", "100")]
        try:
            told = await self._client.read_object("read_thread_orders", "/api/orders", params)
        except CallError:
            return {}
        return {
            text(order.get("order_id")) or "": text(member(order, "customer").get("locale"))
            for order in objects(told.get("orders"))
        }

    async def send(self, requests: Sequence[SendMessage]) -> list[Outcome]:
        """One call per message, one outcome per request, in order."""
        return [await self._send(request) for request in requests]

    async def _send(self, request: SendMessage) -> Outcome:
        body = request.body if self._settings.message_format == "plain" else as_html(request.body)
        if not request.body.strip():
            return Outcome.rejected("body: must not be empty")
        if len(body) > LONGEST_BODY:
            return Outcome.rejected(f"body: must not have more than {LONGEST_BODY} characters")
        if not request.recipients:
            return Outcome.rejected("recipients: at least one is needed")
        to = [RECIPIENTS[recipient] for recipient in dict.fromkeys(request.recipients)]
        if request.thread_reference is not None:
            path = f"{THREADS}/{quote(request.thread_reference, safe='')}/message"
            return await self._post(request, path, "message_input", {"body": body, "to": [{"type": w} for w in to]})
        if request.order_reference is None:
            return Outcome.rejected("thread_reference: a message needs a thread or an order")
        try:
            topic = await self._topic(request)
        except CallError as error:
            reason = f"not sent, the operator's topics are unknown: {error}"
            return Outcome.retry(reason, after=getattr(error, "retry_after", None))
        path = order_path(request.order_reference, "threads")
        return await self._post(request, path, "thread_input", {"body": body, "to": to, "topic": topic})

    async def _post(self, request: SendMessage, path: str, part: str, content: dict[str, Any]) -> Outcome:
        self._book.trying(request)
        parts = [FilePart(part, json.dumps(content).encode(), None, "application/json;charset=utf-8")]
        try:
            answer = await self._client.send("send_message", "POST", path, parts=parts)
            if answer.status != 201:
                return outcome_of_refusal(answer, self._client.explain(answer))
            return self._taken(request, answer)
        except CallError as error:
            return outcome_of_error(error)

    def _taken(self, request: SendMessage, answer: Answer) -> Outcome:
        told = as_object(answer.json(), "M12")
        message, thread = text(told.get("message_id")), text(told.get("thread_id"))
        if message is not None:
            self._book.sent(request, message)
        return Outcome.done(message_reference=message, thread_reference=thread or request.thread_reference)

    async def _topic(self, request: SendMessage) -> Json:
        """A reason where the topic is one of the operator's codes, else free text; the order itself at the least."""
        value = (request.topic or "").strip()
        if value and value in await self._topics.get():
            return {"type": "REASON_CODE", "value": value}
        return {"type": "FREE_TEXT", "value": value or request.order_reference}

    async def _read_topics(self) -> frozenset[str]:
        told = await self._client.read_object("read_topics", "/api/reasons")
        if not isinstance(told.get("reasons"), list):
            raise BadAnswer("RE01: the answer has no list 'reasons'")
        mine = (reason for reason in objects(told["reasons"]) if reason.get("type") == TOPIC_REASONS)
        codes = (text(reason.get("code")) for reason in mine if reason.get("is_shop_right") is True)
        return frozenset(code for code in codes if code)

    async def probe(self, request: SendMessage) -> ProbeResult:
        """Does the conversation show our message since it was sent? Raises `CallError` when it cannot be read."""
        return judge(await self._threads_of(request), request, self._book)

    async def _threads_of(self, request: SendMessage) -> list[Json]:
        if request.thread_reference is not None:
            try:
                return [await self._thread(request.thread_reference, "probe_message")]
            except Unavailable as error:
                if error.status != 404:
                    raise
                return []
        about = request.order_reference or ""
        params = [("entity_type", "MMP_ORDER"), ("entity_id", about), ("with_messages", "true")]
        return [t async for page in seek(self._client, ("probe_message",) * 2, THREADS, params) for t in page]
