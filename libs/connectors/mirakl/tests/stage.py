"""A simulated operator, a connection to it, and short ways to say what tests keep saying."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from pydantic import SecretStr

from connector_kit.capabilities import ConnectionContext, OrderWindow, RawOrder, SandboxOptions
from connector_kit.http import HttpCaller
from connector_kit.offers import ChannelPrice
from connector_kit.requests import (
    AcceptLine,
    AnswerOrder,
    CancelOrder,
    RefundLineRequest,
    RefundOrder,
    SetPrice,
    SetStock,
    ShipLine,
    ShipParcel,
)
from connector_kit.simulator import FaultRule
from connector_mirakl.connector import CONNECTOR, MiraklConnection
from connector_mirakl.csvfile import read_csv
from connector_mirakl.sandbox.simulator import MiraklSimulator
from connector_mirakl.sandbox.world import SimOrder
from hub_contracts.base import Money
from hub_contracts.orders import Environment, TaxMode

from .asgi_caller import AsgiCaller, ManualClock

CONNECTION = UUID("11111111-2222-5333-8444-555555555555")
KEY = "canary-5f2b9c-secret"


class Stage:
    """What a test plays on."""

    def __init__(
        self, sandbox: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None, key: str = KEY
    ) -> None:
        self.clock = ManualClock()
        options = SandboxOptions(clock=self.clock, seed=7, settings={"api_key": KEY, **(sandbox or {})})
        self.simulator: MiraklSimulator = CONNECTOR.build_sandbox(options)
        self.http = AsgiCaller(self.simulator)
        self.connection = self.connect(settings, key=key)

    def connect(
        self, settings: Mapping[str, Any] | None = None, http: HttpCaller | None = None, key: str = KEY
    ) -> MiraklConnection:
        return CONNECTOR.connect(self.context(settings, http, key))

    def context(
        self, settings: Mapping[str, Any] | None = None, http: HttpCaller | None = None, key: str = KEY
    ) -> ConnectionContext:
        """What the runtime hands to a connector for one connection."""
        return ConnectionContext(
            connection_id=CONNECTION,
            tenant="t1",
            environment=Environment.SANDBOX,
            settings=settings or {},
            credentials={"api_key": SecretStr(key)},
            http=http or self.http,
            clock=self.clock,
        )

    def fault(self, name: str, operation: str = "*", times: int | None = None) -> None:
        """Switch on exactly this fault."""
        self.simulator.faults.set([FaultRule(fault=name, operation=operation, times=times)])

    def no_faults(self) -> None:
        self.simulator.faults.set([])

    def order(self, **options: Any) -> SimOrder:
        [reference] = self.simulator.create_orders(1, options)
        return self.simulator.world.orders[reference]

    def orders(self, count: int, **options: Any) -> list[str]:
        return self.simulator.create_orders(count, options)

    def shipping_order(self, **options: Any) -> SimOrder:
        """An order that may be shipped: two lines, two and one units."""
        skus = [{"sku": "TEL-PRO-128", "price": "119.90", "quantity": 2}, {"sku": "COQUE-NOIR", "price": "19.99"}]
        return self.order(**{"status": "SHIPPING", "skus": skus, **options})

    def applied(self, kind: str) -> list[str]:
        """References of the effects that really took place."""
        self.simulator.desk.advance()
        return [entry.reference for entry in self.simulator.record.entries if entry.kind == kind]

    async def listed(self, window: OrderWindow | None = None) -> list[RawOrder]:
        return [order async for page in self.connection.list_orders(window or OrderWindow()) for order in page]


def answer_for(order: SimOrder, *, refused: tuple[str, ...] = ()) -> AnswerOrder:
    """Accept an order but for some lines."""
    lines = tuple(AcceptLine(line_id=line.id, accepted=line.id not in refused) for line in order.lines)
    return AnswerOrder(order_reference=order.id, lines=lines)


def parcel_for(order: SimOrder, name: str = "1", units: Mapping[str, int] | None = None, **more: Any) -> ShipParcel:
    """A parcel with all units, or with those given per line."""
    wanted = {line.id: line.quantity for line in order.lines} if units is None else units
    skus = {line.id: line.sku for line in order.lines}
    given: dict[str, Any] = {
        "carrier_code": "DPD",
        "carrier_name": "DPD",
        "tracking_number": f"0040{name}",
        "tracking_url": "https://track.example.invalid/x",
        **more,
    }
    return ShipParcel(
        order_reference=order.id,
        parcel_id=uuid5(CONNECTION, f"{order.id}/{name}"),
        lines=tuple(ShipLine(line_id=i, offer_sku=skus[i], quantity=q) for i, q in wanted.items()),
        whole_order=units is None,
        completes_order=units is None,
        **given,
    )


def money_line(order: SimOrder, index: int = 0, amount: str = "119.90", **more: Any) -> RefundLineRequest:
    """Money back on one line."""
    line = order.lines[index]
    given: dict[str, Any] = {"quantity": 1, "shipping_amount": Decimal("0"), "reason_code": "17", **more}
    return RefundLineRequest(line_id=line.id, offer_sku=line.sku, amount=Decimal(amount), **given)


def refund_for(order: SimOrder, *lines: RefundLineRequest, known: tuple[str, ...] = ()) -> RefundOrder:
    return RefundOrder(
        order_reference=order.id,
        refund_id=uuid5(CONNECTION, f"{order.id}/refund"),
        currency="EUR",
        tax_mode=TaxMode.INCLUDED,
        lines=lines or (money_line(order),),
        refund_shipping=False,
        known_refunds=known,
    )


def cancel_for(order: SimOrder, *lines: RefundLineRequest) -> CancelOrder:
    return CancelOrder(
        order_reference=order.id,
        cancellation_id=uuid5(CONNECTION, f"{order.id}/cancel"),
        currency="EUR",
        tax_mode=TaxMode.INCLUDED,
        lines=lines,
    )


def sent_rows(stage: Stage, operation: str) -> list[list[str]]:
    """The file of the last call of an operation."""
    [call] = stage.http.made(operation)[-1:]
    [part] = [part for part in call.parts if part.name == "file"]
    return read_csv(part.content)


def stock(sku: str, quantity: int, warehouse: str | None = None) -> SetStock:
    return SetStock(offer_sku=sku, quantity=quantity, warehouse=warehouse)


def euros(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="EUR")


def price(sku: str, amount: str, *, discount: str | None = None, **channels: str) -> SetPrice:
    """All prices of an offer: its own and those of channels by code."""
    return SetPrice(
        offer_sku=sku,
        price=euros(amount),
        discount_price=None if discount is None else euros(discount),
        channel_prices=tuple(ChannelPrice(channel=code, price=euros(value)) for code, value in channels.items()),
    )
