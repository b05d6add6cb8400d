"""What is done to orders, and the entry point. A refused order is one that the seller cancels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connector_kit.capabilities import ConnectionContext, SandboxOptions
from connector_kit.http import CallError
from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from connector_kit.requests import AnswerOrder, ShipParcel
from connector_kit.simulator import Simulator

from connector_walmart.client import WAIT_SECONDS, dig
from connector_walmart.manifest import MANIFEST
from connector_walmart.orders import Orders, order_path

OPEN, GONE = {"Created", "Acknowledged"}, {"Shipped", "Delivered", "Refund"}


def row(number: object, word: str, units: object, **more: object) -> dict[str, Any]:
    """One line as changes state it."""
    state = {"status": word, "statusQuantity": {"unitOfMeasurement": "EACH", "amount": str(units)}, **more}
    return {"lineNumber": number, "orderLineStatuses": {"orderLineStatus": [state]}}


def states(lines: Iterable[Mapping[str, Any]], *names: str) -> set[str]:
    """What these lines show in their states, the status word or something else."""
    found = [dig(line, "orderLineStatuses", "orderLineStatus") for line in lines]
    return {str(dig(each, *names or ("status",))) for listed in found if isinstance(listed, list) for each in listed}


class Connection(Orders):
    """One account, with every capability of the manifest."""

    async def _post(self, operation: str, reference: str, below: str, body: Any) -> Outcome:
        got = await self.client.change(operation, order_path(reference, below), body)
        if isinstance(got, Outcome):
            return got
        shown = dig(got, "order", "purchaseOrderId") == reference
        return Outcome.done() if shown else Outcome.unknown("the answer does not show the order")

    async def accept(self, requests: Sequence[AnswerOrder]) -> Sequence[Outcome]:
        """Acknowledge orders. One that keeps a line back is rejected: there is no line level here."""
        return [await self._accept(each) for each in requests]

    async def _accept(self, request: AnswerOrder) -> Outcome:
        if not all(line.accepted for line in request.lines):
            return Outcome.rejected("lines: Walmart acknowledges whole orders only")
        return await self._post("accept", request.order_reference, "acknowledge", {})

    async def probe_accept(self, request: AnswerOrder) -> ProbeResult:
        """Was it acknowledged? Raises `CallError`."""
        words = states(await self.lines("probe_accept", request.order_reference))
        over = ProbeState.REJECTED if words == {"Cancelled"} else ProbeState.UNDECIDED
        known = ProbeState.APPLIED if words & (GONE | OPEN) else over
        return self._seen(ProbeState.NOT_APPLIED if "Created" in words else known, words)

    async def refuse(self, requests: Sequence[AnswerOrder]) -> Sequence[Outcome]:
        """Cancel whole orders, with the reason of the settings."""
        return [await self._refuse(each.order_reference) for each in requests]

    async def _refuse(self, reference: str) -> Outcome:
        try:  # the units are not in the request
            lines = await self.lines("probe_accept", reference)
        except CallError as error:
            return Outcome.retry(self.client.hide(f"not read, so not sent: {error}"), after=WAIT_SECONDS)
        if not lines or not states(lines) <= OPEN:
            return Outcome.unknown("not all of its lines are there to be cancelled", retry_if_not_applied=False)
        why = {"cancellationReason": self.settings["cancel_reason"]}
        rows = [row(x.get("lineNumber"), "Cancelled", dig(x, "orderLineQuantity", "amount"), **why) for x in lines]
        body = {"orderCancellation": {"orderLines": {"orderLine": rows}}}
        return await self._post("refuse", reference, "cancel", body)

    async def probe_refuse(self, request: AnswerOrder) -> ProbeResult:
        """Is everything cancelled? Raises `CallError`."""
        words = states(await self.lines("probe_accept", request.order_reference))
        ends = {"Cancelled": ProbeState.APPLIED} | dict.fromkeys(OPEN, ProbeState.NOT_APPLIED)
        found = {ends.get(word, ProbeState.REJECTED if word in GONE else ProbeState.UNDECIDED) for word in words}
        return self._seen(found.pop() if len(found) == 1 else ProbeState.UNDECIDED, words)

    async def ship(self, requests: Sequence[ShipParcel]) -> Sequence[Outcome]:
        """Announce parcels, one call each."""
        return [await self._ship(each) for each in requests]

    async def _ship(self, request: ShipParcel) -> Outcome:
        code, page = request.carrier_code, request.tracking_url
        if not request.tracking_number or not (code or page):
            return Outcome.rejected("tracking_number, without a carrier code also tracking_url: demanded by Walmart")
        tracking = {
            "shipDateTime": int(self.context.clock.now().timestamp() * 1000),
            "carrierName": {"carrier": code} if code else {"otherCarrier": request.carrier_name},
            "methodCode": self.settings["method_code"],
            "trackingNumber": request.tracking_number,
        } | ({"trackingURL": page} if page else {})
        rows = [row(line.line_id, "Shipped", line.quantity, trackingInfo=tracking) for line in request.lines]
        lines = {"orderLine": [{**each, "sellerOrderId": request.order_reference} for each in rows]}
        return await self._post("ship", request.order_reference, "shipping", {"orderShipment": {"orderLines": lines}})

    async def probe_ship(self, request: ShipParcel) -> ProbeResult:
        """Do its lines show its tracking number? Raises `CallError`."""
        asked = {line.line_id for line in request.lines}
        lines = [x for x in await self.lines("probe_ship", request.order_reference) if x.get("lineNumber") in asked]
        ours = [request.tracking_number in states([line], "trackingInfo", "trackingNumber") for line in lines]
        if ours and all(ours):
            return self._seen(ProbeState.APPLIED, {"our tracking number"})
        still = bool(ours) and not any(ours) and all(states([line]) & OPEN for line in lines)
        return self._seen(ProbeState.NOT_APPLIED if still else ProbeState.UNDECIDED, states(lines))

    def _seen(self, state: ProbeState, words: Iterable[str]) -> ProbeResult:
        return ProbeResult(state, self.client.hide(f"shown: {', '.join(sorted(words)) or 'nothing'}"))


class Connector:
    """What the entry point names."""

    manifest = MANIFEST

    def connect(self, context: ConnectionContext) -> Connection:
        """A connection. Raises `FieldErrors` when its settings break a rule."""
        return Connection(context)

    def build_sandbox(self, options: SandboxOptions) -> Simulator:
        """The simulator, imported late: a production image may leave it out."""
        from connector_walmart.sandbox.simulator import Sandbox

        return Sandbox(options)


CONNECTOR = Connector()
