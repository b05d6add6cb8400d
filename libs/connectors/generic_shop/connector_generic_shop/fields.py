"""Field types of what shops post: strict where a lenient reading would guess, and safe to store.

Without these, `"3"` or `3.0` would pass for a quantity, `1` for true, a bare date for an instant of hand-over, and a
NUL or a number of a million digits would only fail later, in the database, where nobody can tell the shop.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, Strict, StringConstraints, WithJsonSchema

from hub_contracts.base import Instant

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
CONTROL_BUT_SPACE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
DECIMAL = re.compile(r"[0-9]{1,10}(\.[0-9]{1,4})?")
RFC_3339 = re.compile(r"2\d{3}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
"""Years outside 2000 to 2999 are mistakes, and the very first and last ones overflow when turned to UTC."""

WEB_ADDRESS = re.compile(r"https?://[^\s/@\\]+(/[^\s]*)?", re.IGNORECASE)


def _one_line(value: str) -> str:
    if CONTROL.search(value):
        raise ValueError("must not contain control characters")
    return value


def _lines_allowed(value: str) -> str:
    if CONTROL_BUT_SPACE.search(value):
        raise ValueError("must not contain control characters other than line breaks and tabs")
    return value


def _rfc_3339_text(value: Any) -> Any:
    """A number would be read as unix seconds or milliseconds by its size, a bare date as midnight: both are guesses."""
    if not isinstance(value, str):
        return value if hasattr(value, "tzinfo") else _refuse_instant()
    text = value.strip()
    if not RFC_3339.fullmatch(text):
        return _refuse_instant()
    return text


def _refuse_instant() -> Any:
    raise ValueError("must be an RFC 3339 date and time with an offset, e.g. 2026-11-20T10:00:00Z")


def _exact_decimal(value: Any) -> Any:
    if isinstance(value, str) and DECIMAL.fullmatch(value.strip()):
        return Decimal(value.strip())
    if isinstance(value, Decimal) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ValueError('must be a decimal text of at most 10 digits and 4 decimals, e.g. "12.50"')


def _web_address(value: str) -> str:
    if not WEB_ADDRESS.fullmatch(value):
        raise ValueError("must be an http(s) address without user name")
    return value


def _currency(value: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", value):
        raise ValueError("must be an ISO 4217 code of three capital letters")
    return value


Reference = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128), AfterValidator(_one_line)
]
"""A number or name that the shop gave to something; case matters."""

Sku = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255), AfterValidator(_one_line)]

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255), AfterValidator(_one_line)]

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000), AfterValidator(_lines_allowed)]
"""Free text for people."""

WebAddress = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=2_048),
    AfterValidator(_one_line),
    AfterValidator(_web_address),
]

Units = Annotated[int, Strict(), Field(ge=1, le=100_000)]
"""Whole units of a line."""

StockUnits = Annotated[int, Strict(), Field(ge=0, le=10_000_000)]
"""Whole units that can be sold; 0 is sold out."""

Flag = Annotated[bool, Strict()]

When = Annotated[Instant, BeforeValidator(_rfc_3339_text)]
"""RFC 3339 date and time with an offset; kept in UTC."""

PostedAmount = Annotated[
    Decimal,
    BeforeValidator(_exact_decimal),
    Field(ge=0, max_digits=14, decimal_places=4),
    PlainSerializer(lambda value: format(value, "f"), return_type=str),
    WithJsonSchema({"type": "string", "format": "decimal", "pattern": r"^[0-9]{1,10}(\.[0-9]{1,4})?$"}),
]
"""Exact amount as decimal text, never negative. A JSON number with decimals is refused when it was read as a float."""

PostedCurrency = Annotated[str, AfterValidator(_currency)]
"""ISO 4217 code."""
