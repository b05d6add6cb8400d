"""Cuts the orders out of an answer byte for byte, so that what is stored is what ManoMano sent.

Parsing and writing again would change numbers and key order, and the stored raw order could no longer be held against
the marketplace.
"""

from __future__ import annotations

import json
import re

from connector_kit.http import BadAnswer

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _value_end(text: str, at: int) -> int:
    return _DECODER.raw_decode(text, at)[1]


def _find_content(text: str) -> int:
    """Position of the value of the top-level member `content`. Raises `ValueError` when there is none."""
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        raise ValueError("not an object")
    at = _skip(text, at + 1)
    while text[at : at + 1] == '"':
        name, at = _DECODER.raw_decode(text, at)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise ValueError("no colon after a name")
        at = _skip(text, at + 1)
        if name == "content":
            return at
        at = _skip(text, _value_end(text, at))
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
    raise ValueError("no member named content")


def content_slices(body: bytes) -> list[bytes]:
    """The elements of `content` as sent; a single object counts as a list of one (both shapes occur).

    Raises `BadAnswer` when the body has no such member, since an unreadable page must never pass for an empty one.
    """
    try:
        text = body.decode("utf-8")
        at = _find_content(text)
        if text[at : at + 1] == "{":
            return [text[at : _value_end(text, at)].encode()]
        if text[at : at + 1] != "[":
            raise ValueError("content is neither a list nor an object")
        found: list[bytes] = []
        at = _skip(text, at + 1)
        while text[at : at + 1] != "]":
            end = _value_end(text, at)
            found.append(text[at:end].encode())
            at = _skip(text, end)
            if text[at : at + 1] == ",":
                at = _skip(text, at + 1)
    except (ValueError, RecursionError) as error:
        raise BadAnswer(f"the answer holds no readable content: {error.__class__.__name__}") from None
    return found
