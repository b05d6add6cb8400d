"""An `HttpCaller` that runs a simulator's app in this process, without sockets and without waiting.

Like the runtime's caller it tells apart what never left (`NotSent`) from what may have been processed (`Ambiguous`),
because connectors are judged by what they make of that difference.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Protocol

import httpx
from fastapi import FastAPI

from connector_kit.exact_json import exact_json
from connector_kit.http import Ambiguous, Answer, BadAnswer, Call, NotSent
from connector_kit.simulator import Hung, giving_up_at_once
from connector_kit.testing.interference import Interference, Trouble

PATIENCE_SECONDS = 5.0
"""For apps that hang without the kit's `hang()`."""
NO_ANSWER = "no answer within the time allowed"


class HasApp(Protocol):
    """What the caller needs of a simulator."""

    app: FastAPI


class AsgiCaller:
    """Makes calls on an app. `calls` and `answers` keep everything, `interference` is what goes wrong on the way."""

    def __init__(self, simulator: HasApp, *, patience: float = PATIENCE_SECONDS) -> None:
        self._transport = httpx.ASGITransport(app=simulator.app, raise_app_exceptions=True)
        self._patience = patience
        self.calls: list[Call] = []
        self.answers: list[tuple[Call, Answer | None]] = []
        """The answer is None when it never came."""
        self.interference: list[Interference] = []
        self.before: Callable[[Call], Awaitable[None] | None] = lambda call: None
        """Runs before each call, for things that happen while the connector works."""
        self.budget: Counter[str] = Counter()
        """Calls per operation."""

    async def call(self, call: Call) -> Answer:
        """See `HttpCaller`."""
        self.calls.append(call)
        self.budget[call.operation] += 1
        meanwhile = self.before(call)
        if inspect.isawaitable(meanwhile):
            await meanwhile
        trouble = next((one for one in self.interference if one.strikes(call)), None)
        answer = await (self._send(call) if trouble is None else self._interfered(call, trouble))
        self.answers.append((call, answer))
        if answer is None:
            raise Ambiguous(NO_ANSWER)
        return answer

    async def _interfered(self, call: Call, what: Interference) -> Answer | None:
        if what.trouble is Trouble.NOT_SENT:
            raise NotSent("connection refused", retry_after=what.retry_after)
        if what.trouble is Trouble.LOST_REQUEST:
            return None
        if what.trouble is Trouble.ANSWER_INSTEAD:
            return what.answer_to(call)
        true_answer = await self._send(call)
        if what.trouble is Trouble.LOST_ANSWER or true_answer is None:
            return None
        return what.altered(true_answer) if what.trouble is Trouble.ALTERED else what.answer_to(call)

    async def _send(self, call: Call) -> Answer | None:
        headers = {name: value for name, value in call.headers.items() if value is not None}
        content, files = call.content, None
        if call.json is not None:
            content = exact_json(call.json).encode()
            headers["content-type"] = "application/json"
        if call.parts:
            files = [(part.name, (part.filename, part.content, part.content_type)) for part in call.parts]
        async with httpx.AsyncClient(transport=self._transport, base_url="http://outside.example.invalid") as client:
            sending = client.request(
                call.method, call.path, params=list(call.params) or None, headers=headers, content=content, files=files
            )
            try:
                with giving_up_at_once():
                    got = await asyncio.wait_for(sending, self._patience)
            except (Hung, TimeoutError):
                return None
            except httpx.HTTPError as error:
                raise BadAnswer(f"the simulator broke the protocol: {error}") from None
        return Answer(got.status_code, {name.lower(): value for name, value in got.headers.items()}, got.content)

    def made(self, *operations: str) -> list[Call]:
        """Calls of these operations, in order; of all without any."""
        return [call for call in self.calls if not operations or call.operation in operations]

    def forget(self) -> None:
        """Start counting anew."""
        self.calls.clear()
        self.answers.clear()
        self.budget.clear()
