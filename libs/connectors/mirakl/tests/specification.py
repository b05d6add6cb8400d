"""Checks calls and answers against Mirakl's official OpenAPI document, where a copy lies beside the repository.

The document is stricter here than JSON Schema makes it: names that it does not declare are reported too, because
`carrier_url` in the place of `tracking_url` is valid JSON and still loses the tracking link.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from connector_kit.exact_json import exact_json
from connector_kit.http import Answer, Call

DOCUMENT = Path(__file__).resolve().parents[4].parent / "shared" / "apis" / "openapi" / "mirakl-mmp-seller-openapi.json"
ABSENT = f"the official document is not there ({DOCUMENT.name} beside the repository), so nothing is compared with it"
PAGING = {"offset pagination": {"max", "offset", "sort", "order"}, "seek pagination": {"limit", "page_token", "sort"}}
"""Parameters of the General Notes; an operation's description says which paging it supports."""
SAMPLE = 3
"""Elements of a long list that are looked at; they are all made by the same code."""

DYNAMIC = "/dynamic-url/"
NULL_SAID = "Null when"
"""Words by which the document says that a required field may be null, which its types do not."""

Json = dict[str, Any]


def _pattern(path: str) -> str:
    """Files of an export lie where OR14 says; the document writes that as a path of its own."""
    return f"^{DYNAMIC}.*/[0-9]+$" if path.endswith("/OR15") else f"^{re.escape(path)}$"


class Specification:
    """The document, read once."""

    def __init__(self, document: Json) -> None:
        self._document = document
        self._patterns = [
            (re.compile(_pattern(path)), path)
            if path.startswith(DYNAMIC)
            else (re.compile("^" + re.sub(r"\\{[^}]+\\}", "[^/]+", re.escape(path)) + "$"), path)
            for path in sorted(document["paths"], key=lambda path: (path.count("{"), path))
        ]
        self.seen: set[str] = set()

    def exchange(self, call: Call, answer: Answer | None) -> list[str]:
        """Everything about one call and its answer that the document does not allow."""
        operation = self._operation(call)
        if operation is None:
            return [f"{call.method} {call.path} is not in the document"]
        self.seen.add(operation["operationId"])
        problems = [*self._query(operation, call), *self._body(operation, call)]
        if answer is not None:
            problems.extend(self._answer(operation, answer))
        return [f"{operation['operationId']}: {problem}" for problem in problems]

    def _operation(self, call: Call) -> Json | None:
        for pattern, path in self._patterns:
            found = self._document["paths"][path].get(call.method.lower())
            if found is not None and pattern.match(call.path):
                return dict(found)
        return None

    def _query(self, operation: Json, call: Call) -> Iterator[str]:
        declared = {p["name"]: p for p in map(self._resolve, operation.get("parameters", [])) if p["in"] == "query"}
        words = operation.get("description", "")
        extra = {name for paging, names in PAGING.items() if paging in words for name in names}
        extra |= {"locale"} if "locale" in words else set()
        names = [name for name, _ in call.params]
        for name, value in call.params:
            if name in declared:
                yield from _parameter(declared[name]["schema"], name, value, names.count(name))
            elif name not in extra:
                yield f"query parameter {name} is not declared"
        yield from (f"query parameter {n} is missing" for n, p in declared.items() if p["required"] and n not in names)

    def _body(self, operation: Json, call: Call) -> Iterator[str]:
        content = self._resolve(operation.get("requestBody", {})).get("content", {})
        if call.json is not None:
            if "application/json" not in content:
                yield "no JSON body is declared"
                return
            yield from self.value(content["application/json"]["schema"], json.loads(exact_json(call.json)))
        if call.parts:
            schema = self._resolve(content["multipart/form-data"]["schema"])
            given = {part.name: part for part in call.parts}
            yield from (f"part {name} is not declared" for name in given.keys() - schema["properties"].keys())
            yield from (f"part {name} is missing" for name in set(schema["required"]) - given.keys())
            for name, part in given.items():
                if self._resolve(schema["properties"].get(name, {})).get("type") == "object":
                    yield from self.value(schema["properties"][name], json.loads(part.content))
        if content and call.json is None and not call.parts:
            yield "a body is declared and none was sent"

    def _answer(self, operation: Json, answer: Answer) -> Iterator[str]:
        if answer.status >= 300 or answer.headers.get("content-type", "").startswith("text/html"):
            return
        declared = operation["responses"].get(str(answer.status))
        if declared is None:
            yield f"status {answer.status} is not declared"
            return
        content = self._resolve(declared).get("content", {})
        if not content:
            yield from ["a body was answered and none is declared"] * bool(answer.body)
        elif "application/json" in content:
            yield from self.value(content["application/json"]["schema"], json.loads(answer.body))

    def value(self, schema: Json, value: Any) -> Iterator[str]:
        """What is wrong with a JSON value: undeclared names, and all that JSON Schema finds."""
        cleaned = self._clean(schema, value)
        yield from self._undeclared(schema, cleaned, "$")
        validator = Draft202012Validator({**schema, "components": self._document["components"]})
        for error in validator.iter_errors(cleaned):
            told_null = error.instance is None and NULL_SAID in str(error.schema.get("description", ""))
            if not (told_null and error.validator == "type"):
                yield f"{error.json_path}: {error.message[:160]}"

    def _clean(self, schema: Json, value: Any) -> Any:
        """Leave out nulls of fields that are not required (the document knows no null, its own examples use it)."""
        schema = self._resolve(schema)
        if isinstance(value, list):
            return [self._clean(schema.get("items", {}), item) for item in value[:SAMPLE]]
        if not isinstance(value, dict):
            return value
        required, fields = schema.get("required", []), schema.get("properties", {})
        return {
            name: self._clean(fields.get(name, {}), item)
            for name, item in value.items()
            if item is not None or name in required
        }

    def _undeclared(self, schema: Json, value: Any, where: str) -> Iterator[str]:
        schema = self._resolve(schema)
        if isinstance(value, list):
            for item in value:
                yield from self._undeclared(schema.get("items", {}), item, f"{where}[]")
        if isinstance(value, dict) and "properties" in schema:
            chosen = schema.get("discriminator", {}).get("mapping", {})
            kinds = [self._resolve({"$ref": ref}) for kind, ref in chosen.items() if value.get("type") in (kind, None)]
            for name, item in value.items():
                if name not in schema["properties"] and any(name in kind["properties"] for kind in kinds):
                    continue
                if name not in schema["properties"]:
                    yield f"{where}.{name} is not declared"
                    continue
                yield from self._undeclared(schema["properties"][name], item, f"{where}.{name}")

    def _resolve(self, schema: Json) -> Json:
        while "$ref" in schema:
            found: Any = self._document
            for name in schema["$ref"].removeprefix("#/").split("/"):
                found = found[name.replace("~1", "/").replace("~0", "~")]
            schema = found
        return schema


def _parameter(schema: Json, name: str, value: str, times: int) -> Iterator[str]:
    """Type of one query parameter. Lists are repeated, everything else occurs once."""
    if schema.get("type") == "array":
        schema = schema["items"]
    elif times > 1:
        yield f"query parameter {name} is repeated"
    kind = schema.get("type")
    if kind == "integer" and not re.fullmatch(r"-?\d+", value):
        yield f"query parameter {name} is not an integer: {value!r}"
    if kind == "boolean" and value not in ("true", "false"):
        yield f"query parameter {name} is not a boolean: {value!r}"
    if schema.get("format") == "date-time" and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value):
        yield f"query parameter {name} is not an instant in UTC: {value!r}"
    if "enum" in schema and not set(value.split(",")) <= set(schema["enum"]):
        yield f"query parameter {name} is not one of the declared words: {value!r}"


@cache
def specification() -> Specification | None:
    """The document, None where it is absent."""
    if not DOCUMENT.is_file():
        return None
    return Specification(json.loads(DOCUMENT.read_text(encoding="utf-8")))
