"""The wire to one Mirakl instance: paths, headers and query of each call, nothing else.

The key goes raw into `Authorization`, without `Bearer` (Mirakl General Notes). Nothing here decides what an answer
means for an effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from connector_kit.capabilities import ConnectionContext
from connector_kit.http import Answer, BadAnswer, Call, FilePart, Lane
from connector_mirakl.errors import Explanation, explain
from connector_mirakl.settings import MiraklSettings
from connector_mirakl.wire import Json, as_object

Params = Sequence[tuple[str, str]]

LOCALISED = frozenset({"/api/orders", "/api/offers", "/api/reasons"})
"""Calls that document a `locale` parameter, among those made here."""


class Unavailable(BadAnswer):
    """A read answered with something other than 200."""

    def __init__(self, explanation: Explanation, retry_after: float | None) -> None:
        super().__init__(f"Mirakl answered {explanation}")
        self.status = explanation.status
        self.retry_after = retry_after


class MiraklClient:
    """Makes the calls of one connection. Its repr and its errors never hold the key."""

    def __init__(self, context: ConnectionContext, settings: MiraklSettings) -> None:
        self._http = context.http
        self._key: SecretStr = context.credentials["api_key"]
        self._lane = context.lane
        self._settings = settings

    async def send(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        params: Params = (),
        json: Any = None,
        parts: Sequence[FilePart] = (),
        idempotent: bool = False,
        lane: Lane | None = None,
    ) -> Answer:
        """Make one call and return its answer whatever the status. Raises `CallError`."""
        query = [*params]
        if self._settings.shop_id is not None:
            query.append(("shop_id", str(self._settings.shop_id)))
        if self._settings.locale is not None and method == "GET" and path in LOCALISED:
            query.append(("locale", self._settings.locale))
        headers = {"Authorization": self._key.get_secret_value(), "Accept": "application/json"}
        call = Call(
            operation=operation,
            method=method,
            path=path,
            params=tuple(query),
            headers=headers,
            json=json,
            parts=tuple(parts),
            idempotent=idempotent or method == "GET",
            lane=self._lane if lane is None else max(self._lane, lane),
        )
        return await self._http.call(call)

    async def read(self, operation: str, path: str, params: Params = (), *, lane: Lane | None = None) -> Answer:
        """GET something that must be there. Raises `Unavailable` for any status but 200, and `CallError`."""
        answer = await self.send(operation, "GET", path, params=params, lane=lane)
        if answer.status != 200:
            raise Unavailable(self.explain(answer), answer.retry_after)
        return answer

    async def read_object(self, operation: str, path: str, params: Params = (), *, lane: Lane | None = None) -> Json:
        """GET a JSON object. Raises `BadAnswer` for anything else."""
        return as_object((await self.read(operation, path, params, lane=lane)).json(), operation)

    def explain(self, answer: Answer) -> Explanation:
        """An error body for people, the key masked should the other side repeat it."""
        return explain(answer, (self._key.get_secret_value(),))


def order_path(reference: str, action: str) -> str:
    """Path of an action on one order; the reference is operator-made text and is encoded whole."""
    return f"/api/orders/{quote(reference, safe='')}/{action}"
