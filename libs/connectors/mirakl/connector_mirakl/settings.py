"""The connection's settings in their proper types, so that no module guesses at strings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from connector_kit.manifest import Manifest
from connector_kit.profiles import OperatorProfile
from connector_mirakl.manifest import MANIFEST
from connector_mirakl.offer_settings import OfferSettings, read_offer_settings

MultiShipment = Literal["auto", "on", "off"]


@dataclass(frozen=True, slots=True)
class MiraklSettings:
    """What a seller set for one Mirakl connection."""

    shop_id: int | None
    locale: str | None
    multi_shipment: MultiShipment
    partial_acceptance: bool
    when_not_partial: Literal["hold", "refuse"]
    message_format: Literal["plain", "html"]
    invoice_type_code: str
    own_fulfillment_centers: frozenset[str]
    profile: OperatorProfile | None
    offers: OfferSettings


def read_settings(given: Mapping[str, Any], manifest: Manifest = MANIFEST) -> MiraklSettings:
    """Type the settings; what is absent comes from the operator's profile, then from the manifest's defaults.

    Raises `ValueError` naming the field and the rule it breaks.
    """
    profile = manifest.profile(given)
    known = profile.connector_settings if profile else {}
    values: dict[str, Any] = {}
    for field in manifest.settings_fields:
        value = given.get(field.name)
        value = known.get(field.name, field.default) if value is None else value
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
        when_not_partial=values["when_not_partial"],
        message_format=values["message_format"],
        invoice_type_code=values["invoice_type_code"],
        own_fulfillment_centers=frozenset(code for code in centers if code),
        profile=profile,
        offers=read_offer_settings(values, profile),
    )
