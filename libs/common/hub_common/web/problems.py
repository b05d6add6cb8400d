"""Every error of our HTTP interfaces is an RFC 9457 problem that names field and rule and never echoes what was sent.

A validation message that quotes its input puts marketplace keys and buyers' addresses into proxies' logs; a traceback
in an answer shows an attacker the inside. Both are impossible here, whatever a handler raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hub_common.logs import SECRET_NAME

MEDIA_TYPE = "application/problem+json"
TYPE_BASE = "urn:hub:problem:"
"""Problem types are names, not addresses: the hub is deployed under hosts that we do not know."""
SLUG = re.compile(r"^[a-z0-9]+(-[a-z0-9]+)*$")


@dataclass(frozen=True, slots=True)
class FieldError:
    """One rule broken by one field. `pointer` is `#/a/0/b` into the body, or `query:/a`, `path:/a`, `header:/a`."""

    pointer: str
    detail: str


class Problem(Exception):
    """An error for the caller. `detail` and `errors` are shown to people: they must not quote secrets or inputs.

    `slug` becomes the type `urn:hub:problem:<slug>`; `extra` are further members of the problem.
    """

    def __init__(
        self,
        slug: str,
        title: str,
        status: int,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {slug}: {detail or title}")
        if not SLUG.match(slug):
            raise ValueError(f"problem slug {slug!r} must be lower-case words joined by hyphens")
        self.slug, self.title, self.status, self.detail = slug, title, status, detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    def body(self, instance: str | None = None) -> dict[str, Any]:
        """Members of the problem document."""
        members: dict[str, Any] = {
            **self.extra,
            "type": TYPE_BASE + self.slug,
            "title": self.title,
            "status": self.status,
        }
        if self.detail:
            members["detail"] = self.detail
        if instance:
            members["instance"] = instance
        if self.errors:
            members["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in self.errors]
        return members

    def response(self, instance: str | None = None) -> Response:
        """The answer, with `content-type: application/problem+json`. `instance` is the path, without the query."""
        return Response(orjson.dumps(self.body(instance)), self.status, self.headers, MEDIA_TYPE)


def internal_error() -> Problem:
    """What a caller learns about an error of ours: that it happened."""
    return Problem("internal-error", "Internal error", 500, "The error was logged; the request may be repeated later.")


def install_handlers(app: FastAPI) -> None:
    """Make problems of what handlers raise, of failed validation, of unknown routes and methods."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response(request.url.path)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    try:
        phrase = HTTPStatus(error.status_code).phrase
    except ValueError:
        phrase = "Error"
    detail = error.detail if isinstance(error.detail, str) and error.detail != phrase else ""
    if error.status_code == 404 and not detail:
        detail = "Nothing is here; /openapi.json lists the routes where it is switched on."
    slug = "-".join(re.findall("[a-z0-9]+", phrase.lower().replace("'", "")))
    return Problem(slug, phrase, error.status_code, detail, headers=error.headers).response(request.url.path)


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [_field_error(item) for item in error.errors()]
    return Problem(
        "invalid-request", "Invalid request", 422, f"{len(errors)} rule(s) broken; see errors.", errors=errors
    ).response(request.url.path)


def _field_error(item: Mapping[str, Any]) -> FieldError:
    location = [str(part) for part in item.get("loc", ())]
    where, path = (location[0], location[1:]) if location else ("body", [])
    if item.get("type") == "json_invalid":
        return FieldError("#", "is not valid JSON" + (f" at character {path[0]}" if path else ""))
    escaped = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
    rule = str(item.get("msg", "is not valid")).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    secret = any(SECRET_NAME.search(part) for part in path)
    given = {text for text in _given(item, everything=secret) if len(text) >= 3}
    for text in sorted(given, key=len, reverse=True):
        rule = rule.replace(text, "…")
    return FieldError("#" + escaped if where == "body" else f"{where}:{escaped}", rule)


def _given(item: Mapping[str, Any], *, everything: bool) -> set[str]:
    """Texts of the input that a message might quote: the wrong value itself, and secret-named members around it."""
    tag = (item.get("ctx") or {}).get("tag")
    given = {str(tag)} if tag is not None else set()
    return given | set(_scalars(item.get("input"), everything=everything or not isinstance(item.get("input"), dict)))


def _scalars(value: object, *, everything: bool) -> list[str]:
    if isinstance(value, Mapping):
        found: list[str] = []
        for key, member in value.items():
            found += _scalars(member, everything=everything or bool(SECRET_NAME.search(str(key))))
        return found
    if isinstance(value, list | tuple | set):
        return [text for member in value for text in _scalars(member, everything=everything)]
    if not everything or value is None or isinstance(value, bool):
        return []
    return [value.decode(errors="replace") if isinstance(value, bytes) else str(value)]
