"""Who bought and where it goes. The only place of this connector that touches personal data.

Operators may hide the addresses until the order is accepted (`shipping_and_billing_details_before_acceptance`), so a
missing address is normal and told by the names of its fields, never by values.
"""

from __future__ import annotations

from uuid import UUID

from connector_mirakl.countries import alpha_2
from connector_mirakl.wire import Json, member, text
from hub_contracts.orders import Address, OrderCustomerRecorded

NEEDED = (
    ("last_name", ("lastname", "company")),
    ("street_1", ("street_1",)),
    ("postal_code", ("zip_code",)),
    ("city", ("city",)),
)
"""Address fields a shop cannot ship without, and the fields of Mirakl that can fill them."""


def _shipping(order: Json) -> Json:
    return member(member(order, "customer"), "shipping_address")


def shipping_country(order: Json) -> str | None:
    """Alpha-2 of the delivery address; None while it is hidden or not in the standard."""
    return alpha_2(text(_shipping(order).get("country_iso_code")))


def missing_address_fields(order: Json) -> tuple[str, ...]:
    """Names of the delivery address fields that a shop needs and Mirakl did not give."""
    address = _shipping(order)
    missing = [name for name, sources in NEEDED if not any(text(address.get(source)) for source in sources)]
    if shipping_country(order) is None:
        missing.append("country_code")
    return tuple(missing)


def map_customer(order: Json, order_id: UUID, connection_id: UUID) -> OrderCustomerRecorded | None:
    """The buyer; None when Mirakl shows nothing at all."""
    customer = member(order, "customer")
    if not customer:
        return None
    organization = member(customer, "organization")
    pudo = text(order.get("shipping_pudo_id"))
    return OrderCustomerRecorded(
        order_id=order_id,
        connection_id=connection_id,
        customer_reference=text(customer.get("customer_id")),
        shipping=_address(_shipping(order), order, pudo),
        billing=_address(member(customer, "billing_address"), order, None),
        fiscal_number=text(organization.get("tax_identification_number")),
        professional=bool(organization),
        locale=text(customer.get("locale")),
        address_kind="pickup_point" if pudo else "home",
    )


def _address(given: Json, order: Json, pudo: str | None) -> Address | None:
    """One address as given. `company_2` joins `company`; the hub has a single field and nothing may get lost."""
    if not given:
        return None
    companies = [name for name in (text(given.get("company")), text(given.get("company_2"))) if name]
    return Address(
        first_name=text(given.get("firstname")),
        last_name=text(given.get("lastname")),
        company=", ".join(companies) or None,
        street_1=text(given.get("street_1")),
        street_2=text(given.get("street_2")),
        postal_code=text(given.get("zip_code")),
        city=text(given.get("city")),
        region=text(given.get("state")),
        country_code=alpha_2(text(given.get("country_iso_code"))),
        country_name=_country_name(given),
        phone=text(given.get("phone")) or text(given.get("phone_secondary")),
        email=text(order.get("customer_notification_email")),
        instructions=text(given.get("additional_info")),
        pickup_point_id=pudo,
    )


def _country_name(given: Json) -> str | None:
    """The country's name; an unknown code takes its place when there is no name, so that people see it."""
    code = text(given.get("country_iso_code"))
    name = text(given.get("country"))
    if name is None and alpha_2(code) is None:
        return code
    return name
