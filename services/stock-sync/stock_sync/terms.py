"""What a connection's marketplace takes in prices, read from what its connector declares: never from its name.

A shop states channels for all its marketplaces. One that a marketplace does not know gets the whole offer refused, so
only channels that the connection or its operator's profile names are sent.
"""

from __future__ import annotations

from connector_kit.discovery import UnknownConnector, connector
from connector_kit.profiles import OperatorProfile
from hub_common.connections import Connection
from stock_sync.prices import NO_TERMS, PriceTerms

CHANNELS_SETTING = "offer_channels"
"""Connector setting with a connection's own channels, separated by commas. A connector without it has none."""
DATES_SETTING = "price_dates"
"""Connector setting that says how dates of discounts are written. A connector without it sends none."""


def profile_of(connection: Connection | None) -> OperatorProfile | None:
    """The operator's profile that a connection names, None without one."""
    if connection is None:
        return None
    try:
        return connector(connection.data.connector).manifest.profile(connection.data.connector_settings)
    except UnknownConnector:
        return None


def price_terms(connection: Connection) -> PriceTerms:
    """The terms of a connection. Its own list of channels wins over its operator's."""
    settings = connection.data.connector_settings
    try:
        manifest = connector(connection.data.connector).manifest
    except UnknownConnector:
        return NO_TERMS
    fields = {field.name for field in manifest.settings_fields}
    profile = manifest.profile(settings)
    own = [part.strip() for part in str(settings.get(CHANNELS_SETTING) or "").split(",") if part.strip()]
    if CHANNELS_SETTING not in fields:
        own = []
    operators = profile.offers.channels if profile else ()
    return PriceTerms(
        channels=frozenset(own or operators),
        has_channels=CHANNELS_SETTING in fields or bool(operators),
        takes_dates=DATES_SETTING in fields,
    )
