"""What an operator configured and changes rarely: carriers, reasons, the account behind the key."""

from __future__ import annotations

from connector_kit.capabilities import MarketplaceCarrier, RefundReason, Verification
from connector_kit.http import BadAnswer, CallError
from connector_mirakl.client import MiraklClient, Unavailable
from connector_mirakl.settings import MiraklSettings
from connector_mirakl.wire import Json, objects, text

KINDS = {
    "REFUND": "refund",
    "CANCELATION": "cancellation",
    "RETURN_REJECTION": "return_rejection",
    "RETURN_NON_COMPLIANT": "return_non_compliant",
    "ORDER_MESSAGING": "message",
}
"""Reason types that a seller names in calls of this connector; others (incidents, offers, services) are left out."""


class Catalogs:
    """Capabilities `carriers` and `reasons`, and the check of the credentials, of one connection."""

    def __init__(self, client: MiraklClient, settings: MiraklSettings) -> None:
        self._client = client
        self._settings = settings

    async def list_carriers(self) -> list[MarketplaceCarrier]:
        """SH21. Raises `CallError`. Mirakl allows one reading a day, and who asks keeps it for that long: a second
        cache here would hide from them that the list could not be read."""
        told = await self._client.read_object("list_carriers", "/api/shipping/carriers")
        return [_carrier(item) for item in _listed(told, "carriers") if text(item.get("code"))]

    async def list_reasons(self) -> list[RefundReason]:
        """RE01, only those that a seller may give (`is_shop_right`). Raises `CallError`."""
        told = await self._client.read_object("list_reasons", "/api/reasons")
        return [
            RefundReason(
                code=text(item.get("code")) or "",
                label=text(item.get("label")) or text(item.get("code")) or "",
                kind=KINDS[str(item.get("type"))],
            )
            for item in _listed(told, "reasons")
            if item.get("is_shop_right") is True and str(item.get("type")) in KINDS and text(item.get("code"))
        ]

    async def verify(self) -> Verification:
        """A01: proves the key and shows the shop. V01 would not do, it answers without a key."""
        try:
            account = await self._client.read_object("verify", "/api/account")
        except Unavailable as error:
            if error.status in (401, 403):
                return Verification(False, f"the API key is refused (HTTP {error.status})")
            return Verification(False, f"the account cannot be read: {error}")
        except BadAnswer as error:
            return Verification(False, f"this address does not answer like Mirakl: {error}")
        except CallError as error:
            return Verification(False, f"the address cannot be reached: {error}")
        shop_id, state = text(account.get("shop_id")), text(account.get("shop_state"))
        if shop_id is None:
            return Verification(False, "this address does not answer like Mirakl: the account has no shop_id")
        wanted = self._settings.shop_id
        if wanted is not None and shop_id != str(wanted):
            return Verification(False, f"shop_id: the key answers for shop {shop_id}, not for {wanted}")
        name = text(account.get("shop_name")) or ""
        return Verification(True, f"shop {shop_id} {name} is {state or 'of unknown state'}")


def _listed(told: Json, name: str) -> list[Json]:
    """A list that must be there: an empty catalogue and an answer that is something else are not the same."""
    if not isinstance(told.get(name), list):
        raise BadAnswer(f"the answer has no list {name!r}")
    return objects(told[name])


def _carrier(item: Json) -> MarketplaceCarrier:
    code = text(item.get("code"))
    return MarketplaceCarrier(
        code=code, name=text(item.get("label")) or code or "", tracking_url=text(item.get("tracking_url"))
    )
