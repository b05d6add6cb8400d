"""Plans what a marketplace must be told about an offer: absolute values, newest wins, equal facts never twice."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from connector_kit.discovery import UnknownConnector, connector
from connector_kit.http import Lane
from connector_kit.manifest import Capability
from connector_kit.offers import ChannelPrice
from connector_kit.requests import SetPrice, SetStock
from hub_common.connections import Connection
from hub_common.connectors import supports
from hub_common.effects.model import PlannedEffect
from hub_common.tx import Cause, Tx
from hub_contracts.base import Money
from hub_contracts.connections import ConnectionState
from hub_contracts.envelope import Origin
from stock_sync.domain import Pushing, next_version, price_to_push, quantity_to_push
from stock_sync.prices import NO_TERMS, Price, PriceTerms
from stock_sync.store_offers import Offer
from stock_sync.terms import price_terms

KINDS = ("set_stock", "set_price")


@dataclass(frozen=True, slots=True)
class Channel:
    """How offers of one connection are pushed."""

    credential_ref: str
    pushing: Pushing
    terms: PriceTerms = NO_TERMS


def channel_of(connection: Connection) -> Channel:
    """What of this connection's offers is told to its marketplace. A paused one is planned for, and sent on resume."""
    data, stock = connection.data, connection.data.settings.stock
    return Channel(
        data.credential_ref,
        Pushing(
            quantity_why_not=_why_not(connection, Capability.STOCK, on=stock.push_stock),
            price_why_not=_why_not(connection, Capability.PRICE, on=stock.push_price),
        ),
        price_terms(connection),
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


def plan(
    tx: Tx, offer: Offer, channel: Channel, cause: Cause, *, again: bool = False, only: Collection[str] = KINDS
) -> list[str]:
    """Plan what differs from what was sent or will be; returns the kinds planned. `again`: whether or not it differs;
    `only`: no other kinds.

    What the fence holds back (replayed, backfilled causes) is not noted as planned, so the next live cause sends it.
    """
    planned: list[str] = []
    if offer.withdrawn_at is not None:
        return planned
    quantity = quantity_to_push(offer.figures, offer.planned_quantity, channel.pushing, again=again)
    if quantity is not None and "set_stock" in only:
        request = SetStock(offer_sku=offer.offer_sku, quantity=quantity)
        if _plan(tx, "set_stock", offer, request, channel, cause):
            offer.planned_quantity = quantity
            planned.append("set_stock")
    price = _price_to_push(offer, channel, tx.now, again=again) if "set_price" in only else None
    if price is not None and _plan(tx, "set_price", offer, _set_price(offer.offer_sku, price), channel, cause):
        offer.take_planned(price)
        planned.append("set_price")
    return planned


def _price_to_push(offer: Offer, channel: Channel, now: datetime, *, again: bool) -> Price | None:
    """The prices to send now. Where the marketplace knows dates it begins and ends discounts itself: only where it
    does not, a discount goes out when it begins, and the price again when it ends."""
    figures, planned = offer.figures, offer.planned
    wanted = figures.price.at(now) if figures.price else None
    if channel.terms.takes_dates:
        planned = planned.at(now) if planned else None
    else:
        wanted = wanted.begun() if wanted else None
    return price_to_push(replace(figures, price=wanted), planned, channel.pushing, again=again)


def _set_price(offer_sku: str, price: Price) -> SetPrice:
    return SetPrice(
        offer_sku=offer_sku,
        price=Money(amount=price.amount, currency=price.currency),
        discount_price=_discount(price),
        discount_from=price.since,
        discount_until=price.until,
        channel_prices=tuple(
            ChannelPrice(
                channel=name,
                price=Money(amount=each.amount, currency=each.currency),
                discount_price=_discount(each),
                discount_from=each.since,
                discount_until=each.until,
            )
            for name, each in price.channels
        ),
    )


def _discount(price: Price) -> Money | None:
    return Money(amount=price.discount, currency=price.currency) if price.discount is not None else None


def price_of(request: SetPrice) -> Price:
    """The prices that a request states."""
    return replace(
        _stated(request),
        channels=tuple((each.channel, _stated(each)) for each in request.channel_prices if each.channel is not None),
    )


def _stated(one: SetPrice | ChannelPrice) -> Price:
    discount = one.discount_price.amount if one.discount_price else None
    return Price(one.price.amount, discount, one.price.currency, one.discount_from, one.discount_until)


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
