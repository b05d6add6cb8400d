"""The hub's public protocol for shops: bodies, signatures and the order list, in one place of this service.

Services know capability protocols and no connector by name. This module is the one exception, and it is not really
one: what a shop posts to the hub, and how it signs, is not the peculiarity of an outside system but the hub's own
published interface. The package of the generic shop holds its definition, because its simulator and its outgoing half
must agree with it to the letter; a second definition here would drift from the first. Shops behind other connectors
post through the same interface. Nothing but the definition (`posts`, `reading`, `signing`, `wire`, `mapping`) is used,
and nothing outside this module may import that package.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

from connector_generic_shop.mapping import listed_order
from connector_generic_shop.posts import (
    Acknowledgement,
    CancellationPost,
    LineUnits,
    OrderPost,
    Post,
    PricePost,
    ReturnLineUnits,
    ReturnPost,
    ShipmentPost,
    StockPost,
)
from connector_generic_shop.reading import (
    POST_TYPES,
    REST_POSTS,
    BadPost,
    FieldError,
    ShopMessage,
    UnknownPostType,
    parse_body,
    parse_json,
    parse_webhook,
)
from connector_generic_shop.signing import (
    ID_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    BadSecret,
    BadSignature,
    Signed,
    check_secret,
    verify,
)
from connector_generic_shop.wire import ListedOrder, OrderPage

SECRET_FIELDS = ("webhook_secret", "webhook_secret_previous")
"""Credentials that prove a shop's webhooks: the current one, and the one before while a rotation lasts."""
PERSONAL_DATA_SETTING = "send_personal_data"
"""Connection setting that withholds names and addresses from a shop."""


def webhook_secrets(credentials: Mapping[str, SecretStr]) -> list[SecretStr]:
    """The secrets that may have signed a shop's webhook, newest first, malformed ones left out."""
    found: list[SecretStr] = []
    for name in SECRET_FIELDS:
        secret = credentials.get(name)
        if secret is None:
            continue
        try:
            check_secret(secret)
        except BadSecret:
            continue
        found.append(secret)
    return found


def sends_personal_data(settings: Mapping[str, object]) -> bool:
    """Whether a connection's shop gets names and addresses; only a clear "false" withholds them."""
    return str(settings.get(PERSONAL_DATA_SETTING, "true")).lower() != "false"


__all__ = [
    "ID_HEADER",
    "POST_TYPES",
    "REST_POSTS",
    "SIGNATURE_HEADER",
    "TIMESTAMP_HEADER",
    "Acknowledgement",
    "BadPost",
    "BadSignature",
    "CancellationPost",
    "FieldError",
    "LineUnits",
    "ListedOrder",
    "OrderPage",
    "OrderPost",
    "Post",
    "PricePost",
    "ReturnLineUnits",
    "ReturnPost",
    "ShipmentPost",
    "ShopMessage",
    "Signed",
    "StockPost",
    "UnknownPostType",
    "listed_order",
    "parse_body",
    "parse_json",
    "parse_webhook",
    "sends_personal_data",
    "verify",
    "webhook_secrets",
]
