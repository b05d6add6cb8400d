"""What every event body shares: tolerant reading, strict writing, money without floats, and the mark for personal data.

A consumer that breaks when a producer adds a field forces everybody to be released together. Readers therefore ignore
unknown fields; additive change is always safe and the compatibility gate (`hub_contracts.compat`) rejects the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic_core import CoreSchema

CURRENCY = re.compile(r"^[A-Z]{3}$")


@dataclass(frozen=True)
class Pii:
    """Marks a field as personal data: logs, console and exports mask it, erasure removes it."""

    kind: str = "personal"

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        json_schema = handler(schema)
        json_schema["x-pii"] = self.kind
        return json_schema


def _no_float(value: object) -> object:
    """A float has already lost cents before we see it, so it is refused instead of being rounded quietly."""
    if isinstance(value, float):
        raise ValueError("money must be a decimal string or an integer, never a binary float")
    return value


def _finite(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise ValueError("amount must be a finite decimal")
    return value


def _utc(value: datetime) -> datetime:
    """Normalise to UTC; an instant without an offset is refused, since guessing its zone moves deadlines by hours."""
    if value.tzinfo is None:
        raise ValueError("instant must carry a UTC offset (RFC 3339)")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("instant lies outside the years 1 to 9999 in UTC") from None


def rfc3339(value: datetime) -> str:
    """Write an aware instant as RFC 3339 in UTC with a trailing `Z` and microseconds kept when present."""
    return _utc(value).isoformat().replace("+00:00", "Z")


Amount = Annotated[
    Decimal,
    BeforeValidator(_no_float),
    AfterValidator(_finite),
    PlainSerializer(lambda value: format(value, "f"), return_type=str),
    WithJsonSchema({"type": "string", "format": "decimal"}),
]
"""Exact amount, written as a decimal string."""

Instant = Annotated[
    datetime,
    AfterValidator(_utc),
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""Point in time, always UTC, written as RFC 3339."""


def _currency(value: str) -> str:
    if not CURRENCY.fullmatch(value):
        raise ValueError("currency must be an ISO 4217 code of three capital letters")
    return value


Currency = Annotated[str, AfterValidator(_currency)]
"""ISO 4217 code."""


class Fact(BaseModel):
    """A value inside an event: immutable, unknown fields ignored on reading."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, use_attribute_docstrings=True)


class Money(Fact):
    """An amount in one currency. Adding two currencies is an error, never a conversion."""

    amount: Amount
    currency: Currency

    def __add__(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(amount=self.amount + other.amount, currency=self.currency)

    def times(self, quantity: int) -> Money:
        """The amount of `quantity` units."""
        return Money(amount=self.amount * quantity, currency=self.currency)


class EventData(Fact):
    """The body of one domain event: a past-tense fact. Subclasses set `TYPE` (`noun.verb_past.v1`) and `TOPIC`."""

    TYPE: ClassVar[str]
    TOPIC: ClassVar[str]
