"""Telling Mirakl about parcels, in one of two ways that must not be mixed on one order.

Where the operator has multi-shipment on, each parcel is one ST01 shipment. Elsewhere ST calls answer 404 and the whole
order is shipped at once: OR23 (tracking), then OR24. Shipping part of an order through OR24 would tell the buyer that
everything left, so such a parcel is rejected instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connector_kit.http import Answer, CallError
from connector_kit.outcome import Outcome
from connector_kit.requests import ShipParcel
from connector_mirakl.client import MiraklClient, Unavailable, order_path
from connector_mirakl.errors import ATTENTION_SECONDS, outcome_of_error, outcome_of_refusal
from connector_mirakl.settings import MiraklSettings
from connector_mirakl.wire import Json, as_object, member, objects, text

LEFT = frozenset({"SHIPPED", "SHIPMENT_PREPARED", "READY_FOR_PICK_UP", "TO_COLLECT", "RECEIVED", "CLOSED"})
"""Shipment states in which the parcel counts as told; SHIPMENT_PREPARED waits for the debit only (fact sheet 2.7)."""


class ShipmentWay:
    """Which of the two ways this operator takes; asked once (PC01) when the setting is `auto`."""

    def __init__(self, client: MiraklClient, settings: MiraklSettings) -> None:
        self._client = client
        self._several: bool | None = {"on": True, "off": False}.get(settings.multi_shipment)

    async def several(self) -> bool:
        """Whether ST calls work. Raises `CallError` when the platform cannot be asked now."""
        if self._several is None:
            try:
                found = await self._client.read_object("read_configuration", "/api/platform/configuration")
            except Unavailable as error:
                if error.status != 404:
                    raise
                found = {}
            shipment = member(member(found, "features"), "shipment")
            self._several = shipment.get("multi_shipment") is True
        return self._several

    def not_supported(self) -> None:
        """An ST call answered 404: this operator has the feature off, whatever was configured."""
        self._several = False


class Shipments:
    """Capability `ship` of one connection, the sending half."""

    def __init__(self, client: MiraklClient, way: ShipmentWay) -> None:
        self._client = client
        self._way = way

    async def ship(self, requests: Sequence[ShipParcel]) -> list[Outcome]:
        """One outcome per parcel, in order."""
        try:
            several = await self._way.several()
        except CallError as error:
            return [_not_asked(error)] * len(requests)
        if not several:
            return [await self._ship_whole(request) for request in requests]
        outcomes: dict[int, Outcome] = {}
        for group in one_per_order(requests):
            outcomes.update(await self._ship_parcels({index: requests[index] for index in group}))
        return [outcomes[index] for index in range(len(requests))]

    async def _ship_whole(self, request: ShipParcel) -> Outcome:
        """OR23, then OR24. OR23 is a plain update and may be repeated; only OR24 can be in doubt."""
        if not request.whole_order:
            return Outcome.rejected(
                "the operator takes one shipment per order only (multi-shipment is off); this parcel is a part of it"
            )
        path = order_path(request.order_reference, "tracking")
        try:
            tracking = await self._client.send(
                "set_tracking", "PUT", path, json=tracking_body(request, "carrier_url"), idempotent=True
            )
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
        """One ST01 call with at most one shipment per order, because its errors only name the order."""
        body = {"shipments": [shipment_body(parcel) for parcel in parcels.values()]}
        try:
            answer = await self._client.send("ship", "POST", "/api/shipments", json=body)
            if answer.status == 404:
                self._way.not_supported()
                return {index: await self._ship_whole(parcel) for index, parcel in parcels.items()}
            if answer.status != 201:
                refused = outcome_of_refusal(answer, self._client.explain(answer))
                return dict.fromkeys(parcels, refused)
            told = as_object(answer.json(), "ST01")
        except CallError as error:
            return dict.fromkeys(parcels, outcome_of_error(error))
        return {index: read_item(told, parcel) for index, parcel in parcels.items()}


def _not_asked(error: CallError) -> Outcome:
    """The platform could not say which way it takes, so no parcel was sent."""
    wait: float | None = getattr(error, "retry_after", None)
    if isinstance(error, Unavailable) and error.status in (401, 403):
        wait = ATTENTION_SECONDS
    return Outcome.retry(f"not sent, the platform configuration is unknown: {error}", after=wait)


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
    mine = request.order_reference
    good = [item for item in objects(told.get("shipment_success")) if text(item.get("order_id")) == mine]
    bad = [item for item in objects(told.get("shipment_errors")) if text(item.get("order_id")) == mine]
    if len(good) == 1 and not bad:
        status = text(good[0].get("status")) or ""
        if status in LEFT:
            return Outcome.done(way="ST01", shipment_id=text(good[0].get("id")), status=status)
        return Outcome.unknown(f"ST01: the shipment was created and is {status[:60]!r}", retry_if_not_applied=False)
    if bad and not good:
        reason = text(bad[0].get("message")) or "no text"
        return Outcome.unknown(f"ST01 refused the shipment: {reason[:300]}", retry_if_not_applied=False)
    if good or bad:
        return Outcome.unknown("ST01 lists the order more than once", retry_if_not_applied=False)
    return Outcome.unknown("ST01: the shipment is in neither list of the answer")
