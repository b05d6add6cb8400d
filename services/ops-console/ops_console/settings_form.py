"""Forms from descriptions, and answers from forms: what a person types in becomes the change that a service checks.

Nothing here knows a connector or a setting by name: fields come from the connector's manifest and from the settings'
JSON Schema, so a new setting has its field on the day it exists. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

GAP = "."
"""Between the parts of a field's name; no setting has a dot in its own."""


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of a form. `kind`: text, number, boolean, choice, list (a line each) or json."""

    name: str
    title: str
    kind: str
    value: str
    help: str = ""
    choices: tuple[str, ...] = ()
    required: bool = False
    optional: bool = False
    """May be left empty, which takes the value back."""


@dataclass(frozen=True, slots=True)
class Group:
    """Fields under one heading."""

    name: str
    title: str
    help: str
    fields: tuple[FormField, ...]


class BadForm(ValueError):
    """A field cannot be read; `field` is its name, the text the rule."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(rule)
        self.field = field


KINDS = {"integer": "number", "decimal": "number", "boolean": "boolean", "choice": "choice", "url": "text"}


def manifest_fields(declared: Sequence[Mapping[str, Any]], values: Mapping[str, Any], prefix: str) -> list[FormField]:
    """Fields of a manifest (`settings_fields`, `auth_fields`). Secrets never have a value."""
    return [
        FormField(
            name=prefix + str(field["name"]),
            title=str(field["title"]),
            kind="secret" if field["kind"] == "secret" else KINDS.get(str(field["kind"]), "text"),
            value="" if field["kind"] == "secret" else _plain(values.get(field["name"], field.get("default"))),
            help=str(field.get("help") or ""),
            choices=tuple(field.get("choices") or ()),
            required=bool(field.get("required")),
            optional=not field.get("required"),
        )
        for field in declared
    ]


def read_manifest_fields(
    declared: Sequence[Mapping[str, Any]], form: Mapping[str, str], prefix: str, *, whole: bool = False
) -> dict[str, Any]:
    """What was typed into the fields of a manifest; an emptied one becomes null, or is left out of a `whole` answer."""
    found: dict[str, Any] = {}
    for field in declared:
        text = form.get(prefix + str(field["name"]))
        if text is None or (field["kind"] == "secret" and not text):
            continue
        if text.strip():
            found[str(field["name"])] = text.strip() if field["kind"] != "secret" else text
        elif not whole:
            found[str(field["name"])] = None
    return found


def settings_groups(schema: Mapping[str, Any], values: Mapping[str, Any]) -> list[Group]:
    """The settings of a connection as groups of fields, in the order of their declaration."""
    groups, alone = [], []
    for name, part in schema["properties"].items():
        inner = _resolved(schema, part)
        if inner.get("type") == "object" and inner.get("properties"):
            chosen = values.get(name) or {}
            fields = tuple(_field(schema, f"{name}{GAP}{k}", v, chosen.get(k)) for k, v in inner["properties"].items())
            groups.append(Group(name, _title(name), _first(inner.get("description", "")), fields))
        else:
            alone.append(_field(schema, name, part, values.get(name)))
    if alone:
        groups.append(Group("", "Lists", "Rules in their own form; each is checked before it counts.", tuple(alone)))
    return groups


def read_settings(schema: Mapping[str, Any], values: Mapping[str, Any], form: Mapping[str, str]) -> dict[str, Any]:
    """The change that a form makes to the present `values`: only what differs. Raises `BadForm`."""
    change: dict[str, Any] = {}
    for group in settings_groups(schema, values):
        for field in group.fields:
            text = form.get(f"settings{GAP}{field.name}")
            if text is None or text.replace("\r\n", "\n").strip() == field.value.strip():
                continue
            where, _, leaf = field.name.rpartition(GAP)
            target = change.setdefault(where, {}) if where else change
            target[leaf] = _read(field, text)
    return change


def _read(field: FormField, text: str) -> Any:
    text = text.strip()
    if not text and field.optional:
        return None
    if field.kind == "boolean":
        return text == "true"
    if field.kind == "list":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if field.kind == "json":
        try:
            return orjson.loads(text or "null")
        except orjson.JSONDecodeError as error:
            raise BadForm(field.name, f"is not JSON: {error}") from None
    if field.kind == "number":
        if not text.lstrip("-").replace(".", "", 1).isdigit():
            raise BadForm(field.name, "must be a number")
        return int(text) if text.lstrip("-").isdigit() else text
    return text


def _field(schema: Mapping[str, Any], name: str, declared: Mapping[str, Any], value: Any) -> FormField:
    part = _resolved(schema, declared)
    variants = [_resolved(schema, each) for each in part.get("anyOf", [])]
    optional = any(each.get("type") == "null" for each in variants)
    real = next((each for each in variants if each.get("type") != "null"), part) if variants else part
    kind, choices = _kind(schema, real)
    default = declared.get("default")
    shown = default if value is None else value
    text = _plain(shown, kind)
    described = str(declared.get("description") or "")
    return FormField(name, _title(name.rpartition(GAP)[2]), kind, text, _first(described), choices, optional=optional)


def _kind(schema: Mapping[str, Any], part: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    if part.get("enum"):
        return "choice", tuple(map(str, part["enum"]))
    kind = part.get("type")
    if kind == "array":
        simple = _resolved(schema, part.get("items", {})).get("type") == "string"
        return ("list" if simple else "json"), ()
    known = {"boolean": "boolean", "integer": "number", "number": "number", "string": "text"}
    return known.get(str(kind), "json"), ()


def _resolved(schema: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = part.get("$ref")
    if not isinstance(reference, str):
        return part
    found: Mapping[str, Any] = schema["$defs"][reference.rpartition("/")[2]]
    return found


def _plain(value: Any, kind: str = "text") -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if kind == "list":
        return "\n".join(map(str, value))
    if isinstance(value, list | dict | tuple):
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() if value else ("[]" if value == [] else "{}")
    return str(value)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _first(text: str) -> str:
    return text.partition("\n\n")[0].replace("\n", " ").replace("`", "")


def errors_by_field(errors: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """`(field, rule)` of a refused change: pointers of the service become names of this form."""
    for error in errors:
        pointer = error.pointer.partition("#/")[2] or error.pointer
        yield pointer.replace("~1", "/").replace("/", GAP), error.detail
