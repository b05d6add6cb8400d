"""Request bodies for the OpenAPI document of routes that read their bodies by themselves."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

DEFINITIONS = "$defs"


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route that takes `model` as JSON. Definitions are written out in place, since references
    of a schema that stands by itself would point into the whole document."""
    schema = model.model_json_schema()
    definitions = schema.pop(DEFINITIONS, {})
    content = {"application/json": {"schema": _written_out(schema, definitions)}}
    return {"requestBody": {"required": True, "content": content}}


def _written_out(part: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(part, list):
        return [_written_out(item, definitions) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        name = str(part["$ref"]).rsplit("/", 1)[-1]
        rest = {key: value for key, value in part.items() if key != "$ref"}
        return {**_written_out(definitions[name], definitions), **rest}
    return {key: _written_out(value, definitions) for key, value in part.items()}
