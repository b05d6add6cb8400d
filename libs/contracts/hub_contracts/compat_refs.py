"""Following `$ref` for the compatibility gate, without looping and without losing sight of what was looked at.

If a definition could be reached in a way the gate does not follow, a breaking change inside it would pass unseen.
"""

from __future__ import annotations

import json
from typing import Any

Schema = dict[str, Any]

_ANYTHING: Schema = {}
_NOTHING: Schema = {"not": {}}


class UnresolvedReference(ValueError):
    """A schema refers to something it does not contain."""


def canonical(value: object) -> str:
    """Text that is equal exactly when two JSON values are equal (`1`, `1.0` and `true` are three values)."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


class Document:
    """A schema with its definitions, which remembers what was visited."""

    def __init__(self, root: Schema) -> None:
        self.root = root
        self._visited: set[str] = set()

    def definition(self, name: str) -> object:
        """The definition of this name, None when there is none."""
        return self.root.get("$defs", {}).get(name)

    def unvisited(self) -> set[str]:
        """Names of definitions that nothing led to so far."""
        return set(self.root.get("$defs", {})) - self._visited

    def resolve(self, schema: object) -> tuple[str | None, Schema]:
        """The schema behind all references, members beside a `$ref` laid over its target, and the name of the first.

        The booleans of JSON Schema become the equal objects. Raises `UnresolvedReference`.
        """
        if isinstance(schema, bool):
            return None, _ANYTHING if schema else _NOTHING
        if not isinstance(schema, dict):
            raise UnresolvedReference(f"{canonical(schema)} is not a schema")
        first: str | None = None
        followed: set[str] = set()
        while "$ref" in schema:
            reference = str(schema["$ref"])
            if reference in followed:
                raise UnresolvedReference(f"{reference} refers to itself and to nothing else")
            followed.add(reference)
            first = first or reference.rsplit("/", 1)[-1]
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**self._target(reference), **beside}
        return first, schema

    def _target(self, reference: str) -> Schema:
        if not reference.startswith("#"):
            raise UnresolvedReference(f"{reference} points outside of the schema")
        node: Any = self.root
        parts = [part.replace("~1", "/").replace("~0", "~") for part in reference.split("/")[1:]]
        for part in parts:
            if not isinstance(node, dict) or part not in node:
                raise UnresolvedReference(f"{reference} does not exist in the schema")
            node = node[part]
        if len(parts) == 2 and parts[0] == "$defs":
            self._visited.add(parts[1])
        return _ANYTHING if node is True else _NOTHING if node is False else dict(node)

    def inlined(self, value: object, inside: frozenset[str] = frozenset()) -> object:
        """The value with every reference replaced by its target, so that keywords we do not know compare by content.

        A reference back into what is being replaced stays as it is.
        """
        if isinstance(value, list):
            return [self.inlined(item, inside) for item in value]
        if not isinstance(value, dict):
            return value
        reference = value.get("$ref")
        if isinstance(reference, str) and reference not in inside:
            beside = {key: item for key, item in value.items() if key != "$ref"}
            return self.inlined({**self._target(reference), **beside}, inside | {reference})
        return {key: self.inlined(item, inside) for key, item in value.items()}

    def members(self, schema: object) -> dict[str, object]:
        """Declared members of an object, through references and through the branches of a union."""
        _, resolved = self.resolve(schema)
        found: dict[str, object] = dict(resolved.get("properties", {}))
        for branch in resolved.get("anyOf", []):
            found.update(self.members(branch))
        return found

    def label(self, schema: object) -> str:
        """A short name of a branch for messages."""
        name, resolved = self.resolve(schema)
        return name or str(resolved.get("type") or canonical(resolved))
