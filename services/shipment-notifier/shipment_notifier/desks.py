"""From rows to the order as the domain sees it, and what its parcels' effects say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from connector_kit.discovery import UnknownConnector, connector
from connector_kit.manifest import Capability
from connector_kit.requests import ShipLine, ShipParcel
from hub_common.connections import Connection, load_connections
from hub_common.connectors import supports
from hub_common.database import Conn
from hub_common.effects.model import EffectState
from hub_common.tx import Cause
from hub_contracts.orders import Environment, FulfilledBy
from hub_contracts.parcels import ParcelCarrierMapped
from hub_contracts.shop_activity import LineQuantity
from hub_contracts.status import OrderStatus
from shipment_notifier import store
from shipment_notifier.domain import (
    Content,
    Line,
    Order,
    Parcel,
    Sent,
    Shipment,
    covers,
    notified_units,
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A parcel with its row."""

    row: asyncpg.Record
    parcel: Parcel

    @property
    def why(self) -> Cause:
        """What is told about it follows from its mapping."""
        row = self.row
        return Cause(tenant=row["tenant"], traceparent=row["traceparent"], causation_id=row["causation_id"])


@dataclass(frozen=True, slots=True)
class Planned:
    """An effect that can still be taken back, oldest first."""

    effect_id: UUID
    request: dict[str, Any]
    parcel_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Desk:
    """One order with everything that is known about it. `connection` None: its events come on another topic."""

    row: asyncpg.Record
    connection: Connection | None
    order: Order
    parcels: list[Stored]
    planned: list[Planned]

    @property
    def order_id(self) -> UUID:
        """The order."""
        order_id: UUID = self.row["order_id"]
        return order_id

    @property
    def complete(self) -> bool:
        """The marketplace confirmed every unit that is owed."""
        return covers(notified_units([stored.parcel for stored in self.parcels]), self.order.owed)


async def open_desks(conn: Conn, order_ids: Iterable[UUID]) -> list[Desk]:
    """Desks of those of these orders that were heard of, locked."""
    rows = await store.load(conn, order_ids)
    known = await load_connections(conn, {row["connection_id"] for row in rows.orders})
    return [_desk(row, known.get(row["connection_id"]), rows) for row in rows.orders]


def _desk(row: asyncpg.Record, connection: Connection | None, rows: store.Rows) -> Desk:
    order_id = row["order_id"]
    lines = {
        line["line_id"]: Line(line["line_id"], line["offer_sku"], line["quantity"], OrderStatus(line["status"]))
        for line in rows.lines
        if line["order_id"] == order_id
    }
    parcels = [_stored(each, rows) for each in rows.parcels if each["order_id"] == order_id]
    planned = [
        Planned(effect_id, orjson.loads(effect["request"]), covered_by(orjson.loads(effect["context"])))
        for effect_id, effect in rows.effects.items()
        if effect["order_id"] == order_id and effect_id in rows.replaceable
    ]
    return Desk(row, connection, _order(row, connection, lines), parcels, planned)


def _order(row: asyncpg.Record, connection: Connection | None, lines: dict[str, Line]) -> Order:
    common: dict[str, Any] = {
        "status": OrderStatus(row["status"]),
        "environment": Environment(row["environment"]),
        "lines": lines,
        "is_test": row["is_test"],
        "by_seller": row["fulfilled_by"] == FulfilledBy.SELLER,
    }
    if connection is None:
        return Order(**common)
    try:
        manifest = connector(connection.data.connector).manifest
    except UnknownConnector:
        return Order(**common, ships=False)
    return Order(
        **common,
        connection_environment=connection.data.environment,
        ships=supports(manifest, connection.data.settings.capabilities_off, Capability.SHIP),
        partial_shipment=manifest.orders.partial_shipment,
        requires_tracking_url=manifest.orders.requires_tracking_url,
    )


def _stored(row: asyncpg.Record, rows: store.Rows) -> Stored:
    event = ParcelCarrierMapped.model_validate_json(row["body"])
    effect = rows.effects.get(row["effect_id"])
    told = content_from(orjson.loads(row["told"])) if row["told"] else None
    parcel = Parcel(
        parcel_id=row["parcel_id"],
        environment=event.environment,
        content=content_of(event),
        live=row["live"],
        sent=_sent(effect, rows.replaceable),
        told=told,
        refusal=effect["reason"] if effect else "",
    )
    return Stored(row, parcel)


def _sent(effect: asyncpg.Record | None, replaceable: set[UUID]) -> Sent:
    if effect is None or effect["state"] == EffectState.SUPERSEDED or effect["effect_id"] in replaceable:
        return Sent.FREE
    ends = {EffectState.DONE: Sent.DONE, EffectState.REJECTED: Sent.REJECTED}
    return ends.get(EffectState(effect["state"]), Sent.OPEN)


def content_of(event: ParcelCarrierMapped) -> Content:
    """What a marketplace would notice; lines that repeat are added up."""
    units: Counter[str] = Counter()
    for line in event.lines:
        units[line.line_id] += line.quantity
    return Content(event.carrier_code, event.carrier_name, event.tracking_number, event.tracking_url, dict(units))


def content_from(stored: dict[str, Any]) -> Content:
    """The content that was written down."""
    return Content(**stored)


def content_json(content: Content) -> dict[str, Any]:
    """The content as it is written down."""
    return {
        "carrier_code": content.carrier_code,
        "carrier_name": content.carrier_name,
        "tracking_number": content.tracking_number,
        "tracking_url": content.tracking_url,
        "lines": dict(content.lines),
    }


def request_of(desk: Desk, shipment: Shipment) -> ShipParcel:
    """What is asked of the connector."""
    content = shipment.content
    return ShipParcel(
        order_reference=desk.row["marketplace_reference"],
        parcel_id=shipment.leading,
        lines=tuple(
            ShipLine(line_id=line_id, offer_sku=desk.order.lines[line_id].offer_sku, quantity=quantity)
            for line_id, quantity in shipment.lines.items()
        ),
        whole_order=shipment.whole_order,
        completes_order=shipment.completes_order,
        carrier_code=content.carrier_code,
        carrier_name=content.carrier_name,
        tracking_number=content.tracking_number,
        tracking_url=content.tracking_url,
    )


def context_of(desk: Desk, shipment: Shipment) -> dict[str, Any]:
    """What is needed when the effect settles: the parcels it stands for, with their units."""
    lines = {stored.parcel.parcel_id: dict(stored.parcel.content.lines) for stored in desk.parcels}
    return {"parcels": [{"parcel_id": str(each), "lines": lines[each]} for each in shipment.parcel_ids]}


def covered_by(context: dict[str, Any]) -> tuple[UUID, ...]:
    """The parcels that an effect stands for."""
    return tuple(UUID(each["parcel_id"]) for each in context["parcels"])


def told_lines(context: dict[str, Any], parcel_id: UUID) -> tuple[LineQuantity, ...]:
    """The units that an effect tells of one parcel."""
    [lines] = [each["lines"] for each in context["parcels"] if each["parcel_id"] == str(parcel_id)]
    return tuple(LineQuantity(line_id=line_id, quantity=quantity) for line_id, quantity in lines.items())
