"""Plans what a marketplace must be told about an offer: absolute values, newest wins, equal facts never twice."""

from __future__ import annotations

from dataclasses import dataclass

from connector_kit.discovery import UnknownConnector, connector
from connector_kit.http import Lane
from connector_kit.manifest import Capability
from connector_kit.requests import SetPrice, SetStock
from hub_common.connections import Connection
from hub_common.connectors import supports
from hub_common.effects.model import PlannedEffect
from hub_common.tx import Cause, Tx
from hub_contracts.base import Money
from hub_contracts.connections import ConnectionState
from hub_contracts.envelope import Origin
from stock_sync.domain import Price, Pushing, next_version, price_to_push, quantity_to_push
from stock_sync.store_offers import Offer


@dataclass(frozen=True, slots=True)
class Channel:
    """How offers of one connection are pushed."""

    credential_ref: str
    pushing: Pushing


def channel_of(connection: Connection) -> Channel:
    """What of this connection's offers is told to its marketplace. A paused one is planned for, and sent on resume."""
    data, stock = connection.data, connection.data.settings.stock
    return Channel(
        data.credential_ref,
        Pushing(
            quantity_why_not=_why_not(connection, Capability.STOCK, on=stock.push_stock),
            price_why_not=_why_not(connection, Capability.PRICE, on=stock.push_price),
        ),
    )


def _why_not(connection: Connection, capability: Capability, *, on: bool) -> str:
    data = connection.data
    if data.state is ConnectionState.INACTIVE:
        return "the connection is not active"
    if not on:
        return f"sending of {capability.value} is switched off"
    try:
        manifest = connector(data.connector).manifest
    except UnknownConnector:
        return f"connector {data.connector} is not installed"
    if not supports(manifest, data.settings.capabilities_off, capability.value):
        return f"the connector cannot set {capability.value}, or this connection does not use it"
    return ""


def plan(tx: Tx, offer: Offer, channel: Channel, cause: Cause, *, again: bool = False) -> list[str]:
    """Plan what differs from what was sent or will be; returns the kinds planned. `again`: whether or not it differs.

    What the fence holds back (replayed, backfilled causes) is not noted as planned, so the next live cause sends it.
    """
    planned: list[str] = []
    quantity = quantity_to_push(offer.figures, offer.planned_quantity, channel.pushing, again=again)
    if quantity is not None:
        request = SetStock(offer_sku=offer.offer_sku, quantity=quantity)
        if _plan(tx, "set_stock", offer, request, channel, cause):
            offer.planned_quantity = quantity
            planned.append("set_stock")
    price = price_to_push(offer.figures, offer.planned, channel.pushing, again=again)
    if price is not None and _plan(tx, "set_price", offer, _set_price(offer.offer_sku, price), channel, cause):
        offer.planned_price, offer.planned_discount = price.amount, price.discount
        offer.planned_currency = price.currency
        planned.append("set_price")
    return planned


def _set_price(offer_sku: str, price: Price) -> SetPrice:
    discount = Money(amount=price.discount, currency=price.currency) if price.discount is not None else None
    return SetPrice(
        offer_sku=offer_sku, price=Money(amount=price.amount, currency=price.currency), discount_price=discount
    )


def _plan(tx: Tx, kind: str, offer: Offer, request: SetStock | SetPrice, channel: Channel, cause: Cause) -> bool:
    line = f"{kind}:{offer.key}"
    if cause.origin is Origin.LIVE:
        offer.push_version = next_version(offer.push_version, tx.now)
    effect = PlannedEffect(
        kind=kind,
        natural_key=f"{line}:{offer.push_version}",
        connection_id=offer.connection_id,
        credential_ref=channel.credential_ref,
        request=request,
        cause=cause,
        order_key=line,
        supersede_key=line,
        lane=Lane.STOCK,
    )
    return tx.plan(effect) == 1
