"""An `HttpCaller` that runs a simulator's app in the process, and can lose answers as a real network does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
from fastapi import FastAPI

from connector_kit.exact_json import exact_json
from connector_kit.http import Ambiguous, Answer, Call, CallError
from connector_kit.simulator import Faults

TIMEOUT_FAULT = "timeout_after_effect"


@dataclass
class AsgiCaller:
    """Makes calls on the app. `before` may raise or answer instead; `calls` is everything that was asked."""

    app: FastAPI
    faults: Faults
    calls: list[Call] = field(default_factory=list)
    before: Callable[[Call], Answer | CallError | None] = lambda call: None

    async def call(self, call: Call) -> Answer:
        self.calls.append(call)
        instead = self.before(call)
        if isinstance(instead, CallError):
            raise instead
        if instead is not None:
            return instead
        answer = await self._patiently(call)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status_code, headers, answer.content)

    async def _patiently(self, call: Call) -> httpx.Response:
        """The answer; gives up at the moment when the simulator begins to hang, which uses up the fault's `times`."""
        waiting = self._timeout_faults()
        sending = asyncio.create_task(self._send(call))
        while not sending.done():
            if self._timeout_faults() < waiting:
                sending.cancel()
                await asyncio.wait([sending])
                raise Ambiguous(f"no answer to {call.operation}")
            await asyncio.sleep(0)
        return sending.result()

    def _timeout_faults(self) -> int:
        return sum(rule.times or 0 for rule in self.faults.rules if rule.fault == TIMEOUT_FAULT)

    async def _send(self, call: Call) -> httpx.Response:
        headers = dict(call.headers)
        content = None if call.json is None else exact_json(call.json).encode()
        if content is not None:
            headers["content-type"] = "application/json"
        files = [(part.name, (part.filename, part.content, part.content_type)) for part in call.parts] or None
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox.invalid") as client:
            return await client.request(
                call.method, call.path, params=list(call.params), headers=headers, content=content, files=files
            )

    def made(self, operation: str) -> int:
        """How many calls drew on this operation's budget."""
        return sum(call.operation == operation for call in self.calls)
