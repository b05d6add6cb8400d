"""Reads loose JSON values strictly enough to be safe and leniently enough not to lose an order.

Known clients disagree on types (amounts as numbers and as strings, null addresses, numbers in text fields). What can
be understood without guessing is taken; everything else names its field and rule.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from connector_kit.capabilities import MappingError

_AMOUNT = re.compile(r"-?\d{1,12}(\.\d{1,17})?")
MAX_DIGITS = 12
"""Digits before the point: beyond any order, and keeps `1e999999` from filling the memory when it is written out."""
MAX_DECIMALS = 17
"""Enough for what careless senders make of a price (`119.90000000000001`)."""
MAX_QUANTITY = 1_000_000
"""Beyond any order; keeps unit price times quantity exact."""
_MISSING = "is missing"


def parse(body: bytes) -> Any:
    """JSON with exact decimals. Raises `MappingError` for field `body`."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise MappingError("body", "is not JSON") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def text(value: Any) -> str | None:
    """A text, None when there is none. Numbers become text; NUL and broken characters would break stores."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    cleaned = str(value).replace("\x00", "").encode("utf-8", "replace").decode().strip()
    return cleaned or None


def identity(value: Any, field: str) -> str:
    """A text that is sent back later and so must stay exactly as it came. Raises `MappingError`."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise MappingError(field, _MISSING if value in (None, "") else "must be a non-empty text")
    if "\x00" in value or value.encode("utf-8", "replace").decode() != value:
        raise MappingError(field, "holds characters that cannot be stored")
    return value


def record(value: Any, field: str) -> dict[str, Any]:
    """An object; null and missing count as empty. Raises `MappingError` for any other type."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MappingError(field, "must be an object")
    return value


def number(value: Any, field: str) -> Decimal:
    """An exact number from a JSON number or a plain decimal text. Raises `MappingError`."""
    if isinstance(value, str) and _AMOUNT.fullmatch(value.strip()):
        value = Decimal(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise MappingError(field, _MISSING if value is None else "must be a decimal number")
    exact = Decimal(value)
    exponent = exact.as_tuple().exponent
    if not isinstance(exponent, int) or exact.adjusted() >= MAX_DIGITS or exponent < -MAX_DECIMALS:
        raise MappingError(field, "is outside of what an amount can be")
    return exact


def whole(value: Any, field: str) -> int:
    """A quantity: a whole number from 1 to `MAX_QUANTITY`. Raises `MappingError`."""
    exact = number(value, field)
    if exact != exact.to_integral_value() or not 1 <= exact <= MAX_QUANTITY:
        raise MappingError(field, f"must be a whole number from 1 to {MAX_QUANTITY}")
    return int(exact)


def flag(value: Any, field: str) -> bool:
    """True or false; missing is false. Raises `MappingError` for anything that would have to be guessed."""
    if value is None:
        return False
    word = str(value).lower()
    if isinstance(value, bool | str) and word in ("true", "false"):
        return word == "true"
    raise MappingError(field, "must be true or false")


def instant(value: Any, field: str) -> datetime:
    """An instant in UTC. One without an offset is refused: guessing its zone moves deadlines by hours."""
    if not isinstance(value, str):
        raise MappingError(field, _MISSING if value is None else "must be an ISO 8601 text")
    try:
        parsed = datetime.fromisoformat(value.strip())
    except ValueError:
        raise MappingError(field, "is not an ISO 8601 instant") from None
    if parsed.tzinfo is None:
        raise MappingError(field, "must carry a UTC offset")
    try:
        return parsed.astimezone(UTC)
    except OverflowError:
        raise MappingError(field, "is outside of the calendar") from None
