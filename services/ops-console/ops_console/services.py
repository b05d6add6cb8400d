"""Calls to the services that own what the console shows and changes. The console never reaches into their tables.

Each call says on whose behalf it is made; the service checks the role again and writes the person's name down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any
from urllib.parse import urlencode

import orjson

from connector_kit.http import Answer, CallError, NotSent
from hub_common.http.factory import ClientFactory, Prepared, Timeouts
from hub_common.http.guard import AddressPolicy, AddressRefused, check_url
from hub_common.web import FieldError, Problem
from hub_common.web.auth import ACTOR_HEADER, ROLE_HEADER
from ops_console.accounts import User
from ops_console.config import ConsoleSettings

OWN_NETWORK = AddressPolicy((IPv4Network("0.0.0.0/0"), IPv6Network("::/0")), https_only=False, ports=None)
"""Addresses of services and of the identity provider come from the deployment, never from people in browsers."""
LOOK_SECONDS = 3.0
"""How long a page waits for a service: longer, and the page is worth less than the news that the service is slow."""
ACT_SECONDS = 20.0
"""An action may do an outside call of its own (verification)."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one of several services answered."""

    service: str
    data: Any = None
    error: str = ""


class Services:
    """The other services' APIs, for one person at a time."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self._settings = settings
        self._factory = ClientFactory(timeouts=Timeouts.within(ACT_SECONDS), user_agent="OrderRoutingHub-Console/0.1")
        self.sender = self._factory.sender(OWN_NETWORK)

    @property
    def can_act(self) -> bool:
        """Whether the console has a token for the services."""
        return bool(self._settings.console_token.get_secret_value())

    def url(self, service: str) -> str:
        """Base address of a service."""
        return self._settings.service_urls.get(service) or self._settings.service_url_template.format(service=service)

    async def get(self, user: User, service: str, path: str, **params: Any) -> Any:
        """GET an answer's JSON. Raises `Problem`."""
        return await self.call(user, "GET", service, path, params=params, seconds=LOOK_SECONDS)

    async def post(self, user: User, service: str, path: str, body: Any = None) -> Any:
        """POST JSON. Raises `Problem`: the service's own words, or 502 when it did not answer."""
        return await self.call(user, "POST", service, path, body={} if body is None else body)

    async def call(
        self,
        user: User,
        method: str,
        service: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        content: bytes | None = None,
        content_type: str = "application/json",
        seconds: float = ACT_SECONDS,
    ) -> Any:
        """One call. JSON answers are opened, others come as text. Raises `Problem`."""
        asked = {k: _text(v) for k, v in (params or {}).items() if v is not None}
        target = self.url(service) + path + ("?" + urlencode(asked) if asked else "")
        headers = {
            "accept": "application/json",
            "authorization": f"Bearer {self._settings.console_token.get_secret_value()}",
            ACTOR_HEADER: user.login,
            ROLE_HEADER: user.role.name.lower(),
        }
        if body is not None:
            content = orjson.dumps(body, default=str)
        if content is not None:
            headers["content-type"] = content_type
        try:
            url = check_url(target, OWN_NETWORK)
            answer = await self.sender.send(Prepared(method, url, headers, content), seconds)
        except (CallError, AddressRefused) as error:
            raise _away(service, method, error) from None
        return _opened(service, answer)

    async def look(self, user: User, services: Iterable[str], path: str, **params: Any) -> list[Told]:
        """The same question to several services at once; one that does not answer does not hold up the others."""

        async def one(service: str) -> Told:
            try:
                return Told(service, await self.get(user, service, path, **params))
            except Problem as problem:
                return Told(service, error=problem.detail or problem.title)

        return list(await asyncio.gather(*(one(service) for service in services)))

    async def close(self) -> None:
        """Close the connections."""
        await self._factory.aclose()


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _away(service: str, method: str, error: Exception) -> Problem:
    if method != "GET" and not isinstance(error, NotSent | AddressRefused):
        text = f"{service} did not answer ({error}). It may have been done: look before you try again."
        return Problem("service-silent", "No answer", 504, text)
    return Problem("service-away", "Service away", 502, f"{service} cannot be reached: {error}.")


def _opened(service: str, answer: Answer) -> Any:
    kind = answer.headers.get("content-type", "").partition(";")[0]
    data: Any = answer.body.decode(errors="replace")
    if kind in ("application/json", "application/problem+json"):
        try:
            data = orjson.loads(answer.body) if answer.body else None
        except orjson.JSONDecodeError:
            raise Problem("service-answer", "Answer not understood", 502, f"{service} sent broken JSON.") from None
    if answer.status < 400:
        return data
    members = data if isinstance(data, dict) else {}
    errors = [FieldError(str(e.get("pointer", "")), str(e.get("detail", ""))) for e in members.get("errors", [])]
    # A refused token is the deployment's fault, not that of the person in front of the page.
    status = 502 if answer.status == 401 else answer.status
    detail = str(members.get("detail") or members.get("title") or f"{service} answered {answer.status}.")
    slug = str(members.get("type", "")).rpartition(":")[2] or "service-refused"
    raise Problem(slug, str(members.get("title") or "Refused"), status, detail, errors=errors)
