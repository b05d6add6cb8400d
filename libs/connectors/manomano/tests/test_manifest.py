"""The manifest as data: protocols, shares of the quota, status words, settings."""

from __future__ import annotations

import pytest

from connector_kit import capabilities, offers
from connector_kit.discovery import load_connectors
from connector_kit.manifest import Capability, FieldErrors
from connector_manomano.connector import CONNECTOR
from connector_manomano.manifest import COUNTRIES, MANIFEST
from connector_manomano.settings import Settings
from hub_contracts.status import OrderStatus

from .conftest import World

PROTOCOLS = {
    Capability.ORDERS: capabilities.ReadsOrders,
    Capability.ACCEPT: capabilities.AnswersOrders,
    Capability.SHIP: capabilities.ShipsParcels,
    Capability.REFUND: capabilities.Refunds,
    Capability.STOCK: capabilities.SetsStock,
    Capability.PRICE: capabilities.SetsPrices,
    Capability.INVOICE: capabilities.UploadsInvoices,
    Capability.CARRIERS: capabilities.ListsCarriers,
    Capability.OFFERS: offers.ReadsOffers,
    Capability.PUBLISH_OFFERS: offers.PublishesOffers,
    Capability.RELEASE_OFFERS: offers.ReleasesOffers,
}


def test_every_capability_is_implemented(world: World) -> None:
    connection = world.connect()
    assert set(PROTOCOLS) == MANIFEST.capabilities
    assert all(isinstance(connection, protocol) for protocol in PROTOCOLS.values())
    assert isinstance(connection, capabilities.Verifies)


def test_it_is_found_through_its_entry_point() -> None:
    assert load_connectors()["manomano"] is CONNECTOR


def test_the_shares_keep_to_the_quota_of_one_key() -> None:
    assert sum(budget.calls for budget in MANIFEST.budgets) <= 200
    assert {budget.per_seconds for budget in MANIFEST.budgets} == {3600}


def test_what_has_a_deadline_keeps_a_reserve_and_can_spend_more_than_it() -> None:
    for operation in ("accept", "probe_accept", "ship", "probe_ship"):
        budget = MANIFEST.budget(operation)
        assert 0 < budget.deadline_reserve < budget.burst
    assert sum(budget.burst for budget in MANIFEST.budgets) < 60, "bursts alone were seen to bring a 429"


def test_reconciliation_has_shares_of_its_own_for_the_reads_it_repeats() -> None:
    audit = {budget.operation: budget.owner for budget in MANIFEST.budgets if budget.operation.startswith("audit_")}
    reads = ("list_orders", "read_order", "read_offers")
    assert audit == {f"audit_{operation}": "reconciliation" for operation in reads}
    assert all(MANIFEST.budget(operation).owner != "reconciliation" for operation in reads)


def test_every_effect_kind_has_its_policy() -> None:
    assert MANIFEST.effect("refuse").operation == "accept"
    assert MANIFEST.effect("set_price").operation == MANIFEST.effect("set_stock").operation == "set_offers"
    assert MANIFEST.effect("set_stock").on_undecided == "retry"
    assert (MANIFEST.effect("publish_offer").operation, MANIFEST.effect("publish_offer").batch_size) == (
        "publish_offers",
        20,
    )
    assert MANIFEST.effect("release_offer").operation == "release_offers"
    assert all(MANIFEST.budget(f"{kind}_offers").owner == "catalog-feed" for kind in ("publish", "release"))
    assert {MANIFEST.effect(kind).batch_size for kind in ("accept", "refuse", "ship", "refund")} == {50}
    assert MANIFEST.effect("refund").on_undecided == MANIFEST.effect("upload_invoice").on_undecided == "operator"


def test_the_eight_words_keep_their_meaning() -> None:
    assert len(MANIFEST.status_map) == 8
    assert all(status == OrderStatus(word) for word, status in MANIFEST.status_map.items())


def test_polling_alone_stays_below_its_share() -> None:
    assert 3600 / MANIFEST.poll_seconds <= MANIFEST.budget("list_orders").calls / 2


async def test_carrier_names_keep_case_and_accents(world: World) -> None:
    names = [carrier.name for carrier in await world.connect().list_carriers()]
    assert len(names) == len(set(names)) == 80
    assert {"Colis Privé", "Prévoté", "viaxpress", "BRT", "DUSCHEXPRESS"} <= set(names)


def test_defaults_and_bounds_of_settings() -> None:
    settings = Settings.read({"seller_contract_id": "11781522"})
    assert (settings.contract, settings.page_limit, settings.currency, settings.country) == (11781522, 50, "EUR", None)
    assert settings.thirdparty_name == "OrderRoutingHub_1.0"
    assert settings.repeat_codes == {409, 500}
    assert Settings.read({"seller_contract_id": 1, "page_limit": 1000}).page_limit == 100
    assert Settings.read({"seller_contract_id": 1, "country": "UK"}).currency == "GBP"
    assert "IT" in COUNTRIES


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "seller_contract_id"),
        ({"seller_contract_id": "eleven"}, "seller_contract_id"),
        ({"seller_contract_id": 1, "country": "PT"}, "country"),
        ({"seller_contract_id": 1, "accept_repeat_codes": "409;500"}, "accept_repeat_codes"),
        ({"seller_contract_id": 1, "colour": "red"}, "colour"),
        ({"seller_contract_id": 1, "tracking_link_template": "https://t.example.invalid/"}, "tracking_link_template"),
        ({"seller_contract_id": 1, "tracking_link_template": "{n}"}, "tracking_link_template"),
        ({"seller_contract_id": 1, "tracking_link_template": "https://t.example/{n}{zip}"}, "tracking_link_template"),
        ({"seller_contract_id": 1, "eco_participation_place": "shipping"}, "eco_participation_place"),
    ],
)
def test_wrong_settings_name_their_field(given: dict[str, object], field: str) -> None:
    with pytest.raises(FieldErrors) as caught:
        Settings.read(given)
    assert list(caught.value.errors) == [field]
