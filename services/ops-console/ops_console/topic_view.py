"""What a topic's page shows of records: filters, readable schemas, what is masked. Pure.

A record that a filter hides by mistake is a record that an operator believes does not exist, so the rules here and
those in the database's language (`store_topics.FITS`) are held together by a test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from hub_contracts.orders import OrderCustomerRecorded
from hub_contracts.registry import BY_TYPE
from hub_contracts.schemas import Schema, personal_fields, schema_for

HEADERS = ("source", "origin", "tenant", "trace")
"""Headers that records are picked by; of the trace any part will do."""
SNIPPET = 180
DEEPEST = 5
"""Nested objects are shown to this depth; none of ours is deeper."""


@dataclass(frozen=True, slots=True)
class TopicFilter:
    """Which records are wanted; empty = all."""

    type: str = ""
    key: str = ""
    connection: str = ""
    header: str = ""
    value: str = ""
    text: str = ""

    @property
    def empty(self) -> bool:
        """Everything is wanted."""
        return not any((self.type, self.key, self.connection, self.text, self.header and self.value))

    @property
    def query(self) -> dict[str, str]:
        """As parameters of an address."""
        return {name: value for name, value in asdict(self).items() if value}

    def fits(self, record: Mapping[str, Any]) -> bool:
        """Whether a row of `store_topics` is wanted."""
        body, key = record["body"], record["key"]
        if (self.type and record["type"] != self.type) or self.key.lower() not in key.lower():
            return False
        about = (str(record["connection_id"]), body, key)
        if self.connection and not any(self.connection in part for part in about):
            return False
        if self.header and self.value:
            held = str(record["traceparent" if self.header == "trace" else self.header] or "")
            if not (self.value in held if self.header == "trace" else self.value == held):
                return False
        return self.text.lower() in body.lower()


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a topic as people page through it: newest first, by time told, then by arrival."""

    at: datetime
    seq: int

    def __str__(self) -> str:
        return f"{self.at.isoformat()}|{self.seq}"

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Cursor:
        """The place of a record."""
        return cls(record["at"], record["seq"])

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Raises `ValueError` for what is not a place."""
        at, _, seq = text.partition("|")
        found = cls(datetime.fromisoformat(at), int(seq))
        if found.at.tzinfo is None:
            raise ValueError("cursor: without a zone")
        return found


def snippet(body: str) -> str:
    """The beginning of a body, for a list."""
    return body if len(body) <= SNIPPET else body[:SNIPPET] + "…"


def envelope(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The record's headers, under the names they travel by."""
    named = {
        "ce_id": record["event_id"],
        "ce_type": record["type"],
        "ce_source": record["source"],
        "ce_time": record["at"].isoformat(),
        "ce_subject": record["key"],
        "tenant": record["tenant"],
        "aggregate_version": record["version"],
        "origin": record["origin"],
        "traceparent": record["traceparent"],
        "ce_causationid": record["causation_id"],
    }
    return [(name, str(value)) for name, value in named.items() if value is not None]


def masked_fields(kind: str, body: Mapping[str, Any]) -> tuple[str, ...]:
    """Fields of the record that travel on the topic and are not kept here, because they are personal data."""
    model = BY_TYPE.get(kind)
    if model is None:
        return ()
    if issubclass(model, OrderCustomerRecorded):
        return tuple(body.get("fields_present", ()))
    return tuple(name.rpartition(".")[2] for name in personal_fields(schema_for(model)))


@dataclass(frozen=True, slots=True)
class SchemaRow:
    """One field of an event's schema."""

    name: str
    depth: int
    type: str
    required: bool
    personal: bool
    words: str


def schema_words(kind: str) -> str:
    """What an event of this type says."""
    return str(schema_for(BY_TYPE[kind]).get("description", "")) if kind in BY_TYPE else ""


def schema_rows(kind: str) -> list[SchemaRow]:
    """An event's schema as a table: one row per field, nested ones below theirs. Empty for a type not known here."""
    model = BY_TYPE.get(kind)
    if model is None:
        return []
    schema = schema_for(model)
    return list(_rows(schema, schema.get("$defs", {}), 0, ()))


def _rows(schema: Schema, known: Mapping[str, Schema], depth: int, above: tuple[str, ...]) -> Iterator[SchemaRow]:
    required = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        target = _target(field)
        words = str(field.get("description") or known.get(target, {}).get("description", ""))
        yield SchemaRow(
            name, depth, _type(field, known), name in required, "x-pii" in orjson.dumps(field).decode(), words
        )
        if target in known and target not in above and depth < DEEPEST:
            yield from _rows(known[target], known, depth + 1, (*above, target))


def _parts(field: Schema) -> list[Schema]:
    found = [*field.get("anyOf", ()), *field.get("oneOf", ()), *field.get("allOf", ())]
    inner = (field.get(name) for name in ("items", "additionalProperties"))
    return [*found, *(part for part in inner if isinstance(part, dict))]


def _target(field: Schema) -> str:
    """The definition that a field is made of, if any."""
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    return next((name for name in map(_target, _parts(field)) if name), "")


def _type(field: Schema, known: Mapping[str, Schema]) -> str:
    if "$ref" in field:
        name = str(field["$ref"]).rpartition("/")[2]
        return _type(known[name], known) if "enum" in known.get(name, {}) else name
    if "const" in field:
        return f"always {field['const']}"
    if "enum" in field:
        return "one of " + ", ".join(map(str, field["enum"]))
    for join in ("anyOf", "oneOf", "allOf"):
        if join in field:
            return " or ".join(dict.fromkeys(_type(part, known) for part in field[join]))
    kind = str(field.get("type", "anything"))
    if kind == "array":
        return f"list of {_type(field.get('items', {}), known)}"
    if kind == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"map to {_type(field['additionalProperties'], known)}"
    return str(field.get("format", kind))


def is_uuid(text: str) -> bool:
    """Whether a text is an id of ours."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
