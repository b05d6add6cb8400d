"""A small HTTP client for the hub's own APIs, for tools only: services call outside through the guarded one."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from decimal import Decimal
from typing import Any

TIMEOUT_SECONDS = 30


class ApiError(RuntimeError):
    """The API did not answer, or answered with a problem; the text is for people."""

    def __init__(self, message: str, status: int = 0, problem: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem


class Api:
    """Calls one service. Never used with addresses that users give."""

    def __init__(self, base_url: str, token: str | None) -> None:
        self._base_url = base_url
        self._token = token

    def get(self, path: str) -> Any:
        """GET and parse the JSON answer. Raises `ApiError`."""
        return self.call("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        """POST a JSON body. Raises `ApiError`."""
        return self.call("POST", path, body if body is not None else {})

    def put(self, path: str, body: Any) -> Any:
        """PUT a JSON body. Raises `ApiError`."""
        return self.call("PUT", path, body)

    def patch(self, path: str, body: Any) -> Any:
        """PATCH a JSON body. Raises `ApiError`."""
        return self.call("PATCH", path, body)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call. Raises `ApiError` with the problem's own words."""
        data = json.dumps(body, default=_plain).encode() if body is not None else None
        request = urllib.request.Request(self._base_url + path, data=data, method=method)  # noqa: S310  loopback only
        request.add_header("Content-Type", "application/json")
        if self._token is not None:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                content = answer.read()
        except urllib.error.HTTPError as error:
            raise _problem(method, path, error) from None
        except (urllib.error.URLError, OSError, TimeoutError) as error:
            raise ApiError(f"{method} {path}: no answer ({getattr(error, 'reason', error)})") from None
        return json.loads(content, parse_float=Decimal) if content else None


def _plain(value: object) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")


def _problem(method: str, path: str, error: urllib.error.HTTPError) -> ApiError:
    content = error.read()
    try:
        problem = json.loads(content)
        detail = problem.get("detail") or problem.get("title") or content.decode(errors="replace")
        errors = "; ".join(f"{e.get('pointer', '')} {e.get('detail', '')}".strip() for e in problem.get("errors", []))
        text = f"{detail} ({errors})" if errors else str(detail)
    except (ValueError, AttributeError):
        problem, text = None, content[:300].decode(errors="replace")
    return ApiError(f"{method} {path}: {error.code} {text}", error.code, problem)
