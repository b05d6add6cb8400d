"""The factory that the entry point names, and one connection's object with all its capabilities."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from connector_kit.capabilities import (
    ConnectionContext,
    MappedOrder,
    MarketplaceCarrier,
    OrderWindow,
    RawOrder,
    RefundReason,
    SandboxOptions,
    Verification,
)
from connector_kit.manifest import Manifest
from connector_kit.outcome import Outcome, ProbeResult
from connector_kit.requests import (
    AnswerOrder,
    CancelOrder,
    RefundOrder,
    SetPrice,
    SetStock,
    ShipParcel,
    UploadInvoice,
)
from connector_mirakl.accept import Answers
from connector_mirakl.catalogs import Catalogs
from connector_mirakl.client import MiraklClient
from connector_mirakl.documents import Documents
from connector_mirakl.imports import ImportBook
from connector_mirakl.manifest import MANIFEST
from connector_mirakl.mapping import MappingContext, map_order
from connector_mirakl.offers import OfferReader
from connector_mirakl.orders import OrderReader
from connector_mirakl.price import PricePusher
from connector_mirakl.refund import MoneyBack
from connector_mirakl.refund_probe import MoneyProbe
from connector_mirakl.settings import read_settings
from connector_mirakl.ship import Shipments, ShipmentWay
from connector_mirakl.ship_probe import ShipProbe
from connector_mirakl.stock import StockPusher

if TYPE_CHECKING:
    from connector_mirakl.sandbox.simulator import MiraklSimulator


class MiraklConnection:
    """One account at one operator. Keeps only caches: whether multi-shipment is on, and imports already read."""

    def __init__(self, context: ConnectionContext) -> None:
        settings = read_settings(context.settings)
        client = MiraklClient(context, settings)
        reader, offers = OrderReader(client), OfferReader(client)
        way, book = ShipmentWay(client, settings), ImportBook(client, context.clock)
        self._orders = reader
        self._answers = Answers(client, reader, settings)
        self._shipments, self._ship_probe = Shipments(client, way), ShipProbe(client, reader, way)
        self._money, self._money_probe = MoneyBack(client), MoneyProbe(reader)
        self._stock, self._price = StockPusher(client, book, offers), PricePusher(client, book, offers)
        self._documents = Documents(client, settings)
        self._catalogs = Catalogs(client, settings)
        self._mapping = MappingContext(context.connection_id, context.environment, settings.own_fulfillment_centers)

    async def verify(self) -> Verification:
        """See `Verifies`."""
        return await self._catalogs.verify()

    def list_orders(self, window: OrderWindow) -> AsyncIterator[Sequence[RawOrder]]:
        """See `ReadsOrders`."""
        return self._orders.listing(window)

    async def read_order(self, reference: str) -> RawOrder | None:
        """See `ReadsOrders`."""
        return await self._orders.read(reference, "read_order")

    def map_order(self, raw: RawOrder) -> MappedOrder:
        """See `ReadsOrders`."""
        return map_order(raw, self._mapping)

    async def accept(self, requests: Sequence[AnswerOrder]) -> Sequence[Outcome]:
        """See `AnswersOrders`."""
        return await self._answers.accept(requests)

    async def refuse(self, requests: Sequence[AnswerOrder]) -> Sequence[Outcome]:
        """See `AnswersOrders`."""
        return await self._answers.refuse(requests)

    async def probe_accept(self, request: AnswerOrder) -> ProbeResult:
        """See `AnswersOrders`."""
        return await self._answers.probe_accept(request)

    async def probe_refuse(self, request: AnswerOrder) -> ProbeResult:
        """See `AnswersOrders`."""
        return await self._answers.probe_refuse(request)

    async def ship(self, requests: Sequence[ShipParcel]) -> Sequence[Outcome]:
        """See `ShipsParcels`."""
        return await self._shipments.ship(requests)

    async def probe_ship(self, request: ShipParcel) -> ProbeResult:
        """See `ShipsParcels`."""
        return await self._ship_probe.probe(request)

    async def refund(self, requests: Sequence[RefundOrder]) -> Sequence[Outcome]:
        """See `Refunds`."""
        return await self._money.refund(requests)

    async def probe_refund(self, request: RefundOrder) -> ProbeResult:
        """See `Refunds`."""
        return await self._money_probe.probe_refund(request)

    async def cancel(self, requests: Sequence[CancelOrder]) -> Sequence[Outcome]:
        """See `Cancels`."""
        return await self._money.cancel(requests)

    async def probe_cancel(self, request: CancelOrder) -> ProbeResult:
        """See `Cancels`."""
        return await self._money_probe.probe_cancel(request)

    async def set_stock(self, requests: Sequence[SetStock]) -> Sequence[Outcome]:
        """See `SetsStock`."""
        return await self._stock.set_stock(requests)

    async def probe_stock(self, request: SetStock, answer: Mapping[str, Any]) -> ProbeResult:
        """See `SetsStock`."""
        return await self._stock.probe_stock(request, answer)

    async def set_price(self, requests: Sequence[SetPrice]) -> Sequence[Outcome]:
        """See `SetsPrices`."""
        return await self._price.set_price(requests)

    async def probe_price(self, request: SetPrice, answer: Mapping[str, Any]) -> ProbeResult:
        """See `SetsPrices`."""
        return await self._price.probe_price(request, answer)

    async def upload_invoice(self, requests: Sequence[UploadInvoice]) -> Sequence[Outcome]:
        """See `UploadsInvoices`."""
        return await self._documents.upload_invoice(requests)

    async def probe_invoice(self, request: UploadInvoice) -> ProbeResult:
        """See `UploadsInvoices`."""
        return await self._documents.probe_invoice(request)

    async def list_carriers(self) -> Sequence[MarketplaceCarrier]:
        """See `ListsCarriers`."""
        return await self._catalogs.list_carriers()

    async def list_reasons(self) -> Sequence[RefundReason]:
        """See `ListsReasons`."""
        return await self._catalogs.list_reasons()


class MiraklConnector:
    """Entry point `mirakl` of group `hub.connectors`."""

    manifest: Manifest = MANIFEST

    def connect(self, context: ConnectionContext) -> MiraklConnection:
        """The object that speaks for one connection. Raises `ValueError` naming a setting that breaks its rule."""
        return MiraklConnection(context)

    def build_sandbox(self, options: SandboxOptions) -> MiraklSimulator:
        """The simulator. Imported here, because a production image holds no simulator code path."""
        from connector_mirakl.sandbox.simulator import MiraklSimulator

        return MiraklSimulator(options)


CONNECTOR = MiraklConnector()
