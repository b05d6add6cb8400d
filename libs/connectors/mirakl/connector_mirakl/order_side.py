"""A connection's half for the order itself: reading, exporting, answering, shipping."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from connector_kit.capabilities import MappedOrder, OrderWindow, RawOrder
from connector_kit.outcome import Outcome, ProbeResult
from connector_kit.reading import ExportState
from connector_kit.requests import AnswerOrder, ShipParcel
from connector_mirakl.accept import Answers
from connector_mirakl.export import OrderExport
from connector_mirakl.mapping import MappingContext, map_order
from connector_mirakl.operator_setup import OperatorSetup
from connector_mirakl.parts import Parts
from connector_mirakl.ship import Shipments
from connector_mirakl.ship_probe import ShipProbe
from connector_mirakl.ship_rules import ShipRules
from connector_mirakl.shipments import ShipmentReader


class OrderSide:
    """Capabilities `orders`, `order_export`, `accept`, `ship`."""

    def _start_order_side(self, parts: Parts) -> None:
        context, settings = parts.context, parts.settings
        setup = OperatorSetup(parts.client, settings, context.clock)
        shipments, rules = ShipmentReader(parts.client), ShipRules(parts.reader, setup)
        self._orders = parts.reader
        self._export = OrderExport(parts.client, context.clock)
        self._answers = Answers(parts.client, parts.reader, settings)
        self._shipments = Shipments(parts.client, setup, rules, shipments)
        self._ship_probe = ShipProbe(parts.reader, shipments, setup)
        self._mapping = MappingContext(context.connection_id, context.environment, settings.own_fulfillment_centers)

    def list_orders(self, window: OrderWindow) -> AsyncIterator[Sequence[RawOrder]]:
        """See `ReadsOrders`."""
        return self._orders.listing(window)

    async def read_order(self, reference: str) -> RawOrder | None:
        """See `ReadsOrders`."""
        return await self._orders.read(reference, "read_order")

    def map_order(self, raw: RawOrder) -> MappedOrder:
        """See `ReadsOrders`."""
        return map_order(raw, self._mapping)

    async def start_export(self, window: OrderWindow) -> str:
        """See `ExportsOrders`."""
        return await self._export.start(window)

    async def export_state(self, ticket: str) -> ExportState:
        """See `ExportsOrders`."""
        return await self._export.state(ticket)

    def read_export(self, ticket: str) -> AsyncIterator[Sequence[RawOrder]]:
        """See `ExportsOrders`."""
        return self._export.read(ticket)

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
