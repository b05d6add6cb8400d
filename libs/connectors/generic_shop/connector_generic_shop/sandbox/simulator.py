"""The simulated shop platform: several shops in one app, each with its own script.

`SandboxOptions.settings`: `shops` (list of scripts, see `Behaviour`), `loop_seconds` (interval of the background loop,
none by default) and `slow_seconds` (delay of the fault `slow_ack`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI

from connector_generic_shop.sandbox import planning, posting
from connector_generic_shop.sandbox.behaviour import Behaviour
from connector_generic_shop.sandbox.faults import KNOWN
from connector_generic_shop.sandbox.invoicing import invoice_routes
from connector_generic_shop.sandbox.receiving import webhook_routes
from connector_generic_shop.sandbox.store import ShopState
from connector_kit.capabilities import SandboxOptions
from connector_kit.simulator import Faults, Record, control_routes


class GenericShopSimulator:
    """Implements `connector_kit.simulator.Simulator`. `transport` lets tests post into an app in process."""

    name = "generic_shop"

    def __init__(self, options: SandboxOptions) -> None:
        self.clock = options.clock
        self.transport: httpx.AsyncBaseTransport | None = None
        self.slow_seconds = float(options.settings.get("slow_seconds", 3))
        self._options = options
        self._loop: asyncio.Task[None] | None = None
        self._stepping = asyncio.Lock()
        self.reset()
        self.app = FastAPI(title="Simulated generic shop", lifespan=self._lifespan)
        self.app.include_router(webhook_routes(self))
        self.app.include_router(invoice_routes(self))
        self.app.include_router(control_routes(self))
        self.app.include_router(_script_routes(self))

    def reset(self) -> None:
        """Forget everything, faults included; shops named in the options are set up anew."""
        self.faults = Faults(KNOWN, self._options.seed)
        self.record = Record(self.clock)
        self._random = random.Random(self._options.seed)
        self._shops: dict[str, ShopState] = {}
        self._loop_seconds: float | None = self._options.settings.get("loop_seconds")
        for script in self._options.settings.get("shops", ()):
            self.set_behaviour(Behaviour.model_validate(script))

    def shop(self, name: str) -> ShopState:
        """A shop by name; one that is not known yet opens with the default script and secret."""
        return self._shops.setdefault(name, ShopState(name, Behaviour()))

    def set_behaviour(self, behaviour: Behaviour) -> None:
        """Replace a shop's script. Its orders stay; stock and prices are stated at once."""
        shop = self.shop(behaviour.shop_name)
        shop.behaviour = behaviour.model_copy(deep=True)
        planning.queue_stock(shop, self.clock.now())
        planning.queue_prices(shop, self.clock.now())
        if behaviour.loop_seconds is not None:
            self._loop_seconds = behaviour.loop_seconds

    def create_orders(self, count: int, options: dict[str, Any]) -> list[str]:
        """A shop invents no orders: they come from the hub. Raises `ValueError`."""
        raise ValueError("orders of this simulator come from the hub; create them at a marketplace's simulator")

    def state(self) -> dict[str, Any]:
        """Orders of all shops with the units shipped, and each shop by itself. Holds no secret and no personal data."""
        shops = {name: shop.view() for name, shop in self._shops.items()}
        orders = [{"shop": name, **order} for name, view in shops.items() for order in view["orders"]]
        return {"orders": orders, "shops": shops}

    async def step(self) -> dict[str, int]:
        """Do all due work of all shops once: pull, plan, ship, post. Never raises for an unreachable hub."""
        async with self._stepping:
            total = {"pulled": 0, "taken": 0, "waiting": 0, "failed": 0}
            for shop in tuple(self._shops.values()):
                for key, value in (await self._step_shop(shop)).items():
                    total[key] += value
            return total

    async def _step_shop(self, shop: ShopState) -> dict[str, int]:
        if not shop.behaviour.can_post:
            return {"waiting": len(shop.outbox), "failed": len(shop.failed)}
        pulled = await posting.pull_orders(self, shop) if shop.behaviour.pull else 0
        late = self.faults.strikes("late_acknowledgement", "acknowledgement")
        planning.plan_new_orders(shop, late_acknowledgement=late)
        planning.do_due_work(shop, self.clock.now(), self._random)
        return {"pulled": pulled, **await posting.send_posts(self, shop)}

    def start_loop(self) -> None:
        """Start stepping by itself, when an interval is set. Needs a running event loop; a second call does nothing."""
        if self._loop_seconds is not None and (self._loop is None or self._loop.done()):
            self._loop = asyncio.create_task(self._run())

    async def stop_loop(self) -> None:
        """Stop stepping by itself."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
            self._loop = None

    async def _run(self) -> None:
        while self._loop_seconds is not None:
            await self.step()
            await asyncio.sleep(self._loop_seconds)

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        self.start_loop()
        try:
            yield
        finally:
            await self.stop_loop()


def _script_routes(simulator: GenericShopSimulator) -> APIRouter:
    router = APIRouter(prefix="/_sandbox")

    @router.put("/behaviour")
    async def put_behaviour(behaviour: Behaviour) -> dict[str, str]:
        simulator.set_behaviour(behaviour)
        # A mounted app gets no lifespan events, so the loop is also started from here.
        simulator.start_loop()
        return {"shop_name": behaviour.shop_name}

    @router.post("/step")
    async def post_step() -> dict[str, int]:
        return await simulator.step()

    return router
