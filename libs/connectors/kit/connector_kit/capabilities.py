"""One protocol per capability. Services call these; a connector implements those that its manifest declares."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

from pydantic import SecretStr

from connector_kit.http import HttpCaller, Lane
from connector_kit.manifest import Manifest
from connector_kit.outcome import Outcome, ProbeResult
from connector_kit.requests import (
    AnswerOrder,
    CancelOrder,
    CancelShopOrder,
    CreateShopOrder,
    RefundOrder,
    SetPrice,
    SetStock,
    ShipParcel,
    UploadInvoice,
)
from hub_contracts.base import Fact
from hub_contracts.orders import Environment, OrderCustomerRecorded, OrderSnapshot


class Now(Protocol):
    """The injected clock: the present instant, aware, UTC."""

    def now(self) -> datetime:
        """Present instant."""
        ...


@dataclass(frozen=True)
class ConnectionContext:
    """One connection, as a connector needs it. `credentials` never appear in reprs."""

    connection_id: UUID
    tenant: str
    environment: Environment
    settings: Mapping[str, Any]
    credentials: Mapping[str, SecretStr]
    http: HttpCaller
    clock: Now
    lane: Lane = Lane.LIVE
    base_url: str | None = None
    """The address that calls go to, None when no environment fixes one and the connection gives none."""


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of the cheap read that proves the credentials."""

    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class RawOrder:
    """An order exactly as answered, before anybody interprets it."""

    reference: str
    """The marketplace's reference, or "" when even that could not be read."""
    body: bytes
    """JSON bytes of this one order."""


@dataclass(frozen=True, slots=True)
class OrderWindow:
    """Which orders to list. Instants are UTC; a listing may return more than asked, never less."""

    updated_from: datetime | None = None
    updated_until: datetime | None = None
    created_from: datetime | None = None
    created_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class MappedOrder:
    """A raw order understood: what the hub keeps of it, and the personal data apart."""

    snapshot: OrderSnapshot
    customer: OrderCustomerRecorded | None


class MappingError(ValueError):
    """A raw order that cannot be understood: it is parked with `field` and `rule`, its bytes are kept."""

    def __init__(self, field: str, rule: str, cause: str = "order_unreadable") -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule
        self.cause = cause


class MarketplaceCarrier(Fact):
    """A carrier as the marketplace lists it."""

    code: str | None = None
    name: str
    tracking_url: str | None = None


class RefundReason(Fact):
    """A refund or cancellation reason that a seller may use."""

    code: str
    label: str
    kind: str


@runtime_checkable
class Verifies(Protocol):
    """Every connector can prove its credentials with a cheap read that changes nothing."""

    async def verify(self) -> Verification:
        """Make one cheap read. Wrong credentials give `ok=False`, an unreachable host too, with a clear detail."""
        ...


@runtime_checkable
class ReadsOrders(Protocol):
    """Capability `orders`."""

    def list_orders(self, window: OrderWindow) -> AsyncIterator[Sequence[RawOrder]]:
        """Pages of raw orders. Repeated orders are allowed, lost ones are not: pages that shift are re-read."""
        ...

    async def read_order(self, reference: str) -> RawOrder | None:
        """One order, None when the marketplace does not know it."""
        ...

    def map_order(self, raw: RawOrder) -> MappedOrder:
        """Pure. Raises `MappingError` for what cannot be understood (unknown status: cause `status_unknown`)."""
        ...


@runtime_checkable
class AnswersOrders(Protocol):
    """Capability `accept`. One outcome per request, in order; `refuse` refuses whole orders."""

    async def accept(self, requests: Sequence[AnswerOrder]) -> Sequence[Outcome]:
        """Accept orders (line by line where the marketplace can)."""
        ...

    async def refuse(self, requests: Sequence[AnswerOrder]) -> Sequence[Outcome]:
        """Refuse orders."""
        ...

    async def probe_accept(self, request: AnswerOrder) -> ProbeResult:
        """Was the order accepted as asked?"""
        ...

    async def probe_refuse(self, request: AnswerOrder) -> ProbeResult:
        """Was the order refused?"""
        ...


@runtime_checkable
class ShipsParcels(Protocol):
    """Capability `ship`."""

    async def ship(self, requests: Sequence[ShipParcel]) -> Sequence[Outcome]:
        """Tell the marketplace about parcels."""
        ...

    async def probe_ship(self, request: ShipParcel) -> ProbeResult:
        """Does the marketplace show the parcel?"""
        ...


@runtime_checkable
class Refunds(Protocol):
    """Capability `refund`."""

    async def refund(self, requests: Sequence[RefundOrder]) -> Sequence[Outcome]:
        """Give money back."""
        ...

    async def probe_refund(self, request: RefundOrder) -> ProbeResult:
        """Does the marketplace show the refund?"""
        ...


@runtime_checkable
class Cancels(Protocol):
    """Capability `cancel`."""

    async def cancel(self, requests: Sequence[CancelOrder]) -> Sequence[Outcome]:
        """Cancel orders on the seller's wish."""
        ...

    async def probe_cancel(self, request: CancelOrder) -> ProbeResult:
        """Does the marketplace show the cancellation?"""
        ...


@runtime_checkable
class SetsStock(Protocol):
    """Capability `stock`. Absolute values: sending again is harmless."""

    async def set_stock(self, requests: Sequence[SetStock]) -> Sequence[Outcome]:
        """Set quantities of offers."""
        ...

    async def probe_stock(self, request: SetStock, answer: Mapping[str, Any]) -> ProbeResult:
        """Did the import end well, or does the marketplace show the quantity? `answer` is what `set_stock` got."""
        ...


@runtime_checkable
class SetsPrices(Protocol):
    """Capability `price`. Absolute values: sending again is harmless."""

    async def set_price(self, requests: Sequence[SetPrice]) -> Sequence[Outcome]:
        """Set prices of offers."""
        ...

    async def probe_price(self, request: SetPrice, answer: Mapping[str, Any]) -> ProbeResult:
        """Did the import end well, or does the marketplace show the price?"""
        ...


@runtime_checkable
class UploadsInvoices(Protocol):
    """Capability `invoice`."""

    async def upload_invoice(self, requests: Sequence[UploadInvoice]) -> Sequence[Outcome]:
        """Put invoices at the marketplace."""
        ...

    async def probe_invoice(self, request: UploadInvoice) -> ProbeResult:
        """Does the marketplace show the document?"""
        ...


@runtime_checkable
class ListsCarriers(Protocol):
    """Capability `carriers`."""

    async def list_carriers(self) -> Sequence[MarketplaceCarrier]:
        """Carriers that the marketplace knows."""
        ...


@runtime_checkable
class ListsReasons(Protocol):
    """Capability `reasons`."""

    async def list_reasons(self) -> Sequence[RefundReason]:
        """Reasons that a seller may give."""
        ...


@runtime_checkable
class TakesShopOrders(Protocol):
    """Capability `shop_orders`: a shop that the hub creates orders in."""

    async def create_order(self, requests: Sequence[CreateShopOrder]) -> Sequence[Outcome]:
        """Create orders in the shop; the same `route_id` twice must end as one order."""
        ...

    async def probe_create_order(self, request: CreateShopOrder) -> ProbeResult:
        """Does the shop hold the order?"""
        ...

    async def cancel_order(self, requests: Sequence[CancelShopOrder]) -> Sequence[Outcome]:
        """Tell the shop to stop."""
        ...

    async def probe_cancel_order(self, request: CancelShopOrder) -> ProbeResult:
        """Has the shop stopped?"""
        ...


class ConnectorFactory(Protocol):
    """What the entry point of group `hub.connectors` names."""

    manifest: Manifest

    def connect(self, context: ConnectionContext) -> Any:
        """An object that implements the protocols of the manifest's capabilities for one connection."""
        ...

    def build_sandbox(self, options: SandboxOptions) -> Any:
        """The connector's simulator as `connector_kit.simulator.Simulator`."""
        ...


@dataclass(frozen=True)
class SandboxOptions:
    """How a simulator is set up. `seed` makes its randomness repeatable."""

    clock: Now
    seed: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)
