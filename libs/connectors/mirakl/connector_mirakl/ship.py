"""Telling Mirakl about parcels, in one of two ways that must not be mixed on one order.

Where the operator has multi-shipment on, each parcel is one shipment: ST01 creates it, ST24 says that it left where
ST01 did not, ST23 corrects its tracking. Before one is created Mirakl is asked whether it has it already (ST11), so
telling a parcel again finishes or corrects it instead of making a second one. Elsewhere ST calls answer 404 and the
whole order is shipped at once: OR23 (tracking), then OR24. Shipping part of an order through OR24 would tell the buyer
that everything left, so such a parcel is rejected instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connector_kit.http import Answer, CallError
from connector_kit.outcome import Outcome, OutcomeState
from connector_kit.requests import ShipParcel
from connector_mirakl.client import MiraklClient, Unavailable, order_path
from connector_mirakl.errors import ATTENTION_SECONDS, outcome_of_error, outcome_of_refusal
from connector_mirakl.operator_setup import OperatorSetup
from connector_mirakl.ship_rules import ShipRules
from connector_mirakl.shipments import LEFT, OPEN, ShipmentReader, find, other_tracking, read_update, told_about
from connector_mirakl.wire import Json, as_object, text


class Shipments:
    """Capability `ship` of one connection, the sending half."""

    def __init__(self, client: MiraklClient, setup: OperatorSetup, rules: ShipRules, reader: ShipmentReader) -> None:
        self._client = client
        self._setup = setup
        self._rules = rules
        self._reader = reader

    async def ship(self, requests: Sequence[ShipParcel]) -> list[Outcome]:
        """One outcome per parcel, in order."""
        try:
            rules = await self._setup.parcels()
        except CallError as error:
            return [_not_asked(error)] * len(requests)
        outcomes: dict[int, Outcome] = {}
        for index, request in enumerate(requests):
            try:
                problem = await self._rules.problem(request, rules)
            except CallError as error:
                outcomes[index] = _not_asked(error)
                continue
            if problem is not None:
                outcomes[index] = Outcome.rejected(problem)
        left = [index for index in range(len(requests)) if index not in outcomes]
        if not rules.several:
            outcomes.update({index: await self._ship_whole(requests[index]) for index in left})
            left = []
        for group in one_per_order([requests[index] for index in left]):
            outcomes.update(await self._ship_parcels({left[at]: requests[left[at]] for at in group}))
        return [outcomes[index] for index in range(len(requests))]

    async def _ship_whole(self, request: ShipParcel) -> Outcome:
        """OR23, then OR24. OR23 is a plain update and may be repeated; only OR24 can be in doubt."""
        if not request.whole_order:
            return Outcome.rejected(
                "the operator takes one shipment per order only (multi-shipment is off); this parcel is a part of it"
            )
        path = order_path(request.order_reference, "tracking")
        body = tracking_body(request, "carrier_url")
        try:
            tracking = await self._client.send("set_tracking", "PUT", path, json=body, idempotent=True)
        except CallError as error:
            return outcome_of_error(error, idempotent=True)
        if tracking.status != 204:
            return self._tracking_refused(tracking)
        try:
            answer = await self._client.send("ship", "PUT", order_path(request.order_reference, "ship"))
        except CallError as error:
            return outcome_of_error(error)
        if answer.status == 204:
            return Outcome.done(way="OR24")
        return outcome_of_refusal(answer, self._client.explain(answer))

    def _tracking_refused(self, answer: Answer) -> Outcome:
        """A 400 may mean that an earlier attempt shipped the order already: the probe decides, not we."""
        explanation = self._client.explain(answer)
        if answer.status in (400, 409):
            return outcome_of_refusal(answer, explanation)
        return outcome_of_refusal(answer, explanation, idempotent=True)

    async def _ship_parcels(self, parcels: dict[int, ShipParcel]) -> dict[int, Outcome]:
        """Parcels of different orders: those that Mirakl has are finished, the others created."""
        references = [parcel.order_reference for parcel in parcels.values()]
        try:
            known = await self._reader.of_orders(references, "read_shipments")
        except CallError as error:
            if isinstance(error, Unavailable) and error.status == 404:
                return await self._off(parcels)
            return dict.fromkeys(parcels, _not_asked(error))
        outcomes: dict[int, Outcome] = {}
        new: dict[int, ShipParcel] = {}
        for index, parcel in parcels.items():
            shipment = find(known, parcel)
            if shipment is None:
                new[index] = parcel
            else:
                outcomes[index] = await self._finish(shipment, parcel)
        return outcomes | (await self._create(new) if new else {})

    async def _off(self, parcels: dict[int, ShipParcel]) -> dict[int, Outcome]:
        self._setup.not_supported()
        return {index: await self._ship_whole(parcel) for index, parcel in parcels.items()}

    async def _create(self, parcels: dict[int, ShipParcel]) -> dict[int, Outcome]:
        """One ST01 call with at most one shipment per order, because its errors only name the order."""
        body = {"shipments": [shipment_body(parcel) for parcel in parcels.values()]}
        try:
            answer = await self._client.send("ship", "POST", "/api/shipments", json=body)
            if answer.status == 404:
                return await self._off(parcels)
            if answer.status != 201:
                refused = outcome_of_refusal(answer, self._client.explain(answer))
                return dict.fromkeys(parcels, refused)
            told = as_object(answer.json(), "ST01")
        except CallError as error:
            return dict.fromkeys(parcels, outcome_of_error(error))
        outcomes = {index: read_item(told, parcel) for index, parcel in parcels.items()}
        for index, outcome in outcomes.items():
            if outcome.answer.get("status") == OPEN:
                outcomes[index] = await self._confirm(str(outcome.answer["shipment_id"]))
        return outcomes

    async def _finish(self, shipment: Json, request: ShipParcel) -> Outcome:
        """A parcel that Mirakl has: correct its tracking (ST23), say that it left (ST24), or nothing at all."""
        shipment_id, status = text(shipment.get("id")) or "", text(shipment.get("status")) or ""
        if status == "CANCELED":
            return Outcome.rejected(f"shipment {shipment_id} of this parcel was cancelled at Mirakl")
        if status != OPEN and status not in LEFT:
            return Outcome.unknown(f"shipment {shipment_id} is {status[:60]!r}", retry_if_not_applied=False)
        if other_tracking(shipment, request) is not None:
            corrected = await self._correct(shipment_id, request)
            if corrected.state is not OutcomeState.DONE or status in LEFT:
                return corrected
        if status == OPEN:
            return await self._confirm(shipment_id)
        return Outcome.done(way="ST11", shipment_id=shipment_id, status=status)

    async def _correct(self, shipment_id: str, request: ShipParcel) -> Outcome:
        """ST23, a plain update: what is unclear may be sent again."""
        body = {"shipments": [{"id": shipment_id, "tracking": tracking_body(request, "tracking_url")}]}
        try:
            path = "/api/shipments/tracking"
            answer = await self._client.send("set_tracking", "POST", path, json=body, idempotent=True)
            if answer.status != 200:
                return outcome_of_refusal(answer, self._client.explain(answer), idempotent=True)
            return read_update(as_object(answer.json(), "ST23"), shipment_id, "ST23")
        except CallError as error:
            return outcome_of_error(error, idempotent=True)

    async def _confirm(self, shipment_id: str) -> Outcome:
        """ST24: the parcel left."""
        body = {"shipments": [{"id": shipment_id}]}
        try:
            answer = await self._client.send("confirm_shipment", "PUT", "/api/shipments/ship", json=body)
            if answer.status != 200:
                return outcome_of_refusal(answer, self._client.explain(answer))
            return read_update(as_object(answer.json(), "ST24"), shipment_id, "ST24")
        except CallError as error:
            return outcome_of_error(error)


def _not_asked(error: CallError) -> Outcome:
    """Something that must be known first could not be read, so nothing was sent."""
    wait: float | None = getattr(error, "retry_after", None)
    if isinstance(error, Unavailable) and error.status in (401, 403):
        wait = ATTENTION_SECONDS
    return Outcome.retry(f"not sent, what Mirakl has or wants is unknown: {error}", after=wait)


def one_per_order(requests: Sequence[ShipParcel]) -> list[list[int]]:
    """Positions grouped so that no group holds two parcels of one order; order within an order is kept."""
    groups: list[list[int]] = []
    rounds: dict[str, int] = {}
    for index, request in enumerate(requests):
        turn = rounds.get(request.order_reference, 0)
        rounds[request.order_reference] = turn + 1
        if turn == len(groups):
            groups.append([])
        groups[turn].append(index)
    return groups


def tracking_body(request: ShipParcel, url_key: str) -> Json:
    """Carrier and tracking. The address is `carrier_url` in OR23 and `tracking_url` in ST01; a registered carrier's
    address is computed by Mirakl, so ours is only sent without a code."""
    body: dict[str, Any] = {"carrier_name": request.carrier_name}
    if request.carrier_code is not None:
        body["carrier_code"] = request.carrier_code
    elif request.tracking_url is not None:
        body[url_key] = request.tracking_url
    if request.tracking_number is not None:
        body["tracking_number"] = request.tracking_number
    return body


def shipment_body(request: ShipParcel) -> Json:
    """One ST01 shipment. `package_reference` carries our parcel id, by which the probe recognises it (ST11)."""
    return {
        "order_id": request.order_reference,
        "shipped": True,
        "tracking": tracking_body(request, "tracking_url"),
        "shipment_lines": [
            {"order_line_id": line.line_id, "quantity": line.quantity, "package_reference": str(request.parcel_id)}
            for line in request.lines
        ],
    }


def read_item(told: Json, request: ShipParcel) -> Outcome:
    """Find one parcel in ST01's two lists (201 even if every item failed). Missing or in both: unknown."""
    good, bad = told_about(told, "order_id", request.order_reference)
    if len(good) == 1 and not bad:
        shipment_id, status = text(good[0].get("id")), text(good[0].get("status")) or ""
        if status in LEFT:
            return Outcome.done(way="ST01", shipment_id=shipment_id, status=status)
        reason = f"ST01: the shipment was created and is {status[:60]!r}"
        told_now = {"shipment_id": shipment_id, "status": status} if shipment_id else {}
        return Outcome.unknown(reason, retry_if_not_applied=False, **told_now)
    if bad and not good:
        reason = text(bad[0].get("message")) or "no text"
        return Outcome.unknown(f"ST01 refused the shipment: {reason[:300]}", retry_if_not_applied=False)
    if good or bad:
        return Outcome.unknown("ST01 lists the order more than once", retry_if_not_applied=False)
    return Outcome.unknown("ST01: the shipment is in neither list of the answer")
