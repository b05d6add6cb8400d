"""Cases of the manifest: what is declared is there, what is there is declared, and catalogues can be read."""

from __future__ import annotations

import pytest

from connector_kit import aftersales, capabilities, offers, reading
from connector_kit.conformance.base import CaseBase
from connector_kit.conformance.subject import Subject
from connector_kit.conformance.troubles import PAGE
from connector_kit.conformance.world import World
from connector_kit.http import CallError
from connector_kit.manifest import Capability
from connector_kit.manifest_check import check_manifest
from connector_kit.testing.interference import Trouble

PROTOCOLS: dict[Capability, tuple[type, ...]] = {
    Capability.ORDERS: (capabilities.ReadsOrders,),
    Capability.ACCEPT: (capabilities.AnswersOrders,),
    Capability.SHIP: (capabilities.ShipsParcels,),
    Capability.REFUND: (capabilities.Refunds,),
    Capability.CANCEL: (capabilities.Cancels,),
    Capability.STOCK: (capabilities.SetsStock,),
    Capability.PRICE: (capabilities.SetsPrices,),
    Capability.INVOICE: (capabilities.UploadsInvoices,),
    Capability.CARRIERS: (capabilities.ListsCarriers,),
    Capability.REASONS: (capabilities.ListsReasons,),
    Capability.SHOP_ORDERS: (capabilities.TakesShopOrders,),
    Capability.SHOP_INVOICES: (aftersales.ProvidesInvoices,),
    Capability.OFFERS: (offers.ReadsOffers,),
    Capability.PUBLISH_OFFERS: (offers.PublishesOffers,),
    Capability.RELEASE_OFFERS: (offers.ReleasesOffers,),
    Capability.PRODUCTS: (offers.ImportsProducts,),
    Capability.RETURNS: (aftersales.ReadsReturns, aftersales.AnswersReturns),
    Capability.MESSAGES: (aftersales.ReadsMessages, aftersales.SendsMessages),
    Capability.DOCUMENTS: (aftersales.ManagesDocuments,),
    Capability.ORDER_EXPORT: (reading.ExportsOrders,),
    Capability.NOTICES: (reading.TakesNotices,),
}
"""`feed` has none: the hub makes the files, the marketplace fetches them."""


class ManifestCases(CaseBase):
    """Declared and there."""

    def test_manifest_is_consistent(self, subject: Subject) -> None:
        """See `check_manifest`."""
        problems = check_manifest(subject.connector.manifest)
        assert not problems, "\n".join(problems)

    def test_connection_does_what_the_manifest_declares(self, world: World) -> None:
        """Each declared capability is implemented, and nothing is implemented that no service would ever use."""
        assert isinstance(world.connection, capabilities.Verifies), "the connection has no verify()"
        problems = []
        for capability, protocols in PROTOCOLS.items():
            there = [protocol for protocol in protocols if isinstance(world.connection, protocol)]
            names = ", ".join(protocol.__name__ for protocol in protocols)
            if capability in world.manifest.capabilities and len(there) < len(protocols):
                problems.append(f"{capability.value} is declared, and the connection lacks methods of {names}")
            if capability not in world.manifest.capabilities and there:
                problems.append(f"{there[0].__name__} is implemented, and {capability.value} is not declared")
        assert not problems, "\n".join(problems)

    def test_secret_settings_are_marked(self, subject: Subject) -> None:
        """Every credential of kind `secret` is rendered hidden; at least one credential is one."""
        fields = {field.name: field.kind for field in subject.connector.manifest.auth_fields}
        assert "secret" in fields.values(), "no credential is of kind secret: the console would show all of them"
        assert set(subject.credentials) <= set(fields), "Subject.credentials names unknown fields"

    async def test_carriers_are_listed(self, world: World, subject: Subject) -> None:
        """Carriers have distinct names, and the one that the tests use is among them."""
        self.require(subject, Capability.CARRIERS)
        carriers = await world.connection.list_carriers()
        keys = [(carrier.code, carrier.name) for carrier in carriers]
        assert keys, "no carriers"
        assert len(set(keys)) == len(keys), "a carrier is listed twice"
        assert subject.carrier in keys, f"{subject.carrier} of Subject.carrier is not listed: {keys[:5]}…"

    async def test_reasons_are_listed(self, world: World, subject: Subject) -> None:
        """Reasons have codes, and those that the tests use are among them."""
        self.require(subject, Capability.REASONS)
        codes = {reason.code for reason in await world.connection.list_reasons()}
        assert subject.refund_reason in codes, f"{subject.refund_reason!r} is not among {sorted(codes)}"

    @pytest.mark.parametrize("what", [Capability.CARRIERS, Capability.REASONS])
    async def test_catalogue_that_cannot_be_read_is_an_error(
        self, world: World, subject: Subject, what: Capability
    ) -> None:
        """An empty list would make every carrier unknown; a page of a proxy must raise `CallError`."""
        self.require(subject, what)
        world.trouble(Trouble.ANSWER_INSTEAD, answer=PAGE)
        error = await world.error_of(getattr(world.connection, f"list_{what.value}")())
        if world.http.calls:
            assert isinstance(error, CallError), f"list_{what.value} ended with {error!r}"
