"""How an operator set its platform up: parcels (PC01), carriers (SH21), shipping types (SH12).

Mirakl lets each of them be read once a day, so they are kept for a day of the injected clock and read again after it:
an operator that switches multi-shipment off must be noticed without a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from connector_kit.capabilities import Now
from connector_kit.http import BadAnswer, CallError
from connector_mirakl.client import MiraklClient, Unavailable
from connector_mirakl.settings import MiraklSettings
from connector_mirakl.wire import Json, member, objects, text

DAY = timedelta(days=1)
AGAIN = timedelta(minutes=15)
"""After a failed re-read the old value stays in use so long, so that a bad hour does not spend the day's calls."""

T = TypeVar("T")


class Daily(Generic[T]):
    """One answer kept for a day. Safe for concurrent readers: one of them reads."""

    def __init__(self, clock: Now, read: Callable[[], Awaitable[T]]) -> None:
        self._clock = clock
        self._read = read
        self._kept: tuple[T, datetime] | None = None
        self._lock = asyncio.Lock()

    async def get(self) -> T:
        """The answer, at most a day old unless re-reading fails. Raises `CallError` when there is none at all."""
        async with self._lock:
            now = self._clock.now()
            if self._kept is not None and now < self._kept[1]:
                return self._kept[0]
            try:
                value = await self._read()
            except CallError:
                if self._kept is None:
                    raise
                self._kept = (self._kept[0], now + AGAIN)
                return self._kept[0]
            self._kept = (value, now + DAY)
            return value

    def put(self, value: T) -> None:
        """What was learned otherwise, for a day."""
        self._kept = (value, self._clock.now() + DAY)


@dataclass(frozen=True, slots=True)
class ParcelRules:
    """What PC01 says about shipping."""

    several: bool
    """ST calls work: an order may leave in several parcels (`multi_shipment`)."""
    split_lines: bool
    """The units of one line may leave in different parcels (`multi_part_item_shipment`)."""
    free_carriers: bool
    """Carriers that the operator did not register may be named (`disable_seller_alternative_carrier` off)."""


WHOLE_ORDERS = ParcelRules(several=False, split_lines=False, free_carriers=True)
UNASKED = ParcelRules(several=True, split_lines=True, free_carriers=True)
"""With the setting `on` the platform is not asked; what it does not take it refuses item by item."""


class OperatorSetup:
    """Daily answers of one operator, as the shipping side needs them."""

    def __init__(self, client: MiraklClient, settings: MiraklSettings, clock: Now) -> None:
        self._client = client
        self._fixed = {"on": UNASKED, "off": WHOLE_ORDERS}.get(settings.multi_shipment)
        self._rules = Daily(clock, self._read_rules)
        self._carriers = Daily(clock, self._read_carriers)
        self._types = Daily(clock, self._read_types)

    async def parcels(self) -> ParcelRules:
        """How parcels are told. Raises `CallError` while the platform was never asked successfully."""
        return await self._rules.get()

    async def needs_number(self, carrier_code: str) -> bool:
        """SH21: a registered carrier whose tracking address holds the number cannot do without one."""
        return (await self._carriers.get()).get(carrier_code, False)

    async def demands_tracking(self, shipping_type: str) -> bool:
        """SH12 `mandatory_tracking`; a type that is not listed demands nothing."""
        return (await self._types.get()).get(shipping_type, False)

    def not_supported(self) -> None:
        """An ST call answered 404: this operator has the feature off, whatever was configured or said before."""
        self._rules.put(WHOLE_ORDERS)

    async def _read_rules(self) -> ParcelRules:
        if self._fixed is not None:
            return self._fixed
        try:
            found = await self._client.read_object("read_configuration", "/api/platform/configuration")
        except Unavailable as error:
            if error.status != 404:
                raise
            return WHOLE_ORDERS
        features = member(found, "features")
        shipment = member(features, "shipment")
        return ParcelRules(
            several=shipment.get("multi_shipment") is True,
            split_lines=shipment.get("multi_part_item_shipment") is True,
            free_carriers=features.get("disable_seller_alternative_carrier") is not True,
        )

    async def _read_carriers(self) -> dict[str, bool]:
        told = await self._client.read_object("read_carriers", "/api/shipping/carriers")
        return {
            text(item.get("code")) or "": "{trackingid}" in (text(item.get("tracking_url")) or "").lower()
            for item in _listed(told, "carriers")
        }

    async def _read_types(self) -> dict[str, bool]:
        told = await self._client.read_object("read_shipping_types", "/api/shipping/types")
        return {
            text(item.get("code")) or "": item.get("mandatory_tracking") is True
            for item in _listed(told, "shipping_types")
        }


def _listed(told: Json, name: str) -> list[Json]:
    if not isinstance(told.get(name), list):
        raise BadAnswer(f"the answer has no list {name!r}")
    return objects(told[name])
