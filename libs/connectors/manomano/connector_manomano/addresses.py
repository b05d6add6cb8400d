"""Addresses and buyer of an order: the personal part of the mapping.

Any address may be null, `{}` or miss any field; the hub says which field is missing (never its value) instead of
failing, because the order must be answered in time all the same.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from connector_manomano.values import text
from hub_contracts.orders import Address, OrderCustomerRecorded

NEEDED_TO_DELIVER = ("last_name", "street_1", "postal_code", "city", "country_code")
"""Hub names of the fields without which nobody can deliver; a company stands in for the last name."""

_COUNTRY_ALIASES = {"UK": "GB"}
"""ManoMano calls the storefront UK; ISO 3166-1 calls the country GB."""


def _part(order: dict[str, Any], name: str) -> dict[str, Any]:
    """One of the addresses; anything that is not an object counts as absent."""
    addresses = order.get("addresses")
    part = addresses.get(name) if isinstance(addresses, dict) else None
    return part if isinstance(part, dict) else {}


def _country(value: Any) -> str | None:
    code = (text(value) or "").upper()
    code = _COUNTRY_ALIASES.get(code, code)
    return code if len(code) == 2 and code.isascii() and code.isalpha() else None


def _address(part: dict[str, Any]) -> Address | None:
    found = Address(
        first_name=text(part.get("firstname")),
        last_name=text(part.get("lastname")),
        company=text(part.get("company")),
        street_1=text(part.get("address_line1")),
        street_2=text(part.get("address_line2")),
        street_3=text(part.get("address_line3")),
        postal_code=text(part.get("zipcode")),
        city=text(part.get("city")),
        region=text(part.get("province")),
        country_code=_country(part.get("country_iso")),
        country_name=text(part.get("country")),
        phone=text(part.get("phone")),
        email=text(part.get("email")),
    )
    return found if found.model_dump(exclude_none=True) else None


def _pickup(relay: dict[str, Any], buyer: Address | None) -> Address | None:
    """Delivery address of a pick-up point: the point's place with the buyer's name, None when there is no point."""
    point, name = text(relay.get("id")), text(relay.get("name"))
    if point is None and name is None:
        return None
    place = _address(relay) or Address()
    if place.street_1 is None and place.postal_code is None:
        place = buyer or Address()
    who = buyer or place
    return place.model_copy(
        update={
            "first_name": who.first_name,
            "last_name": who.last_name,
            "phone": who.phone or place.phone,
            "email": who.email or place.email,
            "company": name or place.company,
            "pickup_point_id": point,
        }
    )


def _with_names(address: Address | None, customer: dict[str, Any]) -> Address | None:
    """The buyer's name from `customer` where the address itself carries none."""
    if address is None or address.first_name or address.last_name or address.company:
        return address
    names = {"first_name": text(customer.get("firstname")), "last_name": text(customer.get("lastname"))}
    return address.model_copy(update=names)


def read_customer(order: dict[str, Any], order_id: UUID, connection_id: UUID) -> OrderCustomerRecorded | None:
    """Who bought and where it goes; None when the order holds no personal data at all."""
    customer = order.get("customer")
    customer = customer if isinstance(customer, dict) else {}
    home = _with_names(_address(_part(order, "shipping")), customer)
    pickup = _pickup(_part(order, "relay"), home)
    billing = _with_names(_address(_part(order, "billing")), customer)
    fiscal = text(customer.get("fiscal_number")) or text(order.get("billing_fiscal_number"))
    if home is None and pickup is None and billing is None and fiscal is None:
        names = {"firstname": customer.get("firstname"), "lastname": customer.get("lastname")}
        billing = _address(names)
        if billing is None:
            return None
    return OrderCustomerRecorded(
        order_id=order_id,
        connection_id=connection_id,
        shipping=pickup or home,
        billing=billing,
        fiscal_number=fiscal,
        professional=order.get("is_professional") is True,
        address_kind="home" if pickup is None else "pickup_point",
    )


def missing_fields(customer: OrderCustomerRecorded | None) -> tuple[str, ...]:
    """Names of the fields that a delivery needs and the order does not give."""
    address = customer.shipping if customer else None
    if customer is None or address is None:
        return NEEDED_TO_DELIVER
    missing = [name for name in NEEDED_TO_DELIVER if getattr(address, name) is None]
    if address.company and "last_name" in missing:
        missing.remove("last_name")
    if customer.address_kind == "pickup_point" and address.pickup_point_id is None:
        missing.append("pickup_point_id")
    return tuple(missing)
