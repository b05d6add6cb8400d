"""`HttpCaller`s for tests: one that runs a simulator's app in process, one that gives a canned answer."""

from __future__ import annotations

import asyncio

import httpx
from fastapi import FastAPI

from connector_kit.http import Ambiguous, Answer, Call, CallError


class AsgiCaller:
    """Runs the call on an app in process. A call that the app hangs on ends as `Ambiguous` after `timeout` seconds."""

    def __init__(self, app: FastAPI, timeout: float = 30) -> None:
        self.app = app
        self.timeout = timeout
        self.calls: list[Call] = []

    async def call(self, call: Call) -> Answer:
        self.calls.append(call)
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            request = client.build_request(
                call.method, call.path, params=list(call.params), headers=dict(call.headers), content=call.content
            )
            try:
                response = await asyncio.wait_for(client.send(request), self.timeout)
            except TimeoutError:
                raise Ambiguous("no answer in time") from None
        return Answer(response.status_code, dict(response.headers), response.content)


class CannedCaller:
    """Gives one answer, or raises one error, and remembers what it was asked."""

    def __init__(self, answer: Answer | CallError) -> None:
        self.answer = answer
        self.calls: list[Call] = []

    async def call(self, call: Call) -> Answer:
        self.calls.append(call)
        if isinstance(self.answer, CallError):
            raise self.answer
        return self.answer
