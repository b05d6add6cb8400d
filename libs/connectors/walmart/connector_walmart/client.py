"""The wire: access tokens, and the one place that says what is known after an answer."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from connector_kit.capabilities import ConnectionContext
from connector_kit.http import LONGEST_WAIT_SECONDS, Answer, BadAnswer, Call, CallError, NotSent
from connector_kit.outcome import Outcome

from connector_walmart.manifest import MANIFEST, token_operation

ATTENTION_SECONDS, WAIT_SECONDS, EARLY_SECONDS = 900.0, 60.0, 60.0
"""Waits where a person has to act first, and after a refusal that does not say how long; a token is renewed so long
before its end, since a call must not arrive with one that ended on the way."""
BUSY = (423, 429)
"""Locked by another call, too many calls: certainly not applied."""


def dig(value: Any, *names: str) -> Any:
    """What lies so deep in nested objects; None where one is missing or is something else."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def as_object(answer: Answer | None) -> dict[str, Any]:
    """The answer's object, empty for anything else (a proxy's page, a list)."""
    try:
        body = answer.json() if answer else {}
    except BadAnswer:
        return {}
    return body if isinstance(body, dict) else {}


def code_of(answer: Answer) -> str:
    """The first error's code: `errors` is a list, or an object that holds it as `error`. "" without one."""
    body = as_object(answer)
    listed = dig(body, "errors", "error") or body.get("errors", body.get("error"))
    code = dig(listed[0], "code") if isinstance(listed, list) and listed else None
    return code if isinstance(code, str) else ""


class Client:
    """Calls of one connection."""

    def __init__(self, context: ConnectionContext) -> None:
        self._http, self._clock, self._lane = context.http, context.clock, context.lane
        self._account = [context.credentials[name] for name in ("client_id", "client_secret")]
        self._token, self._until = "", datetime.min.replace(tzinfo=UTC)
        self._one_at_a_time = asyncio.Lock()

    def _pair(self) -> str:
        return b64encode(":".join(each.get_secret_value() for each in self._account).encode()).decode()

    def hide(self, words: str) -> str:
        """Words from outside, fit for reasons and evidence: without secrets, cut."""
        for secret in filter(None, (self._pair(), self._token, *(each.get_secret_value() for each in self._account))):
            words = words.replace(secret, "***")
        return words.replace("\x00", "")[:300]

    def explain(self, answer: Answer) -> str:
        """An error answer by its code: messages may quote what we sent, the buyer included."""
        return self.hide(f"HTTP {answer.status} {code_of(answer) or 'without a code'}")

    def wait(self, answer: Answer) -> float:
        """Seconds to wait: `Retry-After`, else until `x-next-replenish-time` (milliseconds since 1970)."""
        at = answer.headers.get("x-next-replenish-time", "")
        until = int(at[:15]) / 1000 - self._clock.now().timestamp() if at.isascii() and at.isdecimal() else 0
        return answer.retry_after or (min(until, LONGEST_WAIT_SECONDS) if until > 0 else WAIT_SECONDS)

    async def _send(self, operation: str, method: str, path: str, headers: dict[str, str], more: Any) -> Answer:
        headers |= {"WM_QOS.CORRELATION_ID": str(uuid4()), "WM_SVC.NAME": MANIFEST.title, "Accept": "application/json"}
        return await self._http.call(Call(operation, method, path, headers=headers, lane=self._lane, **more))

    async def _get_token(self, operation: str, instead_of: str = "") -> dict[str, str]:
        """The header for a call of this operation. Raises `NotSent`: without a token that call never left."""
        async with self._one_at_a_time:
            if self._token in ("", instead_of) or self._clock.now() >= self._until:
                self._token, self._until = await self._fetch(token_operation(MANIFEST.budget(operation).owner))
            return {"WM_SEC.ACCESS_TOKEN": self._token}

    async def _fetch(self, operation: str) -> tuple[str, datetime]:
        headers = {"Authorization": f"Basic {self._pair()}", "Content-Type": "application/x-www-form-urlencoded"}
        form = {"content": b"grant_type=client_credentials", "idempotent": True}
        try:
            answer = await self._send(operation, "POST", "/v3/token", headers, form)
        except CallError as error:
            raise NotSent("no token came", getattr(error, "retry_after", None) or WAIT_SECONDS) from None
        if answer.status in (400, 401, 403):
            raise NotSent("the account is refused, the connection needs attention", ATTENTION_SECONDS)
        token, seconds = as_object(answer).get("access_token"), as_object(answer).get("expires_in")
        if answer.status != 200 or not isinstance(token, str) or not isinstance(seconds, int):
            raise NotSent(f"HTTP {answer.status} instead of a token", self.wait(answer))
        return token, self._clock.now() + timedelta(seconds=min(seconds, LONGEST_WAIT_SECONDS) - EARLY_SECONDS)

    async def call(self, operation: str, method: str, path: str, **more: Any) -> Answer:
        """Make one call; after a 401, which means not processed, once more with a fresh token. Raises `CallError`."""
        token = await self._get_token(operation)
        answer = await self._send(operation, method, path, dict(token), more)
        if answer.status != 401:
            return answer
        token = await self._get_token(operation, instead_of=token["WM_SEC.ACCESS_TOKEN"])
        return await self._send(operation, method, path, token, more)

    async def read(self, operation: str, path: str, params: Sequence[tuple[str, str]] = ()) -> Answer | None:
        """A GET: an answer with an object, None for the application's "content not found", else `CallError`."""
        answer = await self.call(operation, "GET", path, params=params, idempotent=True)
        if answer.status == 200 and as_object(answer):
            return answer
        if answer.status == 404 and code_of(answer).startswith("CONTENT_NOT_FOUND"):
            return None
        if answer.status in BUSY:
            raise NotSent(self.explain(answer), self.wait(answer))
        raise BadAnswer(self.explain(answer))

    async def change(self, operation: str, path: str, body: Any) -> dict[str, Any] | Outcome:
        """Make a change that must not be made twice: the object of a readable 2xx, else what is known about it."""
        try:
            answer = await self.call(operation, "POST", path, json=body)
        except NotSent as error:
            return Outcome.retry(self.hide(f"not sent: {error}"), after=error.retry_after)
        except CallError as error:
            return Outcome.unknown(self.hide(f"no clear answer: {error}"))
        reason, code = self.explain(answer), code_of(answer)
        if 200 <= answer.status < 300:
            return as_object(answer) or Outcome.unknown(f"HTTP {answer.status} with a body that is not an object")
        if answer.status in BUSY:
            return Outcome.retry(reason, after=self.wait(answer))
        if answer.status == 408 or answer.status >= 500:
            return Outcome.unknown(reason)
        if answer.status not in (400, 404, 409, 422) or code in ("", "URI_NOT_FOUND"):
            return Outcome.retry(f"{reason}; the connection needs attention", after=ATTENTION_SECONDS)
        if answer.status == 404:
            return Outcome.rejected(reason, http_status=answer.status)
        # A wrong state and a wrong field look alike: the probe decides, and if it was not done the refusal stands.
        return Outcome.unknown(reason, retry_if_not_applied=False)
