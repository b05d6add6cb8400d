"""Reading values as Mirakl really sends them: nulls in required fields, numbers as text, dates with odd endings.

Every reader names the field it failed on, so that one odd value parks one order with a message a person can act on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from connector_kit.capabilities import MappingError
from connector_kit.http import BadAnswer

Json = dict[str, Any]

LARGEST_COUNT = 1_000_000
"""Beyond any order. Sums of many lines still fit into the columns for units, and no text becomes a huge number."""


def text(value: object) -> str | None:
    """A non-blank text, numbers as their digits; None for anything else."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    return None


def required_text(source: Json, name: str, where: str = "") -> str:
    """A text that must be there. Raises `MappingError` naming the field."""
    value = text(source.get(name))
    if value is None:
        raise MappingError(f"{where}{name}", "must be a non-empty text")
    return value


def amount(value: object, field: str) -> Decimal | None:
    """An exact amount from a number or a numeric text; None for null. Raises `MappingError` for anything else."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise MappingError(field, "must be a decimal number")
    try:
        parsed = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation:
        raise MappingError(field, "must be a decimal number") from None
    if not parsed.is_finite():
        raise MappingError(field, "must be a finite number")
    return parsed


def whole(value: object, field: str) -> int:
    """A count of units from 2, 2.0 or "2": 0 to `LARGEST_COUNT`. Raises `MappingError` for anything else.

    A negative one would give units back to the stock that were never taken from it.
    """
    parsed = amount(value, field)
    if parsed is None or not 0 <= parsed <= LARGEST_COUNT or parsed != parsed.to_integral_value():
        raise MappingError(field, f"must be a whole number from 0 to {LARGEST_COUNT}")
    return int(parsed)


def instant(value: object, field: str) -> datetime | None:
    """A point in time, UTC; None for null. Mirakl General Notes: answers are UTC, so a missing offset means UTC.

    Raises `MappingError` for a text that is no ISO 8601 date and time.
    """
    if value is None:
        return None
    try:
        parsed = datetime.fromisoformat(str(value).strip())
        aware = parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
        return aware.astimezone(UTC)
    except (ValueError, OverflowError):
        raise MappingError(field, "must be an ISO 8601 date and time") from None


def lacks_offset(value: object) -> bool:
    """Whether a date text carries no offset of its own."""
    try:
        return isinstance(value, str) and datetime.fromisoformat(value.strip()).tzinfo is None
    except ValueError:
        return False


def query_instant(value: datetime, *, up: bool = False) -> str:
    """A query date in UTC with `Z`, so that no `+` needs encoding; whole seconds, widened away from the window."""
    aware = value.astimezone(UTC)
    whole_second = aware.replace(microsecond=0)
    if up and aware != whole_second:
        whole_second += timedelta(seconds=1)
    return whole_second.strftime("%Y-%m-%dT%H:%M:%SZ")


def objects(value: object) -> list[Json]:
    """The objects of a list; nulls and other odd members are left out, a missing list is empty."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def member(value: object, name: str) -> Json:
    """A member that should be an object; an empty one when it is missing, null or something else."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def as_object(value: object, what: str) -> Json:
    """The answer's top level. Raises `BadAnswer` when it is not an object."""
    if not isinstance(value, dict):
        raise BadAnswer(f"{what}: the answer is not a JSON object")
    return value


def split_list(body: bytes, name: str) -> list[bytes]:
    """The bytes of each element of the top-level list `name`, untouched, so that what is stored is what was answered.

    Raises `BadAnswer` when the body is not a JSON object with such a list.
    """
    try:
        document = body.decode("utf-8")
        decoder = json.JSONDecoder()
        for key, start in _members(document, decoder):
            if key == name and document[start] == "[":
                return [document[a:b].encode() for a, b in _elements(document, start, decoder)]
    except (ValueError, IndexError, RecursionError) as error:
        raise BadAnswer(f"the answer is not readable JSON: {error}") from None
    raise BadAnswer(f"the answer has no list {name!r}")


def _skip(document: str, position: int) -> int:
    while document[position] in " \t\r\n":
        position += 1
    return position


def _members(document: str, decoder: json.JSONDecoder) -> Iterator[tuple[str, int]]:
    position = _skip(document, 0)
    if document[position] != "{":
        raise ValueError("not an object")
    position = _skip(document, position + 1)
    while document[position] != "}":
        key, position = decoder.raw_decode(document, position)
        position = _skip(document, position)
        if document[position] != ":":
            raise ValueError(f"no colon at {position}")
        position = _skip(document, position + 1)
        yield key, position
        _, position = decoder.raw_decode(document, position)
        position = _next(document, position)


def _elements(document: str, start: int, decoder: json.JSONDecoder) -> Iterator[tuple[int, int]]:
    position = _skip(document, start + 1)
    while document[position] != "]":
        _, end = decoder.raw_decode(document, position)
        yield position, end
        position = _next(document, end)


def _next(document: str, position: int) -> int:
    position = _skip(document, position)
    if document[position] == ",":
        return _skip(document, position + 1)
    if document[position] not in "]}":
        raise ValueError(f"no comma at {position}")
    return position
