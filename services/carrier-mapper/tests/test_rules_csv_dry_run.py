"""Validation of rules, their CSV form, and the dry-run over past parcels."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrier_mapper.dry_run import DecisionContext, dry_run
from carrier_mapper.model import DefaultCarrier, MarketplaceCarrier, ParcelFacts
from carrier_mapper.regex_guard import PatternError, compile_pattern
from carrier_mapper.rules import CarrierRule, CarrierTarget, RuleKind, rule_problems, rule_set_problems, strip_marker
from carrier_mapper.rules_csv import COLUMNS, export_rules, import_rules

GOOD = CarrierRule("r1", "c1", RuleKind.PATTERN, 10, "DPD", pattern=r"\d{14}")


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"pattern": "(1+)+"}, "pattern", "too_many_ways"),
        ({"pattern": "1" * 201}, "pattern", "too_long"),
        ({"pattern": None}, "pattern", "required"),
        ({"shop_carrier": "x"}, "shop_carrier", "not_allowed"),
        ({"kind": RuleKind.EXPLICIT, "pattern": None}, "shop_carrier", "required"),
        ({"kind": RuleKind.EXPLICIT, "pattern": None, "shop_carrier": "--"}, "shop_carrier", "letters"),
        ({"destination_country": "fr"}, "destination_country", "country"),
        ({"destination_country": "FRA"}, "destination_country", "country"),
        ({"priority": -1}, "priority", "range"),
        ({"version": 0}, "version", "range"),
        ({"strip_marker": "-."}, "strip_marker", "not_blank"),
        ({"carrier_code": None}, "carrier_code", "required"),
        ({"carrier_code": " "}, "carrier_code", "not_blank"),
        ({"carrier_name": "a\nb"}, "carrier_name", "printable"),
        ({"tracking_url_template": "https://x.example/{id}"}, "tracking_url_template", "template"),
    ],
)
def test_bad_rule_names_field_and_rule(change: dict[str, object], field: str, rule: str) -> None:
    assert (field, rule) in {(p.field, p.rule) for p in rule_problems(replace(GOOD, **change))}  # type: ignore[arg-type]


def test_good_rule_and_repeated_id() -> None:
    assert rule_problems(GOOD) == ()
    assert [p.rule for p in rule_set_problems([GOOD, GOOD])["r1"]] == ["unique"]


@pytest.mark.parametrize(
    ("number", "marker", "expected"),
    [
        ("123X", "x", "123"),
        ("X123", "X", "123"),
        ("X12X", "X", "X12"),
        ("1X2", "X", None),
        ("X", "X", None),
        ("1", None, "1"),
    ],
)
def test_strip_marker(number: str, marker: str | None, expected: str | None) -> None:
    assert strip_marker(number, marker) == expected


def safe(text: str) -> bool:
    return bool(text) and text == text.strip() and text.isprintable()


def compiles(text: str) -> bool:
    try:
        compile_pattern(text)
    except PatternError:
        return False
    return safe(text)


NAMES = st.one_of(
    st.sampled_from(["=1+1", "'=x", "''-y", "'t Post", "@a", 'Colis Privé, "express"', "+33", "'", "-"]),
    st.text(max_size=20).filter(safe),
)
PATTERNS = st.one_of(st.sampled_from([r"-?\d{2,3}", '"', "6A,.*", "=1"]), st.text(max_size=12).filter(compiles))
RULES = st.builds(
    CarrierRule,
    id=st.uuids().map(str),
    connection_id=st.just("c1"),
    kind=st.just(RuleKind.PATTERN),
    priority=st.integers(0, 1_000_000),
    carrier_code=NAMES,
    carrier_name=st.none() | NAMES,
    pattern=PATTERNS,
    destination_country=st.sampled_from([None, "FR", "IT"]),
    strip_marker=st.sampled_from([None, "3345", "-A"]),
    tracking_url_template=st.sampled_from([None, "https://x.example/?a={n},\"b\"&z={zip}"]),
    enabled=st.booleans(),
    version=st.integers(1, 10_000),
) | st.builds(
    CarrierRule,
    id=st.uuids().map(str),
    connection_id=st.just("c1"),
    kind=st.just(RuleKind.EXPLICIT),
    priority=st.integers(0, 9),
    carrier_code=st.none(),
    carrier_name=NAMES,
    shop_carrier=NAMES.filter(lambda name: any(c.isalnum() for c in name)),
)  # fmt: skip


@given(st.lists(RULES, max_size=6, unique_by=lambda rule: rule.id))
def test_export_then_import_gives_the_same_rules(rules: list[CarrierRule]) -> None:
    result = import_rules(export_rules(rules), "c1")
    assert result.errors == ()
    assert list(result.rules) == rules


def test_export_guards_formulas_and_has_bom() -> None:
    data = export_rules([replace(GOOD, carrier_name="=HYPERLINK(1)")])
    assert data.startswith(b"\xef\xbb\xbf")
    assert b"'=HYPERLINK(1)" in data


def test_every_error_is_listed_and_nothing_is_imported() -> None:
    text = (
        "id,kind,priority,pattern,carrier_code,connection_id,enabled,version\n"
        "a,pattern,1,\\d+,DPD,c1,true,1\n"
        ",pattern,x,(1+)+,DPD,,perhaps,1.5\n"
        "\n"
        "a,patern,2,\\d+,,c2,no,1\n"
        "b,pattern\n"
    )
    result = import_rules(text.encode(), "c1")
    assert result.rules == ()
    assert {(e.row, e.column, e.rule) for e in result.errors} == {
        (3, "id", "required"), (3, "priority", "whole_number"), (3, "pattern", "too_many_ways"),
        (3, "enabled", "one_of"), (3, "version", "whole_number"),
        (5, "kind", "one_of"), (5, "carrier_code", "required"), (5, "connection_id", "other_connection"),
        (5, "id", "unique"), (6, "", "cells"),
    }  # fmt: skip
    assert all(e.message for e in result.errors)


@pytest.mark.parametrize(
    ("data", "row", "column", "rule"),
    [
        (b"kind;priority\npattern;1\n", 1, "", "separator"),
        (b"", 1, "kind", "required"),
        (b"kind,priority,colour\n", 1, "colour", "unknown_column"),
        (b"kind,priority,kind\n", 1, "kind", "unique"),
        (b"kind,priority\npatt\xe9rn,1\n", 2, "", "encoding"),
        (b'kind,priority\n"pattern,1\n', 2, "", "quoting"),
        (b"x" * 2_000_001, 0, "", "too_large"),
    ],
)
def test_unreadable_file(data: bytes, row: int, column: str, rule: str) -> None:
    errors = import_rules(data, "c1").errors
    assert (row, column, rule) in {(e.row, e.column, e.rule) for e in errors}


def test_blank_cells_get_defaults_and_quoted_cells_are_read() -> None:
    text = '\ufeffpriority,kind,pattern,carrier_code,carrier_name\r\n5,pattern,"\\d{2,3}",DPD,"a ""b"", c"\r\n'
    result = import_rules(text.encode(), "c1", new_id=lambda: "new-1")
    assert result.errors == ()
    (rule,) = result.rules
    assert (rule.id, rule.connection_id, rule.enabled, rule.version) == ("new-1", "c1", True, 1)
    assert (rule.pattern, rule.carrier_name) == (r"\d{2,3}", 'a "b", c')


def test_columns_are_the_fields_of_a_rule() -> None:
    assert set(COLUMNS) == set(CarrierRule.__dataclass_fields__)


def test_dry_run_tells_what_changes() -> None:
    carriers = tuple(MarketplaceCarrier(n, n) for n in ("DPD", "GLS", "UPS"))
    context = DecisionContext(DefaultCarrier(CarrierTarget("GLS")), carriers)
    parcels = [
        ParcelFacts("p1", "c1", "01015026003653"),
        ParcelFacts("p2", "c1", "123456789011"),
        ParcelFacts("p3", "c1", "AB1", carrier_name="Speedy Van"),
        ParcelFacts("p4", "c1", "11111111111111"),
        ParcelFacts("p5", "c1", "11111111111112"),
    ]
    before = [GOOD]
    after = [
        replace(GOOD, id="r2", priority=5, carrier_code="GONE", pattern="1{14}"),
        replace(GOOD, id="r3", carrier_code="UPS", version=2),
        CarrierRule("r4", "c1", RuleKind.EXPLICIT, 1, "UPS", shop_carrier="speedy van"),
        replace(GOOD, id="r5", pattern="ZZ"),
    ]
    result = dry_run(before, after, parcels, context)
    assert (result.parcels, result.mapped_before, result.mapped_after) == (5, 4, 4)
    assert [(c.parcel_id, c.before.carrier_code, c.after.carrier_code) for c in result.changes] == [
        ("p1", "DPD", "UPS"), ("p3", None, "UPS"), ("p4", "DPD", None), ("p5", "DPD", "UPS"),
    ]  # fmt: skip
    assert (result.newly_mapped, result.newly_parked) == (1, 1)
    assert result.transitions == {
        ("DPD", "UPS"): 2,
        ("parked:carrier_unmapped", "UPS"): 1,
        ("DPD", "parked:carrier_not_at_marketplace"): 1,
    }
    assert result.rule_hits_after == {"r3": 2, "r4": 1}
    assert result.idle_rules == ("r2", "r5")


def test_dry_run_of_the_same_rules_changes_nothing() -> None:
    context = DecisionContext(DefaultCarrier(CarrierTarget("GLS")), None)
    result = dry_run([GOOD], [replace(GOOD, id="other")], [ParcelFacts("p", "c1", "01015026003653")], context)
    assert result.changes == ()


def test_dry_run_of_a_changed_default() -> None:
    before = DecisionContext(DefaultCarrier(), None)
    after = DecisionContext(DefaultCarrier(CarrierTarget("GLS")), None)
    result = dry_run([], [], [ParcelFacts("p", "c1", "1234567890")], before, after)
    assert result.newly_mapped == 1
