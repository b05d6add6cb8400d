"""What the models say about their fields, read for people: the docstrings under the fields and short names of types.

The docstrings below fields are the only place where units and meanings are written down. If the pages did not carry
them, readers would guess.
"""

from __future__ import annotations

import ast
import inspect
import json
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from hub_contracts.schemas import Schema

_FORMATS = {"uuid": "UUID", "date-time": "instant", "decimal": "decimal text"}
_TYPES = {"string": "text", "integer": "integer", "number": "number", "boolean": "yes/no", "null": "null"}


@dataclass(frozen=True)
class FieldRow:
    """One line of a table of fields."""

    name: str
    type: str
    required: bool
    personal: str | None
    """Kind of personal data, None when it is none."""
    doc: str


def flat(text: str | None) -> str:
    """A docstring as one line."""
    return " ".join((text or "").split())


def summary(model: type[BaseModel]) -> str:
    """The docstring of a model as one line."""
    return flat(inspect.getdoc(model))


def field_docs(model: type[BaseModel]) -> dict[str, str]:
    """Docstrings below the fields of a model, the models it inherits from included."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        module = inspect.getmodule(base)
        if issubclass(base, BaseModel) and module is not None and base is not BaseModel:
            found.update(_documented(module).get(base.__name__, {}))
    return found


@cache
def _documented(module: ModuleType) -> dict[str, dict[str, str]]:
    tree = ast.parse(inspect.getsource(module))
    return {node.name: _docs_in(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _docs_in(node: ast.ClassDef) -> dict[str, str]:
    found: dict[str, str] = {}
    for field, following in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            found[field.target.id] = flat(following.value.value)
    return found


def field_rows(schema: Schema, docs: dict[str, str]) -> list[FieldRow]:
    """Fields of an object's schema, in the order of the model."""
    required = schema.get("required", [])
    return [
        FieldRow(name, type_name(field), name in required, _personal(field), docs.get(name, ""))
        for name, field in schema.get("properties", {}).items()
    ]


def _personal(field: Schema) -> str | None:
    kinds = [field.get("x-pii"), *(branch.get("x-pii") for branch in field.get("anyOf", []))]
    return next((str(kind) for kind in kinds if kind), None)


def type_name(schema: Schema | bool) -> str:
    """A short name of a type in Markdown; definitions are links to their own section."""
    if isinstance(schema, bool) or not schema:
        return "anything"
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        return f"[{name}](#{slug(name)})"
    if "anyOf" in schema:
        return " or ".join(type_name(branch) for branch in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        values: list[Any] = schema.get("enum", [schema.get("const")])
        return ", ".join(f"`{value if isinstance(value, str) else json.dumps(value)}`" for value in values)
    if schema.get("type") == "array":
        return f"list of {type_name(schema.get('items', {}))}"
    if schema.get("type") == "object":
        return f"map of text to {type_name(schema.get('additionalProperties', True))}"
    return _FORMATS.get(schema.get("format", ""), _TYPES.get(str(schema.get("type")), "anything"))


def slug(heading: str) -> str:
    """The anchor that GitHub and most Markdown renderers give a heading."""
    return "".join(letter for letter in heading.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")
