"""The factory that the entry point names, and one connection's object with all its capabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from connector_kit.capabilities import (
    ConnectionContext,
    MarketplaceCarrier,
    RefundReason,
    SandboxOptions,
    Verification,
)
from connector_kit.manifest import Manifest
from connector_mirakl.aftersales_side import AftersalesSide
from connector_mirakl.catalogs import Catalogs
from connector_mirakl.manifest import MANIFEST
from connector_mirakl.offer_side import OfferSide
from connector_mirakl.order_side import OrderSide
from connector_mirakl.parts import parts_of

if TYPE_CHECKING:
    from connector_mirakl.sandbox.simulator import MiraklSimulator


class MiraklConnection(OrderSide, AftersalesSide, OfferSide):
    """One account at one operator. Keeps only caches: the platform's configuration, and imports already read."""

    def __init__(self, context: ConnectionContext, manifest: Manifest = MANIFEST) -> None:
        parts = parts_of(context, manifest)
        self._catalogs = Catalogs(parts.client, parts.settings)
        self._start_order_side(parts)
        self._start_aftersales_side(parts)
        self._start_offer_side(parts)

    async def verify(self) -> Verification:
        """See `Verifies`."""
        return await self._catalogs.verify()

    async def list_carriers(self) -> Sequence[MarketplaceCarrier]:
        """See `ListsCarriers`."""
        return await self._catalogs.list_carriers()

    async def list_reasons(self) -> Sequence[RefundReason]:
        """See `ListsReasons`."""
        return await self._catalogs.list_reasons()


class MiraklConnector:
    """Entry point `mirakl` of group `hub.connectors`."""

    def __init__(self, manifest: Manifest = MANIFEST) -> None:
        self.manifest = manifest

    def connect(self, context: ConnectionContext) -> MiraklConnection:
        """The object that speaks for one connection. Raises `ValueError` naming a setting that breaks its rule."""
        return MiraklConnection(context, self.manifest)

    def build_sandbox(self, options: SandboxOptions) -> MiraklSimulator:
        """The simulator. Imported here, because a production image holds no simulator code path."""
        from connector_mirakl.sandbox.simulator import MiraklSimulator

        return MiraklSimulator(options)


CONNECTOR = MiraklConnector()
