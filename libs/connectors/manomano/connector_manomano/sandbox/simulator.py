"""The simulator as one object: app, faults, record, invented orders, state."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict

from connector_kit.capabilities import SandboxOptions
from connector_kit.simulator import Faults, Record, control_routes
from connector_manomano.manifest import MANIFEST, STATUS_MAP
from connector_manomano.sandbox.action_routes import action_routes
from connector_manomano.sandbox.document_routes import document_routes
from connector_manomano.sandbox.gate import FAULTS, Gate
from connector_manomano.sandbox.invent import Inventor
from connector_manomano.sandbox.offer_routes import offer_routes
from connector_manomano.sandbox.options import OrderOptions, SandboxSettings
from connector_manomano.sandbox.order_routes import order_routes
from connector_manomano.sandbox.world import SimOrder, World


class StatusWish(BaseModel):
    """Body of `PUT /_sandbox/orders/{reference}/status`."""

    model_config = ConfigDict(extra="forbid")
    status: str


class ManoManoSimulator:
    """ManoMano in memory. Faults are described in `gate.FAULTS`, settings in `options.SandboxSettings`.

    Time passes by the injected clock only: overdue orders become REFUSED, refunds end, at the next call or `state()`.
    """

    name = MANIFEST.name

    def __init__(self, options: SandboxOptions) -> None:
        settings = SandboxSettings.model_validate(dict(options.settings))
        self.record = Record(options.clock)
        self.faults = Faults(tuple(FAULTS), options.seed)
        self.world = World(settings, options.clock, self.record)
        self._inventor = Inventor(self.world, options.seed)
        self._gate = Gate(self.world, self.faults)
        self.app = FastAPI(title="ManoMano simulator", openapi_url=None)
        for router in (
            order_routes(self._gate),
            action_routes(self._gate),
            offer_routes(self._gate),
            document_routes(self._gate),
            control_routes(self),
            self._own_controls(),
        ):
            self.app.include_router(router)

    def create_orders(self, count: int, options: dict[str, Any]) -> list[str]:
        """Invent orders; `options` as in `OrderOptions`. Raises `ValueError` naming what is wrong."""
        return self._inventor.create(count, OrderOptions.model_validate(options))

    def set_status(self, reference: str, status: str) -> None:
        """Let the marketplace itself change an order. Raises `KeyError` or `ValueError`."""
        if status not in STATUS_MAP:
            raise ValueError(f"status: must be one of {', '.join(STATUS_MAP)}")
        matching = [order for order in self.world.orders.values() if order.reference == reference]
        if not matching:
            raise KeyError(reference)
        for order in matching:
            self.world.move(order, status)

    def state(self) -> dict[str, Any]:
        """Orders by reference (`contract:reference` where several contracts hold it), offers by contract and SKU."""
        self.world.pass_time()
        held = Counter(reference for _, reference in self.world.orders)
        return {
            "orders": {
                f"{contract}:{reference}" if held[reference] > 1 else reference: _order_state(order)
                for (contract, reference), order in self.world.orders.items()
            },
            "offers": {
                f"{contract}:{sku}": {"price": format(offer.price, "f"), "stock": offer.stock}
                for (contract, sku), offer in self.world.offers.items()
            },
        }

    def import_feed(self, contract: int, sku: str, *, price: Decimal | None = None, stock: int | None = None) -> None:
        """Let the seller's automatic feed speak: frozen values stay. Raises `KeyError` for an unknown offer."""
        offer = self.world.offers[contract, sku]
        if price is not None and not offer.frozen_price:
            offer.price = price
        if stock is not None and not offer.frozen_stock:
            offer.stock = stock

    def reset(self) -> None:
        """Forget orders, record, counted calls and faults; invent the same orders again afterwards."""
        self.world.clear()
        self.record.entries.clear()
        self.faults.set([])
        self._gate.clear()
        self._inventor.restart()

    def _own_controls(self) -> APIRouter:
        router = APIRouter(prefix="/_sandbox")

        @router.put("/orders/{reference}/status")
        async def put_status(reference: str, wish: StatusWish) -> dict[str, str]:
            try:
                self.set_status(reference, wish.status)
            except KeyError:
                raise HTTPException(404, f"no order {reference!r}") from None
            except ValueError as error:
                raise HTTPException(422, str(error)) from None
            return {"status": wish.status}

        return router


def _order_state(order: SimOrder) -> dict[str, Any]:
    return {
        "contract": order.contract,
        "status": order.status,
        "created_at": order.created_at.isoformat(),
        "units": order.ordered(),
        "shipped": dict(order.shipped),
        "refunded": dict(order.refunded),
        "parcels": list(order.parcels),
        "refunds": list(order.refunds),
        "documents": list(order.documents),
    }
