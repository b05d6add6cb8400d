"""Each class of difference, read in both directions: what is safe one way often breaks the other way."""

from __future__ import annotations

from typing import Any

import pytest

from hub_contracts.compat import Difference, Verdict, breaking, differences
from hub_contracts.compat_refs import UnresolvedReference

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
NULL: Schema = {"type": "null"}
OK, BREAKS = Verdict.COMPATIBLE, Verdict.BREAKING


def body(required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    """An object like those of our events."""
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def enum(*values: object) -> Schema:
    return {"type": "string", "enum": list(values)}


def either(*branches: Schema) -> Schema:
    return {"anyOf": list(branches)}


def listed(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def mapped(values: Schema | bool, **more: object) -> Schema:
    return {"additionalProperties": values, **more}


def behind_unknown(definition: Schema) -> Schema:
    return {"oneOf": [{"$ref": "#/$defs/D"}], "$defs": {"D": definition}}


def with_definition(name: str, definition: Schema) -> Schema:
    return {**body(a={"$ref": f"#/$defs/{name}"}), "$defs": {name: definition}}


NESTED_OLD = {**body(a={**body(b=TEXT), "default": {"b": "x"}})}
NESTED_NEW = {**body(a={**body(b=TEXT, c=TEXT), "default": {"b": "x", "c": "y"}})}
NESTED_REWRITTEN = {**body(a={**body(b=TEXT, c=TEXT), "default": {"b": "z", "c": "y"}})}

MARKED: Schema = {**either(TEXT, NULL), "x-pii": "name"}

# name, one schema, the other, path, verdict of going from one to the other, verdict of going back
CASES: list[tuple[str, Schema, Schema, str, Verdict, Verdict]] = [
    ("optional property", body(a=TEXT), body(a=TEXT, b=TEXT), "$.b", OK, BREAKS),
    ("required property", body(("a",), a=TEXT), body(("a", "b"), a=TEXT, b=TEXT), "$.b", BREAKS, BREAKS),
    ("required or not", body(a=TEXT), body(("a",), a=TEXT), "$.a", BREAKS, BREAKS),
    ("required without property", body(a=TEXT), body(("z",), a=TEXT), "$.z", BREAKS, BREAKS),
    ("type", body(a=TEXT), body(a=NUMBER), "$.a", BREAKS, BREAKS),
    ("wider number", body(a=NUMBER), body(a={"type": "number"}), "$.a", BREAKS, BREAKS),
    ("type list", body(a=TEXT), body(a={"type": ["string", "null"]}), "$.a", BREAKS, BREAKS),
    ("type spelled as list", body(a=TEXT), body(a={"type": ["string"]}), "$.a", OK, OK),
    ("type vanishes", body(a=TEXT), body(a={}), "$.a", BREAKS, BREAKS),
    ("nullable", body(a=TEXT), body(a=either(TEXT, NULL)), "$.a", BREAKS, BREAKS),
    ("union of one", body(a=TEXT), body(a=either(TEXT)), "$.a", OK, OK),
    ("union reordered", body(a=either(TEXT, NULL)), body(a=either(NULL, TEXT)), "$.a", OK, OK),
    ("inside a union", body(a=either(enum("x"), NULL)), body(a=either(enum("x", "y"), NULL)), "$.a|0", BREAKS, BREAKS),
    ("enum value", body(a=enum("x")), body(a=enum("x", "y")), "$.a", BREAKS, BREAKS),
    ("enum or any text", body(a=TEXT), body(a=enum("x")), "$.a", BREAKS, BREAKS),
    ("enum reordered", body(a=enum("x", "y")), body(a=enum("y", "x")), "$.a", OK, OK),
    ("open enum value", body(a=either(enum("x"), TEXT)), body(a=either(enum("x", "y"), TEXT)), "$.a|0", OK, OK),
    ("const", body(a={"const": "x"}), body(a={"const": "y"}), "$.a", BREAKS, BREAKS),
    ("const to enum of it", body(a={"const": "x"}), body(a={"enum": ["x"]}), "$.a", OK, OK),
    ("const grows", body(a={"const": "x"}), body(a={"enum": ["x", "y"]}), "$.a", BREAKS, BREAKS),
    ("number is not truth", body(a={"const": 1}), body(a={"const": True}), "$.a", BREAKS, BREAKS),
    ("items", body(a=listed(TEXT)), body(a=listed(NUMBER)), "$.a[*]", BREAKS, BREAKS),
    ("items undescribed", body(a=listed(TEXT)), body(a={"type": "array"}), "$.a", BREAKS, BREAKS),
    ("map values", mapped(TEXT), mapped(NUMBER), "${*}", BREAKS, BREAKS),
    ("map values open up", mapped(TEXT), mapped(True), "${*}", BREAKS, BREAKS),
    ("members forbidden", body(a=TEXT), {**body(a=TEXT), "additionalProperties": False}, "$", BREAKS, BREAKS),
    ("map gets a member", mapped(True), mapped(True, properties={"a": TEXT}), "$.a", BREAKS, BREAKS),
    ("same map, other words", mapped(True), mapped({"title": "Any"}), "${*}", OK, OK),
    ("format", body(a=TEXT), body(a={**TEXT, "format": "uuid"}), "$.a", BREAKS, BREAKS),
    ("known bound", body(a=TEXT), body(a={**TEXT, "maxLength": 5}), "$.a", BREAKS, BREAKS),
    ("unknown keyword", body(a=TEXT), body(a={**TEXT, "x-strange": 1}), "$.a", BREAKS, BREAKS),
    ("topic", {**body(), "x-topic": "hub.a"}, {**body(), "x-topic": "hub.b"}, "$", BREAKS, BREAKS),
    ("title", body(a={**TEXT, "title": "A"}), body(a={**TEXT, "title": "B"}), "$.a", OK, OK),
    ("description", body(a=TEXT), body(a={**TEXT, "description": "d"}), "$.a", OK, OK),
    ("examples", body(a=TEXT), body(a={**TEXT, "examples": [{"$ref": "nowhere"}]}), "$.a", OK, OK),
    ("personal data", body(a=TEXT), body(a={**TEXT, "x-pii": "name"}), "$.a", OK, BREAKS),
    ("kind of personal data", body(a={**TEXT, "x-pii": "name"}), body(a={**TEXT, "x-pii": "email"}), "$.a", OK, OK),
    ("personal data in a union", body(a=MARKED), body(a=either(TEXT, NULL)), "$.a", BREAKS, OK),
    ("default value", body(a={**TEXT, "default": "x"}), body(a={**TEXT, "default": "y"}), "$.a", BREAKS, BREAKS),
    ("default appears", body(a=TEXT), body(a={**TEXT, "default": "x"}), "$.a", BREAKS, BREAKS),
    ("default grows with its object", NESTED_OLD, NESTED_NEW, "$.a", OK, BREAKS),
    ("default rewritten", NESTED_OLD, NESTED_REWRITTEN, "$.a", BREAKS, BREAKS),
    ("default of a map grows", mapped(TEXT, default={}), mapped(TEXT, default={"k": "v"}), "$", BREAKS, BREAKS),
    ("definition", with_definition("D", body(b=TEXT)), with_definition("D", body(b=TEXT, c=TEXT)), "$.a.c", OK, BREAKS),
    ("definition renamed", with_definition("D", body(b=TEXT)), with_definition("E", body(b=TEXT)), "$.a", OK, OK),
    ("definition inlined", with_definition("D", body(b=TEXT)), body(a=body(b=TEXT)), "$.a", OK, OK),
    ("unused definition", {**body(), "$defs": {"D": TEXT}}, {**body(), "$defs": {"D": NUMBER}}, "$defs/D", OK, OK),
    ("definition behind an unknown keyword", behind_unknown(TEXT), behind_unknown(NUMBER), "$", BREAKS, BREAKS),
]


def at(found: tuple[Difference, ...], path: str) -> set[Verdict]:
    return {difference.verdict for difference in found if difference.path == path}


def worst(found: tuple[Difference, ...], path: str) -> Verdict | None:
    verdicts = at(found, path)
    return BREAKS if BREAKS in verdicts else OK if verdicts else None


@pytest.mark.parametrize(
    ("one", "other", "path", "forth", "back"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_each_difference_both_ways(one: Schema, other: Schema, path: str, forth: Verdict, back: Verdict) -> None:
    assert worst(differences(one, other), path) is forth, differences(one, other)
    assert worst(differences(other, one), path) is back, differences(other, one)
    assert bool(breaking(one, other)) is (forth is BREAKS)
    assert bool(breaking(other, one)) is (back is BREAKS)
    assert differences(one, one) == ()


def test_the_message_names_path_and_reason() -> None:
    (found,) = differences(body(a=body(b=TEXT)), body(a=body()))
    assert str(found) == "$.a.b: property removed: readers of today miss it (breaking)"


def test_all_differences_are_told_not_only_the_first() -> None:
    found = differences(body(a=TEXT, b=TEXT, c=TEXT), body(a=NUMBER, c={**TEXT, "title": "C"}, d=TEXT))
    assert [(difference.path, difference.verdict) for difference in found] == [
        ("$.a", BREAKS),
        ("$.b", BREAKS),
        ("$.c", OK),
        ("$.d", OK),
    ]


def test_a_definition_used_twice_is_told_at_both_places() -> None:
    def twice(definition: Schema) -> Schema:
        return {**body(a={"$ref": "#/$defs/D"}, b={"$ref": "#/$defs/D"}), "$defs": {"D": definition}}

    assert [found.path for found in breaking(twice(TEXT), twice(NUMBER))] == ["$.a", "$.b"]


def test_a_definition_that_contains_itself_ends() -> None:
    def tree(leaf: Schema) -> Schema:
        node = body(leaf=leaf, children={"type": "array", "items": {"$ref": "#/$defs/Node"}})
        return {"$ref": "#/$defs/Node", "$defs": {"Node": node}}

    assert differences(tree(TEXT), tree(TEXT)) == ()
    assert {found.path for found in breaking(tree(TEXT), tree(NUMBER))} == {"$.leaf", "$.children[*].leaf"}


@pytest.mark.parametrize("reference", ["#/$defs/Gone", "other.json#/A", "#/$defs/Loop"])
def test_a_reference_to_nothing_is_an_error_and_not_a_pass(reference: str) -> None:
    schema = {**body(a={"$ref": reference}), "$defs": {"Loop": {"$ref": "#/$defs/Loop"}}}
    with pytest.raises(UnresolvedReference, match=reference.rsplit("/", 1)[-1]):
        differences(schema, schema)
