"""The simulated operator as the kit knows simulators. Its options are in `options`, its faults in `desk`."""

from __future__ import annotations

import random
from typing import Any

from fastapi import Depends, FastAPI

from connector_kit.capabilities import SandboxOptions
from connector_kit.simulator import Faults, Record, control_routes
from connector_mirakl.sandbox.desk import FAULTS, Desk
from connector_mirakl.sandbox.document_routes import document_routes
from connector_mirakl.sandbox.export_routes import export_routes
from connector_mirakl.sandbox.import_routes import import_routes
from connector_mirakl.sandbox.invent import invent_orders, stock_catalogue
from connector_mirakl.sandbox.message_routes import message_routes, write_message
from connector_mirakl.sandbox.money_routes import money_routes
from connector_mirakl.sandbox.offer_routes import offer_routes
from connector_mirakl.sandbox.options import read_options
from connector_mirakl.sandbox.order_routes import order_routes
from connector_mirakl.sandbox.platform_routes import platform_routes
from connector_mirakl.sandbox.product_routes import product_routes
from connector_mirakl.sandbox.render import render_order
from connector_mirakl.sandbox.return_routes import open_return, return_routes
from connector_mirakl.sandbox.shipment_routes import shipment_routes
from connector_mirakl.sandbox.shipment_updates import shipment_update_routes
from connector_mirakl.sandbox.wishes import wish_routes
from connector_mirakl.sandbox.world import SimOrder, World


class MiraklSimulator:
    """One operator with one shop. Deterministic for a seed and a clock."""

    name = "mirakl"

    def __init__(self, options: SandboxOptions) -> None:
        self._options = options
        self._settings = read_options(options.settings)
        self.faults = Faults(FAULTS, options.seed)
        self.record = Record(options.clock)
        self._draw = random.Random(options.seed)
        world = World()
        stock_catalogue(world, self._settings)
        self.desk = Desk(world, self._settings, self.faults, self.record, options.clock)
        self.app = self._build()

    @property
    def world(self) -> World:
        """Everything the operator holds, as objects."""
        return self.desk.world

    def create_orders(self, count: int, options: dict[str, Any]) -> list[str]:
        """Invent orders; options are those of `invent.OrderOptions`. Raises `ValueError` naming a wrong one."""
        now = self.desk.now()
        orders = invent_orders(self.world, self._settings, self._draw, now, count, options)
        for order in orders:
            if order.state == "WAITING_ACCEPTANCE" and self.faults.strikes("automatic_acceptance", "create_orders"):
                order.accepted_at = now
                order.set_state("WAITING_DEBIT", now)
        return [order.id for order in orders]

    def open_return(
        self, order_id: str, lines: dict[str, int], *, state: str = "WAITING_ACCEPTANCE", reason: str = "RETURN_OTHER"
    ) -> str:
        """A buyer wants units of some lines to go back. Returns the return's id. Raises `ValueError`."""
        return open_return(self.desk, order_id, lines, state, reason).id

    def write_message(
        self, order_id: str, body: str, *, sender: str = "CUSTOMER_USER", thread_id: str | None = None
    ) -> str:
        """Somebody writes about an order. Returns the thread's id. Raises `ValueError`."""
        return write_message(self.desk, order_id, body, sender, thread_id).id

    def state(self) -> dict[str, Any]:
        """Orders as a healthy OR11 would show them, shipments, offers, imports and documents."""
        self.desk.advance()
        return {
            "orders": {order.id: _clean(order) for order in self.world.orders.values()},
            "shipments": {
                shipment.id: {"order_id": shipment.order_id, "status": shipment.status, "lines": shipment.lines}
                for shipment in self.world.shipments.values()
            },
            "offers": {
                offer.sku: {
                    "quantity": offer.quantity,
                    "prices": {",".join(price.channels): str(price.price) for price in offer.prices},
                    "details": dict(offer.details),
                }
                for offer in self.world.offers.values()
            },
            "imports": {i.id: {"kind": i.kind, "status": i.status} for i in self.world.imports.values()},
            "returns": {r.id: {"order_id": r.order_id, "state": r.state} for r in self.world.returns.values()},
            "threads": {
                thread.id: {"order_id": thread.order_id, "messages": len(thread.messages)}
                for thread in self.world.threads.values()
            },
            "documents": [
                {"order_id": document.order_id, "file_name": document.file_name, "type_code": document.type_code}
                for document in self.world.documents
            ],
        }

    def reset(self) -> None:
        """Forget everything, faults included; the standing offers come back."""
        self.faults.set([])
        self._draw.seed(self._options.seed)
        self.record.entries.clear()
        self.desk.world = World()
        stock_catalogue(self.desk.world, self._settings)

    async def _let_time_pass(self) -> None:
        """Before each request, also those below `/_sandbox`: the record then holds what happened up to now."""
        self.desk.advance()

    def _build(self) -> FastAPI:
        app = FastAPI(
            title="Simulated Mirakl operator",
            docs_url=None,
            redoc_url=None,
            openapi_url=None,
            dependencies=[Depends(self._let_time_pass)],
        )
        for routes in (
            export_routes,
            order_routes,
            money_routes,
            shipment_routes,
            shipment_update_routes,
            return_routes,
            message_routes,
            offer_routes,
            import_routes,
            product_routes,
            document_routes,
            platform_routes,
        ):
            app.include_router(routes(self.desk))
        app.include_router(control_routes(self))
        app.include_router(wish_routes(self))
        return app


def _clean(order: SimOrder) -> dict[str, Any]:
    looks, order.look = order.look, {}
    try:
        return render_order(order)
    finally:
        order.look = looks
