"""What the connector declares, and that it is found."""

from __future__ import annotations

import pytest

from connector_generic_shop.connector import CONNECTOR
from connector_generic_shop.manifest import MANIFEST
from connector_kit.discovery import connector
from connector_kit.manifest import Capability, FieldErrors
from hub_contracts.orders import Environment

from .conftest import SECRET


def test_it_is_found_by_its_name() -> None:
    assert connector("generic_shop") is CONNECTOR


def test_it_declares_a_shop_without_an_address() -> None:
    assert MANIFEST.kind.value == "shop"
    assert MANIFEST.capabilities == {Capability.SHOP_ORDERS, Capability.SHOP_INVOICES}
    assert [MANIFEST.address(environment) for environment in Environment] == [None, None]


def test_every_operation_has_one_owner() -> None:
    owners = {budget.operation: budget.owner for budget in MANIFEST.budgets}
    assert owners == {
        "create_order": "shop-gateway",
        "cancel_order": "shop-gateway",
        "fetch_invoice": "shipment-notifier",
        "verify": "connection-registry",
    }


def test_defaults_of_settings() -> None:
    assert MANIFEST.check_settings({}) == {"delivery": "webhook", "send_personal_data": True}


def test_wrong_settings_are_named() -> None:
    with pytest.raises(FieldErrors) as caught:
        MANIFEST.check_settings({"webhook_url": "ftp://x", "delivery": "pigeon", "send_personal_data": "maybe"})
    assert set(caught.value.errors) == {"webhook_url", "delivery", "send_personal_data"}


def test_the_secret_is_required_and_the_previous_one_is_not() -> None:
    assert MANIFEST.check_credentials({"webhook_secret": SECRET}) == {"webhook_secret": SECRET}
    with pytest.raises(FieldErrors, match="webhook_secret: is required"):
        MANIFEST.check_credentials({})
