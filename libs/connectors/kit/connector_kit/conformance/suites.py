"""The two suites that a connector's test class inherits."""

from __future__ import annotations

from typing import ClassVar

from connector_kit.conformance.documents import DocumentCases
from connector_kit.conformance.effects import EffectCases
from connector_kit.conformance.exports import ExportCases
from connector_kit.conformance.invoices import InvoiceCases
from connector_kit.conformance.kinds import KINDS
from connector_kit.conformance.listing import ListingCases
from connector_kit.conformance.manifest import ManifestCases
from connector_kit.conformance.mapping import MappingCases
from connector_kit.conformance.notices import NoticeCases
from connector_kit.conformance.reading import ReadingCases
from connector_kit.conformance.shop import ShopCases
from connector_kit.conformance.simulator import SimulatorCases
from connector_kit.conformance.troubles import TroubleCases
from connector_kit.conformance.upkeep import UpkeepCases
from connector_kit.conformance.verifying import VerifyCases
from connector_kit.manifest import Capability

_SHOP = tuple(name for name, kind in KINDS.items() if kind.capability is Capability.SHOP_ORDERS)


class MarketplaceConformance(
    ListingCases,
    MappingCases,
    ReadingCases,
    ExportCases,
    DocumentCases,
    NoticeCases,
    EffectCases,
    TroubleCases,
    VerifyCases,
    ManifestCases,
    SimulatorCases,
    UpkeepCases,
):
    """For connectors of kind `marketplace`."""

    EFFECTS: ClassVar[tuple[str, ...]] = tuple(name for name in KINDS if name not in _SHOP)


class ShopConformance(
    ShopCases, InvoiceCases, EffectCases, TroubleCases, VerifyCases, ManifestCases, SimulatorCases, UpkeepCases
):
    """For connectors of kind `shop`."""

    EFFECTS: ClassVar[tuple[str, ...]] = _SHOP
