"""Who a shop is: an API key for its REST calls, a signature for its webhooks.

An unknown connection, a connection that is no shop and a wrong key or signature get one and the same answer after the
same work, so that nobody can find out which connections exist.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import Depends, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from hub_common.connections import Connection
from hub_common.crypto import SealError, hash_api_key, matches_api_key
from hub_common.web import FieldError, Problem, authenticates
from hub_contracts.connections import ConnectionKind
from shop_gateway.shop_protocol import (
    ID_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    BadSignature,
    Signed,
    verify,
    webhook_secrets,
)

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

NOBODYS_HASHES = (hash_api_key("nobody"),)
"""Compared with where there is no connection. Keys are longer, so nothing can match."""
NOBODYS_SECRET = SecretStr("whsec_" + "bm9ib2R5" * 4)
"""Verified against where there is no secret; the result is not used."""
LONGEST_KEY = 512
"""Longer tokens are not ours; hashing megabytes for strangers is work they would set us."""

ConnectionPath = Annotated[str, Path(description="Id of the shop's connection", json_schema_extra={"format": "uuid"})]
BEARER = HTTPBearer(auto_error=False, scheme_name="shopApiKey", description="An API key of the shop's connection")


@dataclass(frozen=True, slots=True)
class SignedCall:
    """A webhook whose signature was verified."""

    shop: Connection
    signed: Signed
    body: bytes


def api_key(runtime: Runtime) -> Callable[..., Awaitable[Connection]]:
    """Dependency: the caller shows `Authorization: Bearer <api key>` of this shop's connection. Else 401."""

    @authenticates
    async def authenticate(
        connection_id: ConnectionPath, given: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
    ) -> Connection:
        shop = _shop(runtime, connection_id)
        key = given.credentials if given is not None and len(given.credentials) <= LONGEST_KEY else ""
        fits = matches_api_key(key, (shop.data.api_key_hashes if shop else ()) or NOBODYS_HASHES)
        if shop is None or not fits or not shop.data.api_key_hashes:
            runtime.log.warning("shop_refused", reason="api key", connection_id=_known_id(shop))
            raise _unauthorised("Send the header Authorization: Bearer <API key of this connection>.", "Bearer")
        return shop

    return authenticate


def signature(runtime: Runtime) -> Callable[..., Awaitable[SignedCall]]:
    """Dependency: the body is signed (Standard Webhooks) with a secret of this shop's connection. Else 401."""

    @authenticates
    async def authenticate(connection_id: ConnectionPath, request: Request) -> SignedCall:
        shop = _shop(runtime, connection_id)
        secrets = _secrets(runtime, shop) if shop else []
        body = await request.body()
        try:
            signed = verify(request.headers, body, secrets or [NOBODYS_SECRET], now=runtime.clock.now())
        except BadSignature as error:
            runtime.log.warning("shop_refused", reason="signature", detail=str(error), connection_id=_known_id(shop))
            raise _bad_signature(str(error)) from None
        if shop is None or not secrets:
            raise _bad_signature(f"{SIGNATURE_HEADER}: no signature fits the body, id and timestamp")
        return SignedCall(shop, signed, body)

    return authenticate


def _shop(runtime: Runtime, connection_id: str) -> Connection | None:
    try:
        found = runtime.connections.get(UUID(connection_id))
    except ValueError:
        return None
    return found if found is not None and found.data.kind is ConnectionKind.SHOP else None


def _secrets(runtime: Runtime, shop: Connection) -> list[SecretStr]:
    try:
        return webhook_secrets(runtime.open_credentials(shop))
    except SealError as error:
        # Our deployment's fault, not the shop's: it must try again later, and a person must look.
        runtime.log.error("credentials_sealed", connection_id=str(shop.connection_id), error=str(error))
        raise Problem(
            "not-ready", "Not ready", 503, "Signatures cannot be checked now; try again.", headers={"Retry-After": "60"}
        ) from None


def _known_id(shop: Connection | None) -> str:
    return str(shop.connection_id) if shop else "unknown"


def _unauthorised(detail: str, scheme: str) -> Problem:
    return Problem("unauthorised", "Not authenticated", 401, detail, headers={"WWW-Authenticate": scheme})


def _bad_signature(text: str) -> Problem:
    """`text` is `<where>: <rule>` and repeats nothing that was sent."""
    where, _, rule = text.partition(": ")
    headers = (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
    pointer = f"header:/{where}" if where in headers else "#"
    return Problem("unauthorised", "Not authenticated", 401, text, errors=[FieldError(pointer, rule or text)])
