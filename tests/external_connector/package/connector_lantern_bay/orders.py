"""Lists and reads orders. The listing follows the order of updates, so what changes meanwhile is met again."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import quote

from connector_kit.capabilities import ConnectionContext, MappedOrder, OrderWindow, RawOrder, Verification
from connector_kit.http import BadAnswer, CallError
from connector_kit.outcome import ProbeResult, ProbeState

from connector_lantern_bay.client import Client, as_object
from connector_lantern_bay.manifest import MANIFEST
from connector_lantern_bay.mapping import map_order

BOUNDS = ("updated_from", "updated_until", "created_from", "created_until")


def order_path(reference: str, *below: str) -> str:
    """Path of an order or of something below it."""
    return "/".join(["/v1/orders", quote(reference, safe=""), *below])


def elements(body: bytes, member: str) -> list[bytes]:
    """Elements of a list, byte for byte as they were sent. Raises `BadAnswer`: unreadable must not pass for empty."""
    found: list[bytes] = []
    try:
        text = body.decode("utf-8")
        start = re.search(rf'"{member}"\s*:\s*\[', text)
        at = start.end() if start else len(text)
        while text[at] != "]":
            if text[at] in " \t\r\n,":
                at += 1
                continue
            end = json.JSONDecoder().raw_decode(text, at)[1]
            found.append(text[at:end].encode())
            at = end
    except (ValueError, IndexError, RecursionError) as error:
        raise BadAnswer(f"the answer holds no readable list of {member}: {type(error).__name__}") from None
    return found


def raw_order(body: bytes) -> RawOrder:
    """One order with its reference, "" where that cannot be read."""
    try:
        reference = json.loads(body)["id"]
    except (ValueError, LookupError, TypeError, RecursionError):
        reference = ""
    return RawOrder(reference if isinstance(reference, str) else "", body)


class Orders:
    """Capability `orders`, and what the other capabilities stand on."""

    def __init__(self, context: ConnectionContext) -> None:
        self.context, self.client = context, Client(context)
        self.settings = MANIFEST.check_settings(context.settings)

    async def list_orders(self, window: OrderWindow) -> AsyncIterator[Sequence[RawOrder]]:
        """Pages of a window. Raises `CallError`; whoever gets one asks again from the start."""
        bounds = [(name, getattr(window, name)) for name in BOUNDS]
        query = [("limit", str(min(max(self.settings["page_size"], 1), 100)))]
        query += [(name, at.isoformat()) for name, at in bounds if at is not None]
        cursor, seen = "", {""}
        while True:
            answer = await self.client.read("list_orders", "/v1/orders", [*query, ("cursor", cursor)])
            if answer is None:
                raise BadAnswer("the list of orders is not there")
            yield [raw_order(each) for each in elements(answer.body, "orders")]
            cursor = str(as_object(answer).get("next_cursor") or "")
            if not cursor:
                return
            if cursor in seen:
                raise BadAnswer("the listing gave the same cursor twice")
            seen.add(cursor)

    async def read_order(self, reference: str) -> RawOrder | None:
        """One order, None when Lantern Bay does not know it. Raises `CallError`."""
        answer = await self.client.read("read_order", order_path(reference))
        return raw_order(answer.body) if answer else None

    def map_order(self, raw: RawOrder) -> MappedOrder:
        """Pure; see `mapping.map_order`."""
        return map_order(raw, self.context)

    async def shown(self, operation: str, reference: str) -> dict[str, Any]:
        """The order as it stands now, for probes; empty when it cannot be seen. Raises `CallError`."""
        answer = await self.client.read(operation, order_path(reference))
        return as_object(answer) if answer else {}

    async def listed(self, operation: str, reference: str, member: str, ours: str) -> ProbeResult:
        """Whether one of the order's lists holds an entry with our id. Raises `CallError`."""
        entries = (await self.shown(operation, reference)).get(member)
        if not isinstance(entries, list):
            return ProbeResult(ProbeState.UNDECIDED, f"the order shows no {member}")
        there = any(isinstance(each, dict) and each.get("id") == ours for each in entries)
        state = ProbeState.APPLIED if there else ProbeState.NOT_APPLIED
        return ProbeResult(state, f"{ours} is {'' if there else 'not '}among the {member} of the order")

    async def verify(self) -> Verification:
        """A read that proves the token and changes nothing."""
        try:
            answer = await self.client.read("verify", "/v1/account")
        except CallError as error:
            return Verification(False, self.client.hide(str(error)))
        return Verification(answer is not None, "token accepted" if answer else "no account is shown")
