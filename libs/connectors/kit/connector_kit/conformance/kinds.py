"""Effect kinds as data: which protocol methods apply and probe them, and how the suite makes up requests.

Requests are made from the order as the connector itself maps it, so the suite needs no knowledge of any wire.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from connector_kit.capabilities import MappedOrder
from connector_kit.manifest import Capability
from connector_kit.offers import ChannelPrice, PublishOffer, ReleaseOffer
from connector_kit.outcome import OutcomeState
from connector_kit.requests import (
    AcceptLine,
    AnswerOrder,
    CancelOrder,
    CancelShopOrder,
    CreateShopOrder,
    RefundLineRequest,
    RefundOrder,
    SetPrice,
    SetStock,
    ShipLine,
    ShipParcel,
    ShopAddress,
    ShopCustomer,
    UploadInvoice,
)
from hub_contracts.base import Money
from hub_contracts.orders import OrderSnapshot, TaxMode
from hub_contracts.routes import RouteLine

if TYPE_CHECKING:
    from connector_kit.conformance.world import World

NOWHERE = "NOT-THERE-0"
NAMESPACE = UUID("8f2b1a6e-3f0c-5d57-9a51-6a1e3c0d7f11")


@dataclass(frozen=True)
class EffectKind:
    """One kind of effect."""

    name: str
    capability: Capability
    send: str
    """Method that takes a batch of requests."""
    probe: str
    recorded: str
    """Kind of the simulator's record entry."""
    stage: str = "new"
    absolute: bool = False
    """States values whole: sending again is harmless, so doubt may end in RETRY."""
    probe_takes_answer: bool = False
    once: bool = False
    """A repeat after success is refused or ignored by every sensible outside."""


_ALL = (
    EffectKind("accept", Capability.ACCEPT, "accept", "probe_accept", "accept", once=True),
    EffectKind("refuse", Capability.ACCEPT, "refuse", "probe_refuse", "refuse", once=True),
    EffectKind("ship", Capability.SHIP, "ship", "probe_ship", "ship", "to_ship"),
    EffectKind("refund", Capability.REFUND, "refund", "probe_refund", "refund", "shipped"),
    EffectKind("cancel", Capability.CANCEL, "cancel", "probe_cancel", "cancel", "cancellable", once=True),
    EffectKind("set_stock", Capability.STOCK, "set_stock", "probe_stock", "stock", "new", True, True),
    EffectKind("set_price", Capability.PRICE, "set_price", "probe_price", "price", "new", True, True),
    EffectKind("upload_invoice", Capability.INVOICE, "upload_invoice", "probe_invoice", "invoice", "shipped"),
    EffectKind(
        "publish_offer",
        Capability.PUBLISH_OFFERS,
        "publish_offers",
        "probe_publish_offer",
        "publish_offer",
        "new",
        True,
        True,
    ),
    EffectKind(
        "release_offer",
        Capability.RELEASE_OFFERS,
        "release_offers",
        "probe_release_offer",
        "release_offer",
        "new",
        True,
        True,
    ),
    EffectKind(
        "import_products",
        Capability.PRODUCTS,
        "import_products",
        "probe_import_products",
        "import_products",
        "new",
        True,
        True,
    ),
    EffectKind(
        "answer_return", Capability.RETURNS, "answer_returns", "probe_answer_return", "answer_return", "shipped"
    ),
    EffectKind("send_message", Capability.MESSAGES, "send_messages", "probe_send_message", "send_message", "new"),
    EffectKind("create_order", Capability.SHOP_ORDERS, "create_order", "probe_create_order", "create_order", once=True),
    EffectKind("cancel_order", Capability.SHOP_ORDERS, "cancel_order", "probe_cancel_order", "cancel_order", once=True),
)
OFFER_KINDS = frozenset({"set_stock", "set_price", "publish_offer", "release_offer"})
KINDS = {kind.name: kind for kind in _ALL}


def target(request: Any) -> str | None:
    """What the simulator's record names as reference; None where it may name anything."""
    for name in ("return_reference", "order_reference", "offer_sku", "route_id"):
        value = getattr(request, name, None)
        if value is not None:
            return str(value)
    return None


def elsewhere(request: Any) -> Any | None:
    """The same request about something that does not exist; None where the suite cannot tell."""
    for name in ("order_reference", "offer_sku"):
        if getattr(request, name, None) is not None:
            changes: dict[str, Any] = {name: NOWHERE}
            if hasattr(request, "return_reference"):
                changes["return_reference"] = NOWHERE
            if getattr(request, "lines", ()):
                changes["lines"] = tuple(
                    line.model_copy(update={"line_id": f"{NOWHERE}-{at}"}) for at, line in enumerate(request.lines)
                )
            return request.model_copy(update=changes)
    return None


def answer_order(order: MappedOrder, *, accepted: bool) -> AnswerOrder:
    """Accept or refuse every line."""
    lines = tuple(AcceptLine(line_id=line.line_id, accepted=accepted) for line in order.snapshot.lines)
    return AnswerOrder(order_reference=order.snapshot.marketplace_reference, lines=lines)


def whole_parcel(order: MappedOrder, carrier: tuple[str | None, str]) -> ShipParcel:
    """One parcel with every unit."""
    shown = order.snapshot
    lines = (ShipLine(line_id=at.line_id, offer_sku=at.offer_sku, quantity=at.quantity) for at in shown.lines)
    return ShipParcel(
        order_reference=shown.marketplace_reference,
        parcel_id=uuid5(NAMESPACE, f"{shown.marketplace_reference}/parcel"),
        lines=tuple(lines),
        whole_order=True,
        completes_order=True,
        carrier_code=carrier[0],
        carrier_name=carrier[1],
        tracking_number="00401234567890",
        tracking_url="https://track.example.invalid/00401234567890",
    )


def first_line_back(order: MappedOrder, reason: str) -> RefundOrder:
    """Money back for all units of the first line, shipping excluded."""
    shown = order.snapshot
    line = shown.lines[0]
    back = RefundLineRequest(
        line_id=line.line_id,
        offer_sku=line.offer_sku,
        quantity=line.quantity,
        amount=line.line_price.amount,
        shipping_amount=Decimal(0),
        reason_code=reason,
    )
    return RefundOrder(
        order_reference=shown.marketplace_reference,
        refund_id=uuid5(NAMESPACE, f"{shown.marketplace_reference}/refund"),
        currency=shown.currency,
        tax_mode=shown.tax_mode,
        lines=(back,),
        refund_shipping=False,
        known_refunds=tuple(refund.refund_reference for refund in shown.refunds),
    )


def whole_cancellation(order: MappedOrder) -> CancelOrder:
    """Cancel the whole order."""
    shown = order.snapshot
    return CancelOrder(
        order_reference=shown.marketplace_reference,
        cancellation_id=uuid5(NAMESPACE, f"{shown.marketplace_reference}/cancellation"),
        currency=shown.currency,
        tax_mode=shown.tax_mode,
    )


def invoice(order: MappedOrder) -> UploadInvoice:
    """A tiny file."""
    reference = order.snapshot.marketplace_reference
    return UploadInvoice(order_reference=reference, file_name=f"{reference}.pdf", content_base64="JVBERi0xLjQKJSVFT0YK")


def _distinct_offers(orders: Sequence[MappedOrder], count: int) -> list[tuple[str, OrderSnapshot]]:
    found = {line.offer_sku: order.snapshot for order in orders for line in order.snapshot.lines}
    assert len(found) >= count, f"only {len(found)} different offers in {len(orders)} invented orders"
    return list(found.items())[:count]


async def build(world: World, kind: EffectKind, count: int) -> list[Any]:
    """So many requests of a kind, each about something of its own."""
    own = world.subject.requests.get(kind.name)
    if own is not None:
        return list(await own(world, count))
    if kind.capability is Capability.SHOP_ORDERS:
        return [await _shop_request(world, kind) for _ in range(count)]
    offers = kind.name in OFFER_KINDS
    orders = await world.mapped(kind.stage, 12 if offers and count > 1 else count)
    if offers:
        picked = _distinct_offers(orders, count)
        if kind.name == "release_offer":
            await _freeze(world, [sku for sku, _ in picked], picked[0][1].currency)
        return [_offer_request(kind, sku, shown, at) for at, (sku, shown) in enumerate(picked)]
    made = [_order_request(world, kind, order) for order in orders]
    assert None not in made, f"{kind.name}: the suite cannot make requests; give a builder in Subject.requests"
    return made


async def _freeze(world: World, skus: Sequence[str], currency: str) -> None:
    """A value that was set by a call is what there is to release."""
    price = Money(amount=Decimal("12.34"), currency=currency)
    await world.connection.set_stock([SetStock(offer_sku=sku, quantity=41) for sku in skus])
    await world.connection.set_price([SetPrice(offer_sku=sku, price=price) for sku in skus])


def _offer_request(kind: EffectKind, sku: str, shown: OrderSnapshot, at: int) -> Any:
    price = Money(amount=Decimal("12.34") + at, currency=shown.currency)
    match kind.name:
        case "set_stock":
            return SetStock(offer_sku=sku, quantity=41 + at)
        case "set_price":
            return SetPrice(offer_sku=sku, price=price)
        case "publish_offer":
            return PublishOffer(offer_sku=sku, prices=(ChannelPrice(price=price),), quantity=41 + at)
    return ReleaseOffer(offer_sku=sku, fields=("price", "stock"))


def _order_request(world: World, kind: EffectKind, order: MappedOrder) -> Any:
    match kind.name:
        case "accept" | "refuse":
            return answer_order(order, accepted=kind.name == "accept")
        case "ship":
            return whole_parcel(order, world.subject.carrier)
        case "refund":
            return first_line_back(order, world.subject.refund_reason)
        case "cancel":
            return whole_cancellation(order)
        case "upload_invoice":
            return invoice(order)
    return None


async def _shop_request(world: World, kind: EffectKind) -> CreateShopOrder | CancelShopOrder:
    order = shop_order(world.next_number())
    if kind.name == "create_order":
        return order
    created = await world.connection.create_order([order])
    assert created[0].state is OutcomeState.DONE, f"create_order before cancel_order: {created[0]}"
    return CancelShopOrder(
        order_id=order.order_id,
        route_id=order.route_id,
        order_number=order.order_number,
        reason="cancelled by the buyer",
    )


def shop_order(number: int) -> CreateShopOrder:
    """An invented order on its way to a shop: two lines, amounts that binary fractions cannot hold."""
    lines = tuple(
        RouteLine(
            line_id=f"L{at}",
            offer_sku=f"OFFER-{at}",
            shop_sku=f"SKU-{at}",
            title=f"Article {at}",
            quantity=3,
            unit_price=Money(amount=Decimal("19.99"), currency="EUR"),
            shipping_price=Money(amount=Decimal("0.10"), currency="EUR"),
        )
        for at in (1, 2)
    )
    address = ShopAddress(
        first_name="Zoé",
        last_name="Quxmann",
        street_1="7 Rue <Inventée> & Cie",
        postal_code="59999",
        city="Nulleville",
        country_code="FR",
        phone="+33000000001",
        email="zoe@example.invalid",
    )
    return CreateShopOrder(
        order_id=uuid5(NAMESPACE, f"order/{number}"),
        route_id=uuid5(NAMESPACE, f"route/{number}"),
        order_number=f"C{number:06d}",
        marketplace="conformance",
        marketplace_reference=f"CONF-{number}",
        currency="EUR",
        tax_mode=TaxMode.INCLUDED,
        products_price=Decimal("119.94"),
        shipping_price=Decimal("0.20"),
        total_price=Decimal("120.14"),
        lines=lines,
        customer=ShopCustomer(shipping=address, billing=address),
    )
