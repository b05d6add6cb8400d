"""Addresses: null, empty, partial, at a pick-up point."""

from __future__ import annotations

from typing import Any

import pytest

from connector_manomano.addresses import NEEDED_TO_DELIVER
from hub_contracts.orders import OrderCustomerRecorded

from .conftest import World, order_body, raw


def both(**changes: Any) -> tuple[Any, OrderCustomerRecorded | None]:
    result = World().connect().map_order(raw(order_body(**changes)))
    return result.snapshot, result.customer


def address(**changes: Any) -> dict[str, Any]:
    return dict(order_body()["addresses"]["shipping"]) | changes


@pytest.mark.parametrize("addresses", [None, {}, {"shipping": None, "billing": {}}, [], "x", {"shipping": "x"}, ...])
def test_an_order_without_addresses_is_kept_and_says_what_is_missing(addresses: Any) -> None:
    snapshot, customer = both(addresses=addresses)
    assert snapshot.missing_address_fields == NEEDED_TO_DELIVER
    assert snapshot.destination_country is None
    assert customer is not None
    assert customer.shipping is None


def test_nobody_at_all() -> None:
    snapshot, customer = both(addresses=None, customer={})
    assert customer is None
    assert snapshot.missing_address_fields == NEEDED_TO_DELIVER


def test_each_missing_field_is_named_never_its_value() -> None:
    given = address(zipcode="", city=None, country_iso="France", lastname=" ")
    snapshot, _ = both(addresses={"shipping": given})
    assert snapshot.missing_address_fields == ("last_name", "postal_code", "city", "country_code")


def test_a_company_stands_in_for_the_last_name() -> None:
    snapshot, _ = both(addresses={"shipping": address(lastname=None, firstname=None, company="Essai SARL")})
    assert snapshot.missing_address_fields == ()


def test_names_of_the_customer_fill_a_nameless_address() -> None:
    _, customer = both(addresses={"shipping": address(firstname=None, lastname=None)})
    assert customer is not None
    assert customer.shipping is not None
    assert (customer.shipping.first_name, customer.shipping.last_name) == ("Testa", "Exemple")


@pytest.mark.parametrize(("given", "code"), [("FR", "FR"), ("fr", "FR"), ("UK", "GB"), ("F1", None), (33, None)])
def test_country_codes(given: Any, code: str | None) -> None:
    snapshot, _ = both(addresses={"shipping": address(country_iso=given)})
    assert snapshot.destination_country == code


def test_numbers_as_zip_codes() -> None:
    _, customer = both(addresses={"shipping": address(zipcode=69000)})
    assert customer is not None
    assert customer.shipping is not None
    assert customer.shipping.postal_code == "69000"


RELAY = {"id": "R-00042", "name": "Tabac du Modèle", "address_line1": "5 place du Relais", "zipcode": "69001",
         "city": "Lyon", "country": "France", "country_iso": "FR", "firstname": None}  # fmt: skip


def test_a_pickup_point_delivers_to_the_point_in_the_buyers_name() -> None:
    snapshot, customer = both(addresses={"shipping": address(), "billing": address(), "relay": RELAY})
    assert customer is not None
    assert customer.shipping is not None
    assert customer.address_kind == "pickup_point"
    place = customer.shipping
    assert (place.pickup_point_id, place.company, place.street_1) == ("R-00042", "Tabac du Modèle", "5 place du Relais")
    assert (place.last_name, place.email) == ("Exemple", "client-4213@example.invalid")
    assert snapshot.missing_address_fields == ()


def test_a_pickup_point_without_id_is_named() -> None:
    snapshot, customer = both(addresses={"shipping": address(), "relay": RELAY | {"id": None}})
    assert customer is not None
    assert customer.address_kind == "pickup_point"
    assert snapshot.missing_address_fields == ("pickup_point_id",)


@pytest.mark.parametrize("relay", [None, {}, {"id": None, "name": None, "city": None}])
def test_an_empty_relay_is_home_delivery(relay: Any) -> None:
    _, customer = both(addresses={"shipping": address(), "relay": relay})
    assert customer is not None
    assert customer.address_kind == "home"


def test_fiscal_numbers_and_professionals() -> None:
    _, customer = both(customer={"fiscal_number": "FN1"}, billing_fiscal_number="FN2", is_professional=True)
    assert customer is not None
    assert (customer.fiscal_number, customer.professional) == ("FN1", True)
    _, customer = both(customer=None, billing_fiscal_number="FN2")
    assert customer is not None
    assert (customer.fiscal_number, customer.professional) == ("FN2", False)
