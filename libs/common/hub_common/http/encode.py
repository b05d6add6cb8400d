"""Turning a described call into bytes: exact numbers, unambiguous parameters, headers that cannot be split in two."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from urllib.parse import quote

from connector_kit.http import Call

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_METHOD = re.compile(r"[A-Z]{3,10}")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "user-agent"})
"""Headers that the runtime sets: a connector that set them could smuggle a request or undo the answer's size cap."""
MAX_DEPTH = 60


class Unsendable(ValueError):
    """The described call cannot be put on the wire. Names the place and the rule, never the value."""


def encode_json(value: object) -> bytes:
    """JSON in UTF-8 with Decimals as exact numbers. Raises `Unsendable` naming the path of what JSON cannot say.

    Floats are refused: whoever has one has already lost cents.
    """
    try:
        return _json(value, "$", 0).encode()
    except UnicodeEncodeError:
        raise Unsendable("body: a text holds half of a surrogate pair") from None


def _json(value: object, path: str, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise Unsendable(f"body {path}: nested more than {MAX_DEPTH} deep")
    if value is None or isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise Unsendable(f"body {path}: not a finite number")
        return format(value, "f")
    if isinstance(value, Mapping):
        return "{" + ",".join(_member(key, member, path, depth) for key, member in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_json(item, f"{path}[{n}]", depth + 1) for n, item in enumerate(value)) + "]"
    raise Unsendable(f"body {path}: {type(value).__name__} is not allowed in JSON")


def _member(key: object, member: object, path: str, depth: int) -> str:
    if not isinstance(key, str):
        raise Unsendable(f"body {path}: member names must be texts")
    return json.dumps(key, ensure_ascii=False) + ":" + _json(member, f"{path}.{key}", depth + 1)


def encode_query(params: Sequence[tuple[str, str]]) -> str:
    """`a=1&b=2%2B3`: everything but unreserved characters is percent-encoded, also `+`, so no server sees a space."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in params)


def join_url(base_url: str, call: Call) -> str:
    """The address of a call: an absolute one in `path` is taken as it is, others go below `base_url`.

    Raises `Unsendable` when `base_url` is empty or holds a query.
    """
    if re.match(r"https?://", call.path, re.IGNORECASE):
        url = call.path
    elif not base_url:
        raise Unsendable("base address: is not set for this connection")
    elif "?" in base_url:
        raise Unsendable("base address: may not hold a query")
    else:
        path = call.path.lstrip("/")
        url = base_url.rstrip("/") + ("/" + path if path else "")
    if not call.params:
        return url
    query = encode_query(call.params)
    return url + ("&" if "?" in url else "?") + query


def check_shape(call: Call) -> dict[str, str]:
    """The call's headers, checked. Raises `Unsendable` for a bad method, bad headers, or several kinds of body."""
    if not _METHOD.fullmatch(call.method):
        raise Unsendable("method: must be capital letters")
    given = sum((call.json is not None, call.content is not None, bool(call.parts)))
    if given > 1:
        raise Unsendable("body: give one of json, content and parts")
    headers: dict[str, str] = {}
    for name, value in call.headers.items():
        if not _TOKEN.fullmatch(name):
            raise Unsendable("header: a name holds characters that headers may not have")
        if name.lower() in _OURS:
            raise Unsendable(f"header {name}: is set by the runtime")
        if not _VALUE.fullmatch(value):
            raise Unsendable(f"header {name}: its value holds characters that headers may not have")
        headers[name.lower()] = value
    for part in call.parts:
        if part.content_type is not None and not _VALUE.fullmatch(part.content_type):
            raise Unsendable(f"part {part.name}: its content type holds characters that headers may not have")
    return headers
