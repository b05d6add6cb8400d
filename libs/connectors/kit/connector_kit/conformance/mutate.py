"""Changes to a JSON document, one leaf at a time: what a careless outside may send instead of what is documented."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from connector_kit.exact_json import exact_json

Path = tuple[str | int, ...]

GONE = object()
"""Stands for: the field is absent."""
WRONG: tuple[Any, ...] = (None, GONE, [], {}, "", "odd", 7, -1, True, [None], "1e400", "NaN", "\u0000")
"""Put in place of every value, whatever it was."""
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
AMOUNT = re.compile(r"-?\d+\.\d+")


def load(body: bytes) -> Any:
    """A document with exact decimals."""
    return json.loads(body, parse_float=Decimal)


def dump(document: Any) -> bytes:
    """The document as bytes; Decimals are numbers with exactly their digits."""
    return exact_json(document).encode()


def paths(document: Any, at: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value below the root, containers too."""
    if isinstance(document, dict):
        inside: Iterator[tuple[str | int, Any]] = iter(document.items())
    elif isinstance(document, list):
        inside = iter(enumerate(document))
    else:
        return
    for name, value in inside:
        yield (*at, name), value
        yield from paths(value, (*at, name))


def put(document: Any, path: Path, value: Any) -> Any:
    """A copy with another value in one place; `GONE` takes the place away. What lies beside the path is shared."""
    made = copy.copy(document)
    holder = made
    for name in path[:-1]:
        holder[name] = copy.copy(holder[name])
        holder = holder[name]
    if value is GONE:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return made


def everywhere(document: Any, change: Callable[[Any], Any]) -> Any:
    """A copy with every leaf changed."""
    if isinstance(document, dict):
        return {name: everywhere(value, change) for name, value in document.items()}
    if isinstance(document, list):
        return [everywhere(value, change) for value in document]
    return change(document)


def amounts_as_texts(value: Any) -> Any:
    """JSON numbers with decimals become texts."""
    return format(value, "f") if isinstance(value, Decimal) else value


def amounts_as_numbers(value: Any) -> Any:
    """Texts that are decimal numbers become JSON numbers."""
    return Decimal(value) if isinstance(value, str) and AMOUNT.fullmatch(value) else value


def instants_at_offset(hours: int) -> Callable[[Any], Any]:
    """The same instants, written with an offset."""

    def change(value: Any) -> Any:
        moment = instant(value)
        if moment is None or moment.tzinfo is None:
            return value
        return moment.astimezone(timezone(timedelta(hours=hours))).isoformat()

    return change


def instant(value: Any) -> datetime | None:
    """An ISO 8601 instant in a text leaf, None for everything else."""
    if not isinstance(value, str) or not INSTANT.match(value):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def describe(path: Path, value: Any) -> str:
    """For people."""
    where = ".".join(str(name) for name in path)
    return f"{where} absent" if value is GONE else f"{where} = {value!r}"
