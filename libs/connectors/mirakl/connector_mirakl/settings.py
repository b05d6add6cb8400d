"""The connection's settings in their proper types, so that no module guesses at strings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from connector_mirakl.manifest import SETTINGS_FIELDS

MultiShipment = Literal["auto", "on", "off"]


@dataclass(frozen=True, slots=True)
class MiraklSettings:
    """What a seller set for one Mirakl connection."""

    shop_id: int | None
    locale: str | None
    multi_shipment: MultiShipment
    partial_acceptance: bool
    invoice_type_code: str
    own_fulfillment_centers: frozenset[str]


def read_settings(given: Mapping[str, Any]) -> MiraklSettings:
    """Type the settings with the manifest's defaults. Raises `ValueError` naming the field and the rule it breaks."""
    values: dict[str, Any] = {}
    for field in SETTINGS_FIELDS:
        value = given.get(field.name)
        value = field.default if value is None else value
        if value is None:
            values[field.name] = None
            continue
        try:
            values[field.name] = field.check(value)
        except ValueError as error:
            raise ValueError(f"{field.name}: {error}") from None
    centers = (code.strip() for code in values["own_fulfillment_centers"].split(","))
    return MiraklSettings(
        shop_id=values["shop_id"],
        locale=values["locale"],
        multi_shipment=cast("MultiShipment", values["multi_shipment"]),
        partial_acceptance=values["partial_acceptance"],
        invoice_type_code=values["invoice_type_code"],
        own_fulfillment_centers=frozenset(code for code in centers if code),
    )
