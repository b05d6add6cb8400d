"""The JSON Schema of every event type as it is written, in a text that only changes when the contract changes.

Without a deterministic text, the committed snapshot would differ from run to run and people would learn to ignore the
difference. Serialisation mode is used because the contract is what travels, not what a model would accept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hub_contracts.base import EventData
from hub_contracts.registry import BY_TYPE

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""What pydantic writes."""

OWN_TOPIC_MARK = "own"
"""Stands in `x-topic` for "the topic of whichever service writes it"."""


def schema_for(model: type[EventData]) -> Schema:
    """The schema of what is written for this type.

    `x-topic` is part of it on purpose: moving an event to another topic breaks its readers, and the compatibility
    gate treats every keyword it does not know as breaking.
    """
    return {
        "$schema": DIALECT,
        "$id": f"urn:hub:event:{model.TYPE}",
        "x-topic": model.TOPIC or OWN_TOPIC_MARK,
        **model.model_json_schema(mode="serialization"),
    }


def schema_text(schema: Schema) -> str:
    """The schema as committed: keys sorted, so that the order of declarations is not a difference."""
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def all_schemas() -> dict[str, Schema]:
    """Schema of every registered type, by type name."""
    return {event_type: schema_for(model) for event_type, model in BY_TYPE.items()}


def personal_fields(schema: Schema) -> tuple[str, ...]:
    """Names of the fields marked as personal data anywhere in the schema, as `Definition.field` or `field`."""
    found = list(_marked(schema, ""))
    for name, definition in schema.get("$defs", {}).items():
        found.extend(_marked(definition, f"{name}."))
    return tuple(found)


def _marked(schema: Schema, prefix: str) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        if "x-pii" in json.dumps(field):
            yield f"{prefix}{name}"
