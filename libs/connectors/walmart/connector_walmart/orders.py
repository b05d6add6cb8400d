"""Lists and reads orders, and believes pushed notices that prove where they come from."""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote

from connector_kit.capabilities import ConnectionContext, MappedOrder, OrderWindow, RawOrder, Verification
from connector_kit.http import Answer, BadAnswer, CallError
from connector_kit.reading import BadNotice, Notice

from connector_walmart.client import Client, as_object, dig
from connector_walmart.manifest import MANIFEST
from connector_walmart.mapping import map_order

SECOND = timedelta(seconds=1)
MAX_READINGS = 10
"""A listing that still shows new orders after so many readings is given up with an error, never ended quietly."""


def order_path(reference: str, *below: str) -> str:
    """Path of an order or of something below it."""
    return "/".join(["/v3/orders", quote(reference, safe=""), *below])


def orders_in(body: bytes) -> list[RawOrder]:
    """What `order` holds, one or a list, byte for byte. Raises `BadAnswer`: unreadable must not pass for empty."""
    found: list[RawOrder] = []
    try:
        text = body.decode("utf-8")
        start = re.search(r'"order"\s*:\s*\[?', text)
        at = start.end() if start else len(text)
        while text[at] not in "]}":
            if text[at] in " \t\r\n,":
                at += 1
                continue
            order, end = json.JSONDecoder().raw_decode(text, at)
            reference = dig(order, "purchaseOrderId")
            found.append(RawOrder(reference if isinstance(reference, str) else "", text[at:end].encode()))
            at = end
    except (ValueError, IndexError, RecursionError) as error:
        raise BadAnswer(f"the answer holds no readable orders: {type(error).__name__}") from None
    return found


class Orders:
    """Capabilities `orders` and `notices`, and what the other capabilities stand on."""

    def __init__(self, context: ConnectionContext) -> None:
        self.context, self.client = context, Client(context)
        self.settings = MANIFEST.check_settings(context.settings)

    async def list_orders(self, window: OrderWindow) -> AsyncIterator[Sequence[RawOrder]]:
        """Pages of a window, open orders without one. Raises `CallError`: ask again from the start."""
        oldest = self.context.clock.now() - timedelta(days=self.settings["days_back"])
        bounds: dict[str, datetime | None] = {
            # Always stated: left out, it means seven days ago, also for orders that changed today.
            "createdStartDate": max(window.created_from or oldest, oldest) - SECOND,
            "createdEndDate": window.created_until and window.created_until + SECOND,
            "lastModifiedStartDate": window.updated_from and window.updated_from - SECOND,
            "lastModifiedEndDate": window.updated_until and window.updated_until + SECOND,
        }
        query = [(name, bound.strftime("%Y-%m-%dT%H:%M:%SZ")) for name, bound in bounds.items() if bound]
        query.append(("limit", str(min(max(self.settings["page_size"], 1), 200))))
        seen: set[str | bytes] = set()
        for more in [[]] if window != OrderWindow() else [[("status", "Created")], [("status", "Acknowledged")]]:
            async for page in self._settled(query + more, seen):
                yield page

    async def _settled(self, query: list[tuple[str, str]], seen: set[str | bytes]) -> AsyncIterator[list[RawOrder]]:
        """The cursor counts rows, so a listing of several pages is read again until a reading shows nothing new."""
        for reading in range(MAX_READINGS):
            params, cursors, new = query, [""], False
            while params:
                answer = await self.client.read("list_orders", "/v3/orders", params)
                rows = orders_in(answer.body) if answer else []  # "content not found" is how an empty page looks
                fresh = [row for row in rows if (row.reference or row.body) not in seen]
                seen.update(row.reference or row.body for row in fresh)
                new |= bool(fresh)
                yield fresh
                cursor = str(dig(as_object(answer), "list", "meta", "nextCursor") or "")
                # A query string: sent as the value of a parameter it is ignored, and the first page comes again.
                params = parse_qsl(cursor.lstrip("?").replace("+", "%2B"))
                if cursor and (cursor in cursors or not params):
                    raise BadAnswer("the listing gave the same cursor twice, or one that is no query string")
                cursors.append(cursor)
            if len(cursors) == 2 or (reading and not new):
                return
        raise BadAnswer(f"the listing kept shifting through {MAX_READINGS} readings")

    async def read_order(self, reference: str) -> RawOrder | None:
        """One order, None when it is not known there. Raises `CallError`."""
        answer = await self.client.read("read_order", order_path(reference))
        found = orders_in(answer.body) if answer else []
        if answer and [each.reference for each in found] != [reference]:
            raise BadAnswer("the answer is about another order than the one asked for")
        return found[0] if found else None

    def map_order(self, raw: RawOrder) -> MappedOrder:
        """Pure; see `mapping.map_order`."""
        return map_order(raw, self.context, self.settings["charges_are"] == "unit")

    async def lines(self, operation: str, reference: str) -> list[dict[str, Any]]:
        """The order's lines as they stand now; none when it cannot be seen. Raises `CallError`."""
        answer = await self.client.read(operation, order_path(reference))
        lines = dig(as_object(answer), "order", "orderLines", "orderLine")
        return [line for line in lines if isinstance(line, dict)] if isinstance(lines, list) else []

    async def verify(self) -> Verification:
        """List one order: proves the account and changes nothing."""
        try:
            await self.client.read("verify", "/v3/orders", [("limit", "1")])
        except CallError as error:
            return Verification(False, self.client.hide(str(error)))
        return Verification(True, "account accepted")

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Prove and read one: HMAC-SHA256 of the body in the subscription's header, as Base64 or as hex."""
        proof = hmac.digest(self.context.credentials["notice_secret"].get_secret_value().encode(), body, "sha256")
        given = headers.get(self.settings["notice_header"].lower(), "").encode()
        if not any(hmac.compare_digest(each, given) for each in (base64.b64encode(proof), proof.hex().encode())):
            raise BadNotice("the signature is not that of this body")
        payload = dig(as_object(Answer(200, {}, body)), "payload")
        if not isinstance(payload, dict):
            raise BadNotice("payload: must be an object")
        reference = dig(payload, "purchaseOrderId") or dig(payload, "order", "purchaseOrderId")
        return Notice(order_references=(reference,) if isinstance(reference, str) else ())
