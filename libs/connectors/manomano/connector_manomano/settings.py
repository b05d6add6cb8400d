"""The connection's settings with their defaults applied, typed once instead of looked up by name all over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connector_kit.manifest import FieldErrors
from connector_manomano.manifest import MANIFEST
from connector_manomano.tracking import template_problem

MAX_PAGE = 100
"""Largest page known to be used in production."""
MAX_OFFERS = 10_000
"""Keeps one call far below the 5 MB that a known client respects (an item takes some 100 bytes)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one connection (one contract)."""

    contract: int
    country: str | None
    currency: str
    thirdparty_name: str
    page_limit: int
    list_by_status: bool
    refund_path: str
    repeat_codes: frozenset[int]
    shipped_when_complete: bool
    offers_per_call: int
    fulfilled_by_manomano: bool
    allow_other_carrier: bool
    require_tracking_link: bool
    tracking_link_template: str | None
    carrier_grids: frozenset[str]
    eco_participation_place: str
    honour_opening_hours: bool | None

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Settings:
        """Check and complete the connection's settings. Raises `FieldErrors` naming every wrong field."""
        checked = MANIFEST.check_settings(given)
        country = checked.get("country")
        return cls(
            contract=checked["seller_contract_id"],
            country=country,
            currency=checked.get("currency") or ("GBP" if country == "UK" else MANIFEST.currency_default),
            thirdparty_name=checked["thirdparty_name"],
            page_limit=min(max(checked["page_limit"], 1), MAX_PAGE),
            list_by_status=checked["list_by_status"],
            refund_path=checked["refund_path"],
            repeat_codes=_codes(checked["accept_repeat_codes"]),
            shipped_when_complete=checked["shipped_when_complete"],
            offers_per_call=min(max(checked["offers_per_call"], 1), MAX_OFFERS),
            fulfilled_by_manomano=checked["fulfilled_by_manomano"],
            allow_other_carrier=checked["allow_other_carrier"],
            require_tracking_link=checked["require_tracking_link"],
            tracking_link_template=_template(checked.get("tracking_link_template")),
            carrier_grids=frozenset(filter(None, map(str.strip, checked.get("carrier_grids", "").split(";")))),
            eco_participation_place=checked["eco_participation_place"],
            honour_opening_hours=checked.get("honour_opening_hours"),
        )


def _codes(text: str) -> frozenset[int]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isdecimal() and len(word) == 3 for word in words):
        raise FieldErrors({"accept_repeat_codes": "must be HTTP codes separated by commas"})
    return frozenset(int(word) for word in words)


def _template(given: str | None) -> str | None:
    problem = template_problem(given) if given else None
    if problem:
        raise FieldErrors({"tracking_link_template": problem})
    return given
