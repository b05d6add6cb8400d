"""What must hold for any two schemas: nothing passes unseen, and "compatible" is true for a real validator."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hub_contracts.compat import Verdict, breaking, differences

Schema = dict[str, Any]
FEW = settings(max_examples=150, deadline=None)

names = st.sampled_from(["a", "b", "c"])
words = st.sampled_from(["x", "y", "z"])
leaves = st.one_of(
    st.sampled_from(["string", "integer", "boolean", "null"]).map(lambda name: {"type": name}),
    st.lists(words, min_size=1, max_size=3, unique=True).map(lambda values: {"type": "string", "enum": values}),
    words.map(lambda value: {"type": "string", "const": value}),
)


@st.composite
def objects(draw: st.DrawFn, children: st.SearchStrategy[Schema]) -> Schema:
    properties = draw(st.dictionaries(names, children, max_size=3))
    required = sorted(draw(st.sets(st.sampled_from(sorted(properties))))) if properties else []
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def unions(children: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    plain = children.filter(lambda schema: "anyOf" not in schema)
    branches = st.lists(plain, min_size=1, max_size=3, unique_by=lambda schema: schema["type"])
    return branches.map(lambda chosen: {"anyOf": chosen})


def nested(children: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.one_of(
        objects(children),
        children.map(lambda items: {"type": "array", "items": items}),
        children.map(lambda values: {"type": "object", "additionalProperties": values}),
        unions(children),
    )


schemas = st.recursive(leaves, nested, max_leaves=8)


@st.composite
def changed(draw: st.DrawFn, schema: Schema) -> Schema:
    """The schema after some small changes, at any depth."""
    what = draw(
        st.sampled_from(["keep", "keep", "keep", "replace", "annotate", "grow", "drop", "require", "values", "widen"])
    )
    result = copy.deepcopy(schema)
    if what == "replace":
        return draw(schemas)
    if what == "annotate":
        result["description"] = draw(words)
    if what == "grow" and "properties" in result:
        result["properties"].setdefault(draw(st.sampled_from(["new", "newer"])), draw(leaves))
    if what == "drop" and result.get("properties"):
        gone = draw(st.sampled_from(sorted(result["properties"])))
        del result["properties"][gone]
        result["required"] = [name for name in result.get("required", []) if name != gone]
    if what == "require" and result.get("properties"):
        result["required"] = sorted(draw(st.sets(st.sampled_from(sorted(result["properties"])))))
    if what == "values" and "enum" in result:
        result["enum"] = draw(st.lists(words, min_size=1, max_size=3, unique=True))
    if what == "widen" and "anyOf" not in result:
        result = {"anyOf": draw(st.permutations([result, {"type": "null"}]))}
    for name, child in result.get("properties", {}).items():
        result["properties"][name] = draw(changed(child))
    for keyword in ("items", "additionalProperties"):
        if keyword in result:
            result[keyword] = draw(changed(result[keyword]))
    if "anyOf" in result:
        result["anyOf"] = [draw(changed(branch)) for branch in result["anyOf"]]
    return result


@st.composite
def instances(draw: st.DrawFn, schema: Schema) -> Any:
    """A value that the schema describes."""
    if "anyOf" in schema:
        return draw(instances(draw(st.sampled_from(schema["anyOf"]))))
    if "const" in schema or "enum" in schema:
        return draw(st.sampled_from(schema.get("enum", [schema.get("const")])))
    kind = schema["type"]
    if kind == "array":
        return draw(st.lists(instances(schema["items"]), max_size=2))
    if kind == "object" and "additionalProperties" in schema:
        return draw(st.dictionaries(names, instances(schema["additionalProperties"]), max_size=2))
    if kind == "object":
        needed = schema.get("required", [])
        chosen = [name for name in schema["properties"] if name in needed or draw(st.booleans())]
        return {name: draw(instances(schema["properties"][name])) for name in chosen}
    simple = {"string": words, "integer": st.integers(0, 9), "boolean": st.booleans(), "null": st.none()}
    return draw(simple[kind])


def text(schema: Schema) -> str:
    return json.dumps(schema, sort_keys=True)


@FEW
@given(schemas)
def test_a_schema_does_not_differ_from_itself(schema: Schema) -> None:
    assert differences(schema, copy.deepcopy(schema)) == ()


@FEW
@given(st.data(), schemas)
def test_no_difference_passes_unseen(data: st.DataObject, schema: Schema) -> None:
    other = data.draw(changed(schema))
    assert bool(differences(schema, other)) == (text(schema) != text(other))


@FEW
@given(st.data(), schemas)
def test_compatible_means_that_each_side_reads_what_the_other_writes(data: st.DataObject, schema: Schema) -> None:
    other = data.draw(changed(schema))
    for writer, reader in ((schema, other), (other, schema)) * 3:
        value = data.draw(instances(writer))
        if not Draft202012Validator(reader).is_valid(value):
            assert breaking(schema, other), value


@FEW
@given(objects(schemas), leaves)
def test_an_optional_property_may_always_be_added_and_never_removed(schema: Schema, added: Schema) -> None:
    larger = {**schema, "properties": {**schema["properties"], "new": added}}
    assert not breaking(schema, larger)
    assert [found.path for found in breaking(larger, schema)] == ["$.new"]


@FEW
@given(schemas, st.sampled_from(["minimum", "pattern", "x-anything", "if"]))
def test_a_keyword_nobody_knows_breaks_wherever_it_appears(schema: Schema, keyword: str) -> None:
    assert breaking(schema, {**schema, keyword: 1})
    assert breaking({**schema, keyword: 1}, schema)


@FEW
@given(st.data(), schemas)
def test_moving_parts_into_definitions_changes_no_verdict(data: st.DataObject, schema: Schema) -> None:
    other = data.draw(changed(schema))
    direct = {found.path for found in differences(schema, other) if found.verdict is Verdict.BREAKING}
    assert {found.path for found in breaking(_hoisted(schema), _hoisted(other))} == direct
    assert not breaking(schema, _hoisted(schema))


def _hoisted(schema: Schema) -> Schema:
    """The same schema with every object moved to a definition."""
    definitions: Schema = {}

    def move(node: Any, top: bool = False) -> Any:
        if not isinstance(node, dict):
            return node
        moved = {key: value for key, value in node.items() if key not in ("properties", "anyOf")}
        if "properties" in node:
            moved["properties"] = {name: move(child) for name, child in node["properties"].items()}
        if "anyOf" in node:
            moved["anyOf"] = [move(branch) for branch in node["anyOf"]]
        for keyword in ("items", "additionalProperties"):
            if keyword in node:
                moved[keyword] = move(node[keyword])
        if top or node.get("type") != "object":
            return moved
        name = f"D{len(definitions)}"
        definitions[name] = moved
        return {"$ref": f"#/$defs/{name}"}

    return {**move(schema, top=True), "$defs": definitions}
