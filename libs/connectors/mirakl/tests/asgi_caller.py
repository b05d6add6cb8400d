"""An `HttpCaller` that runs the simulator in this process, without sockets and without waiting.

Like the runtime's caller it tells apart what never left (`NotSent`) from what may have been processed (`Ambiguous`).
The simulator's hanging answer is recognised instead of being waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from urllib.parse import quote

import httpx
from starlette.responses import Response

from connector_kit.exact_json import exact_json
from connector_kit.http import Ambiguous, Answer, Call, NotSent
from connector_mirakl.sandbox.simulator import MiraklSimulator

START = datetime(2025, 11, 7, 9, 14, 22, tzinfo=UTC)


class ManualClock:
    """Time that only the test moves."""

    def __init__(self, start: datetime = START) -> None:
        self.moment = start

    def now(self) -> datetime:
        return self.moment

    def pass_seconds(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class Hung(Exception):
    """The simulator would hang now."""


async def _hang() -> Response:
    raise Hung


class AsgiCaller:
    """Calls the simulator's app. `calls` and `answers` keep everything for assertions."""

    watch: ClassVar[Callable[[MiraklSimulator, Call, Answer | None], None]] = lambda simulator, call, answer: None
    """Sees every exchange of every test; the answer is None when it never came."""

    def __init__(self, simulator: MiraklSimulator) -> None:
        simulator.desk.hang = _hang
        self._simulator = simulator
        self._transport = httpx.ASGITransport(app=simulator.app)
        self.unwatched = False
        """Set for calls that are wrong, or no calls of Mirakl, on purpose."""
        self.calls: list[Call] = []
        self.answers: list[tuple[Call, Answer]] = []
        self.refuse: Callable[[Call], bool] = lambda call: False
        """Calls for which this holds are not sent at all."""
        self.before: Callable[[Call], None] = lambda call: None
        """Runs before each call, for things that happen while the connector works."""

    async def call(self, call: Call) -> Answer:
        self.calls.append(call)
        self.before(call)
        if self.refuse(call):
            raise NotSent("connection refused", retry_after=7)
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in call.params)
        url = f"http://operator.example.invalid{call.path}" + (f"?{query}" if query else "")
        headers = dict(call.headers)
        content = call.content
        files = None
        if call.json is not None:
            content = exact_json(call.json).encode()
            headers["Content-Type"] = "application/json"
        if call.parts:
            files = [(part.name, (part.filename, part.content, part.content_type)) for part in call.parts]
        async with httpx.AsyncClient(transport=self._transport) as client:
            try:
                got = await client.request(call.method, url, headers=headers, content=content, files=files)
            except Hung:
                self._show(call, None)
                raise Ambiguous("no answer within the time allowed") from None
        answer = Answer(got.status_code, {name.lower(): value for name, value in got.headers.items()}, got.content)
        self.answers.append((call, answer))
        self._show(call, answer)
        return answer

    def _show(self, call: Call, answer: Answer | None) -> None:
        if not self.unwatched:
            AsgiCaller.watch(self._simulator, call, answer)

    def made(self, operation: str) -> list[Call]:
        """Calls of one operation."""
        return [call for call in self.calls if call.operation == operation]
