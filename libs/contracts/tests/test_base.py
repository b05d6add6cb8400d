"""Money without floats, instants without guessing, readers that tolerate what they do not know."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from hub_contracts.base import Amount, Currency, Fact, Instant, Money, Pii, rfc3339
from hub_contracts.examples import EXAMPLES
from hub_contracts.examples.world import Example

AMOUNT: TypeAdapter[Decimal] = TypeAdapter(Amount)
INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
CURRENCY: TypeAdapter[str] = TypeAdapter(Currency)
PARIS = ZoneInfo("Europe/Paris")
FEW = settings(max_examples=100, deadline=None)

amounts = st.decimals(min_value=-(10**12), max_value=10**12, places=4)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=offsets)  # noqa: DTZ001


@pytest.mark.parametrize("value", [12.5, 0.0, float("nan"), float("inf")])
def test_float_money_is_refused(value: float) -> None:
    with pytest.raises(ValidationError, match="never a binary float"):
        AMOUNT.validate_python(value)


def test_a_json_number_with_a_fraction_is_refused_too() -> None:
    with pytest.raises(ValidationError, match="never a binary float"):
        Money.model_validate_json('{"amount": 12.50, "currency": "EUR"}')


@pytest.mark.parametrize("value", ["NaN", "Infinity", Decimal("-Infinity"), "twelve", "", None, True])
def test_an_amount_is_a_finite_number(value: object) -> None:
    with pytest.raises(ValidationError):
        AMOUNT.validate_python(value)


@FEW
@given(amounts)
def test_an_amount_keeps_every_digit(amount: Decimal) -> None:
    written = AMOUNT.dump_json(amount)
    assert b"E" not in written
    assert AMOUNT.validate_json(written) == amount


@pytest.mark.parametrize(("value", "text"), [(Decimal("12.50"), "12.50"), (Decimal("1E+3"), "1000"), (7, "7")])
def test_an_amount_is_written_as_plain_decimal_text(value: Decimal | int, text: str) -> None:
    assert AMOUNT.dump_python(AMOUNT.validate_python(value), mode="json") == text


@pytest.mark.parametrize("code", ["eur", "EURO", "", "€", "EU1"])
def test_a_currency_is_three_capital_letters(code: str) -> None:
    with pytest.raises(ValidationError, match="ISO 4217"):
        CURRENCY.validate_python(code)


def test_a_currency_has_no_line_break() -> None:
    with pytest.raises(ValidationError, match="ISO 4217"):
        CURRENCY.validate_python("EUR\n")


@FEW
@given(amounts, amounts, st.integers(0, 1000))
def test_money_of_one_currency_adds_up(one: Decimal, other: Decimal, quantity: int) -> None:
    left, right = Money(amount=one, currency="EUR"), Money(amount=other, currency="EUR")
    assert (left + right).amount == one + other
    assert left.times(quantity).amount == one * quantity


def test_two_currencies_are_never_added() -> None:
    with pytest.raises(ValueError, match="cannot add GBP to EUR"):
        Money(amount=Decimal(1), currency="EUR") + Money(amount=Decimal(1), currency="GBP")


@pytest.mark.parametrize("value", ["2026-03-02T09:14:05", "2026-03-02", datetime(2026, 3, 2)])  # noqa: DTZ001
def test_an_instant_without_offset_is_refused(value: object) -> None:
    with pytest.raises(ValidationError, match="must carry a UTC offset"):
        INSTANT.validate_python(value)


@FEW
@given(moments)
def test_an_instant_is_the_same_moment_in_utc(moment: datetime) -> None:
    read = INSTANT.validate_python(moment)
    assert read == moment
    assert read.tzinfo is UTC
    written = INSTANT.dump_python(read, mode="json")
    assert written.endswith("Z")
    assert INSTANT.validate_python(written) == moment
    assert rfc3339(moment) == written


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        (datetime(2026, 3, 29, 1, 59, 59, tzinfo=PARIS), "2026-03-29T00:59:59Z"),
        (datetime(2026, 3, 29, 3, 0, tzinfo=PARIS), "2026-03-29T01:00:00Z"),
        (datetime(2026, 10, 25, 2, 30, fold=0, tzinfo=PARIS), "2026-10-25T00:30:00Z"),
        (datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=PARIS), "2026-10-25T01:30:00Z"),
    ],
)
def test_the_hours_around_a_clock_change_stay_apart(local: datetime, utc: str) -> None:
    assert INSTANT.dump_python(INSTANT.validate_python(local), mode="json") == utc


def _stuffed(value: Any) -> Any:
    """The same body with a field nobody knows in every object."""
    if isinstance(value, list):
        return [_stuffed(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {**{name: _stuffed(item) for name, item in value.items()}, "field_of_tomorrow": {"a": [1]}}


TYPED_EXAMPLES = [example for example in EXAMPLES if example.data.TYPE != "connection.changed.v1"]
"""Settings of connectors and budgets are maps: there an unknown name is content, not an unknown field."""


@pytest.mark.parametrize("example", TYPED_EXAMPLES, ids=lambda example: example.data.TYPE)
def test_unknown_fields_are_ignored_at_every_depth(example: Example) -> None:
    body = json.loads(example.data.model_dump_json())
    maps = {"inputs", "effects_by_kind", "differences_by_kind"}
    stuffed = _without_stuffing_in(maps, _stuffed(body))
    assert type(example.data).model_validate_json(json.dumps(stuffed)) == example.data


def _without_stuffing_in(maps: set[str], value: Any) -> Any:
    if isinstance(value, list):
        return [_without_stuffing_in(maps, item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {name: _without_stuffing_in(maps, item) for name, item in value.items()}
    for name in maps & kept.keys():
        kept[name] = {key: item for key, item in kept[name].items() if key != "field_of_tomorrow"}
    return kept


def test_an_event_cannot_be_changed_after_it_was_made() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Money(amount=Decimal(1), currency="EUR").amount = Decimal(2)  # type: ignore[misc]


def test_the_mark_for_personal_data_reaches_the_schema() -> None:
    class Person(Fact):
        name: Annotated[str | None, Pii("name")] = None
        colour: str = ""

    properties = Person.model_json_schema(mode="serialization")["properties"]
    assert properties["name"]["x-pii"] == "name"
    assert "x-pii" not in properties["colour"]
