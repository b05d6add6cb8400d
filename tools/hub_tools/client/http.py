"""One service's API, for people at a terminal. Redirects are off: they would carry the token to another host."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hub_tools.client.errors import CommandError, ExitCode, unreachable

TIMEOUT_SECONDS = 30.0
"""A verification asks a marketplace and may take 20 s."""
MOST_BYTES = 64 * 1024 * 1024
"""Of one answer; more is not an answer of the hub."""
SHOWN_RULES = 8
"""Broken rules named in a one-line error; `--json` has all of them."""

Query = Mapping[str, object]


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_named: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


class ServiceClient:
    """Calls one service with the operator's token. All methods raise `CommandError`."""

    def __init__(self, name: str, url: str, token: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        self.name = name
        self.url = url.rstrip("/")
        self._token = token
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"ServiceClient({self.name}, {self.url})"

    def get(self, path: str, query: Query | None = None) -> Any:
        """GET a JSON answer."""
        return self.call("GET", path, query=query)

    def post(self, path: str, body: object = None, *, query: Query | None = None) -> Any:
        """POST a JSON body (an empty object without one)."""
        return self.call("POST", path, body={} if body is None else body, query=query)

    def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Query | None = None,
        content_type: str = "application/json",
    ) -> Any:
        """One call; `bytes` are sent as they are, everything else as JSON. Amounts come back as Decimal."""
        asked = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        address = f"{self.url}{path}" + (f"?{urllib.parse.urlencode(asked)}" if asked else "")
        data = body if isinstance(body, bytes) or body is None else json.dumps(body, default=str).encode()
        request = urllib.request.Request(address, data=data, method=method)  # noqa: S310  checked by target.py
        request.add_header("Accept", "application/json")
        if data is not None:
            request.add_header("Content-Type", content_type)
        if self._token:
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            with _OPENER.open(request, timeout=self._timeout) as answer:
                content = answer.read(MOST_BYTES)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error.code, error.read(MOST_BYTES)) from None
        except (OSError, ValueError) as error:
            # URLError is an OSError; http.client raises ValueError for addresses that cannot be.
            raise unreachable(f"{self.name} does not answer at {self.url}: {_why(error)}", self.name) from None
        return self._parsed(content)

    def probe(self, path: str) -> tuple[bool, Mapping[str, Any]]:
        """A health address: whether it says ok, and what it says. A refusal with a body is an answer."""
        try:
            answer = self.get(path)
        except CommandError as error:
            if error.problem is not None and error.status == 503:
                return False, error.problem
            raise
        return True, answer if isinstance(answer, dict) else {}

    def _parsed(self, content: bytes) -> Any:
        if not content:
            return None
        try:
            return json.loads(content, parse_float=Decimal)
        except ValueError:
            raise CommandError(
                f"{self.name}: {self.url} answers something that is not JSON; is this the hub?",
                ExitCode.FAILED,
                service=self.name,
            ) from None

    def _refusal(self, status: int, content: bytes) -> CommandError:
        problem = _problem(content)
        if 300 <= status < 400:
            text = f"{self.url} redirects elsewhere, which is not followed; name the service's own address"
        else:
            text = _in_words(status, problem)
        code = ExitCode.REFUSED if 400 <= status < 500 else ExitCode.FAILED
        if status in (502, 503, 504):
            code = ExitCode.UNREACHABLE
        return CommandError(f"{self.name}: {text}", code, service=self.name, status=status, problem=problem)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _why(error: BaseException) -> str:
    reason = getattr(error, "reason", error)
    text = getattr(reason, "strerror", None) or str(reason)
    return text if isinstance(error, OSError) else "the address is not one that can be called"


def _problem(content: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(content)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _in_words(status: int, problem: Mapping[str, Any] | None) -> str:
    if problem is None:
        return f"answers {status} without saying why"
    text = str(problem.get("detail") or problem.get("title") or f"answers {status}")
    rules = problem.get("errors")
    if isinstance(rules, list) and rules:
        named = [f"{rule.get('pointer', '')}: {rule.get('detail', '')}" for rule in rules if isinstance(rule, dict)]
        more = f"; and {len(named) - SHOWN_RULES} more" if len(named) > SHOWN_RULES else ""
        text += f" ({'; '.join(named[:SHOWN_RULES])}{more})"
    if status == 401:
        text += " Set HUB_TOKEN to an operator's token."
    return text
