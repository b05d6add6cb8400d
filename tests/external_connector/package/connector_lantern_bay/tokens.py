"""Access tokens: fetched with the account's id and secret, kept until shortly before they end, fetched once at a time.

A token call costs quota like any other, so it is declared in the manifest: one operation per service, since a budget
has one owner. Whatever goes wrong here, the call that needed the token was certainly not sent.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from datetime import UTC, datetime, timedelta

from connector_kit.capabilities import ConnectionContext
from connector_kit.http import BadAnswer, Call, CallError, NotSent

from connector_lantern_bay.manifest import MANIFEST, token_operation

EARLY = timedelta(seconds=60)
"""Renewed so long before its end: a call must not arrive with a token that ended on the way."""
ATTENTION_SECONDS = 900.0
WAIT_SECONDS = 60.0


class Tokens:
    """Tokens of one connection, on the injected clock."""

    def __init__(self, context: ConnectionContext) -> None:
        self._http, self._clock, self._lane = context.http, context.clock, context.lane
        self._account, self._secret = context.credentials["client_id"], context.credentials["client_secret"]
        self._token, self._until = "", datetime.min.replace(tzinfo=UTC)
        self._one_at_a_time = asyncio.Lock()

    def hide(self, words: str) -> str:
        """Words without the secret and the token."""
        for secret in (self._secret.get_secret_value(), self._token):
            words = words.replace(secret, "***") if secret else words
        return words

    async def get(self, operation: str, *, instead_of: str | None = None) -> str:
        """A token for a call of this operation; another one than `instead_of`, which was refused.

        Raises `NotSent`, with the wait that is due: a person's when the credentials are refused.
        """
        async with self._one_at_a_time:
            if not self._token or self._token == instead_of or self._clock.now() >= self._until:
                self._token, self._until = await self._fetch(token_operation(MANIFEST.budget(operation).owner))
            return self._token

    async def _fetch(self, operation: str) -> tuple[str, datetime]:
        pair = f"{self._account.get_secret_value()}:{self._secret.get_secret_value()}"
        headers = {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        call = Call(operation, "POST", "/v1/token", headers=headers, json={}, idempotent=True, lane=self._lane)
        try:
            answer = await self._http.call(call)
        except NotSent:
            raise
        except CallError:
            raise NotSent("no token came", WAIT_SECONDS) from None
        if answer.status in (400, 401, 403):
            raise NotSent("the account is refused, the connection needs attention", ATTENTION_SECONDS)
        try:
            token, seconds = answer.json()["access_token"], int(answer.json()["expires_in"])
        except (BadAnswer, LookupError, TypeError, ValueError):
            raise NotSent(f"HTTP {answer.status} instead of a token", answer.retry_after or WAIT_SECONDS) from None
        return str(token), self._clock.now() + timedelta(seconds=seconds) - EARLY
