"""The wire of Lantern Bay, and the one place that says what is known after an answer.

Taking doubt for success loses an order; taking it for failure and sending again does it twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connector_kit.capabilities import ConnectionContext
from connector_kit.http import Answer, BadAnswer, Call, CallError, NotSent
from connector_kit.outcome import Outcome

from connector_lantern_bay.tokens import Tokens

ATTENTION_SECONDS = 900.0
"""Wait where a person has to repair the connection first (token, address)."""
WAIT_SECONDS = 60.0
"""Wait after a 429 that does not say how long."""


def as_object(answer: Answer) -> dict[str, Any]:
    """The answer's object, empty for anything else (a proxy's page, a list)."""
    try:
        body = answer.json()
    except BadAnswer:
        return {}
    return body if isinstance(body, dict) else {}


class Client:
    """Calls of one connection."""

    def __init__(self, context: ConnectionContext) -> None:
        self._http, self._lane = context.http, context.lane
        self._tokens = Tokens(context)

    def hide(self, words: str) -> str:
        """Words from outside, fit for reasons and evidence: without secrets, cut."""
        return self._tokens.hide(words).replace("\x00", "")[:300]

    def explain(self, answer: Answer) -> str:
        """What an error answer says, by its code: messages may quote what we sent, the buyer included."""
        error = as_object(answer).get("error")
        code = error.get("code") if isinstance(error, dict) else None
        return self.hide(f"HTTP {answer.status} {code if isinstance(code, str) else 'without a code'}")

    async def call(
        self, operation: str, method: str, path: str, *, params: Any = (), body: Any = None, idempotent: bool = False
    ) -> Answer:
        """Make one call; after a 401, which means not processed, once more with a fresh token. Raises `CallError`."""

        async def attempt(token: str) -> Answer:
            headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
            made = Call(operation, method, path, params, headers, body, idempotent=idempotent, lane=self._lane)
            return await self._http.call(made)

        token = await self._tokens.get(operation)
        answer = await attempt(token)
        if answer.status != 401:
            return answer
        return await attempt(await self._tokens.get(operation, instead_of=token))

    async def read(self, operation: str, path: str, params: Sequence[tuple[str, str]] = ()) -> Answer | None:
        """A GET: an answer with an object, None when the API says that there is no such thing, else `CallError`."""
        answer = await self.call(operation, "GET", path, params=params, idempotent=True)
        if answer.status == 200 and as_object(answer):
            return answer
        if answer.status == 404 and "error" in as_object(answer):
            return None
        if answer.status == 429:
            raise NotSent(self.explain(answer), answer.retry_after or WAIT_SECONDS)
        raise BadAnswer(self.explain(answer))

    async def change(
        self, operation: str, method: str, path: str, body: Any, *, idempotent: bool = False
    ) -> dict[str, Any] | Outcome:
        """Make a change: the object of a readable 2xx, else what is known about the change.

        `idempotent`: doing it twice is the same as once, so doubt means sending again.
        """
        doubt = Outcome.retry if idempotent else Outcome.unknown
        try:
            answer = await self.call(operation, method, path, body=body, idempotent=idempotent)
        except NotSent as error:
            return Outcome.retry(self.hide(f"not sent: {error}"), after=error.retry_after)
        except CallError as error:
            return doubt(self.hide(f"no clear answer: {error}"))
        reason, refused = self.explain(answer), "error" in as_object(answer)
        if 200 <= answer.status < 300:
            return as_object(answer) or doubt(f"HTTP {answer.status} with a body that is not an object")
        if answer.status == 429:
            return Outcome.retry(reason, after=answer.retry_after or WAIT_SECONDS)
        if answer.status == 408 or answer.status >= 500:
            return doubt(reason)
        if answer.status == 409 and not idempotent:
            # Refused as if already done: the probe decides, and if it was not done the refusal stands.
            return Outcome.unknown(reason, retry_if_not_applied=False)
        if answer.status in (400, 404, 409, 422) and refused:
            return Outcome.rejected(reason, http_status=answer.status)
        # Token refused, redirect, unknown path: nothing was applied and the order is not to blame.
        return Outcome.retry(f"{reason}; the connection needs attention", after=ATTENTION_SECONDS)
