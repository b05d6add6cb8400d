"""Decides whether a published event may change the way it is about to.

Services are released one by one and events are kept for more than a year. A change must therefore hold in both
directions: yesterday's reader must read today's event, and today's reader must read last year's. Every difference is
classified; what is not known to be harmless is breaking, because a gate that lets through what it does not understand
is no gate.

Decisions and their reasons:

- A new optional property is compatible: readers ignore what they do not know. A new required one breaks today's reader
  on yesterday's events; a removed one, or one that is no longer always written, breaks yesterday's reader.
- A value added to an enum is **breaking**, because our readers raise on a value they do not know, and a record that
  raises ends in the dead letters of every service not yet released. It is compatible only where the field is open:
  an `anyOf` whose other branch is a plain string, on both sides. A removed value breaks the reading of old events.
- A changed `default` is breaking: it silently rewrites the meaning of events written before the field existed. The
  default of an object may grow by members that the object itself gained.
- `x-pii` added is compatible; removed is breaking: logs, console and exports would begin to show personal data.
- Titles, descriptions and examples are for people: compatible. Every other keyword, known or unknown, is breaking when
  it appears, vanishes or changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hub_contracts.compat_refs import Document, Schema, canonical
from hub_contracts.compat_unions import joined, pair_up, plain_string, split

ANNOTATIONS = frozenset({"title", "description", "examples", "deprecated", "$comment"})
"""Never looked at by a validator. `format` and `default` are not here: our models act on both."""

PII = "x-pii"

_MEMBERS = frozenset({"properties", "required", "additionalProperties"})
_VALUES = frozenset({"enum", "const"})
_HANDLED_APART = _MEMBERS | _VALUES | {"$defs", "$ref", "items", "type", "default"}
_ABOUT_THE_WHOLE = ANNOTATIONS | {PII, "default", "$defs"}
"""What stays outside when a schema without `anyOf` is looked at as a union of one branch."""


class Verdict(StrEnum):
    """Whether readers and writers of both versions still understand each other."""

    COMPATIBLE = "compatible"
    BREAKING = "breaking"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between the published and the current schema."""

    path: str
    """`$` is the body, `.name` a member, `[*]` an item, `{*}` a value of a map, `|n` the nth branch of a union."""
    verdict: Verdict
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason} ({self.verdict})"


def differences(published: Schema, current: Schema) -> tuple[Difference, ...]:
    """Every difference, classified. Empty only when both say the same.

    Raises `UnresolvedReference` when one of them refers to a definition it does not have.
    """
    return _Comparison(Document(published), Document(current)).run()


def breaking(published: Schema, current: Schema) -> tuple[Difference, ...]:
    """Only the differences that forbid the change within this major."""
    return tuple(found for found in differences(published, current) if found.verdict is Verdict.BREAKING)


class _Comparison:
    """One walk through both schemas side by side."""

    def __init__(self, old: Document, new: Document) -> None:
        self._old, self._new = old, new
        self._found: list[Difference] = []
        self._open_pairs: set[tuple[int, int]] = set()

    def run(self) -> tuple[Difference, ...]:
        self._compare("$", self._old.root, self._new.root)
        for name in sorted(self._old.unvisited() | self._new.unvisited()):
            if canonical(self._old.definition(name)) != canonical(self._new.definition(name)):
                self._harmless(f"$defs/{name}", "definition that nothing refers to changed")
        return tuple(self._found)

    def _broken(self, path: str, reason: str) -> None:
        self._found.append(Difference(path, Verdict.BREAKING, reason))

    def _harmless(self, path: str, reason: str) -> None:
        self._found.append(Difference(path, Verdict.COMPATIBLE, reason))

    def _compare(self, path: str, old: object, new: object, *, open_enum: bool = False) -> None:
        """Compare two schemas. A pair that is already being compared further up is a cycle and has nothing to add."""
        pair = (id(old), id(new))
        if pair in self._open_pairs:
            return
        self._open_pairs.add(pair)
        old_name, old_schema = self._old.resolve(old)
        new_name, new_schema = self._new.resolve(new)
        if old_name != new_name:
            self._harmless(path, f"described by {new_name or 'itself'} instead of {old_name or 'itself'}")
        self._default(path, old_schema, new_schema)
        if "anyOf" in old_schema or "anyOf" in new_schema:
            self._union(path, old_schema, new_schema)
        else:
            self._keywords(path, old_schema, new_schema, open_enum)
        self._open_pairs.discard(pair)

    def _union(self, path: str, old: Schema, new: Schema) -> None:
        old_outer, old_branches = split(old, _ABOUT_THE_WHOLE)
        new_outer, new_branches = split(new, _ABOUT_THE_WHOLE)
        self._keywords(path, old_outer, new_outer, open_enum=False)
        pairing = pair_up(old_branches, new_branches, self._old, self._new)
        for branch in pairing.removed:
            self._broken(path, f"alternative {self._old.label(branch)} removed: events that use it are no longer read")
        for branch in pairing.added:
            self._broken(path, f"alternative {self._new.label(branch)} added: readers of today refuse it")
        if pairing.reordered:
            self._harmless(path, "alternatives in another order")
        if ("anyOf" in old) != ("anyOf" in new) and not pairing.removed and not pairing.added:
            self._harmless(path, "the same alternative spelled differently")
        open_enum = any(map(plain_string, old_branches)) and any(map(plain_string, new_branches))
        for number, (before, after) in enumerate(pairing.pairs):
            self._compare(f"{path}|{number}", before, after, open_enum=open_enum)

    def _keywords(self, path: str, old: Schema, new: Schema, open_enum: bool) -> None:
        self._members(path, old, new)
        self._items(path, old, new)
        self._values(path, old, new, open_enum)
        self._type(path, old, new)
        for keyword in sorted((old.keys() | new.keys()) - _HANDLED_APART):
            self._plain_keyword(path, keyword, old, new)

    def _plain_keyword(self, path: str, keyword: str, old: Schema, new: Schema) -> None:
        change = _change(keyword in old, keyword in new)
        before, after = old.get(keyword), new.get(keyword)
        if keyword not in ANNOTATIONS:
            before, after = self._old.inlined(before), self._new.inlined(after)
        if change == "changed" and canonical(before) == canonical(after):
            return
        if keyword in ANNOTATIONS:
            self._harmless(path, f"annotation {keyword} {change}")
        elif keyword == PII and change == "removed":
            self._broken(path, f"{PII} removed: the field would be shown in logs, console and exports")
        elif keyword == PII:
            self._harmless(path, f"{PII} {change}: the field is masked")
        else:
            self._broken(path, f"keyword {keyword} {change}")

    def _members(self, path: str, old: Schema, new: Schema) -> None:
        before, after = old.get("properties", {}), new.get("properties", {})
        old_required, new_required = old.get("required", []), new.get("required", [])
        for name in [*before, *(name for name in after if name not in before)]:
            where = f"{path}.{name}"
            needed = (name in old_required, name in new_required)
            if name not in after:
                self._broken(where, "property removed: readers of today miss it")
            elif name not in before:
                self._new_property(where, required=needed[1], into_map="additionalProperties" in old)
            else:
                self._required(where, *needed)
                self._compare(where, before[name], after[name])
        for name in sorted((set(old_required) ^ set(new_required)) - before.keys() - after.keys()):
            self._required(f"{path}.{name}", name in old_required, name in new_required)
        if set(old_required) == set(new_required) and old_required != new_required:
            self._harmless(path, "required in another order")
        if ("properties" in old) != ("properties" in new) and not before and not after:
            self._harmless(path, "an empty list of properties is spelled differently")
        if ("required" in old) != ("required" in new) and not old_required and not new_required:
            self._harmless(path, "an empty list of required is spelled differently")
        self._map(path, old, new)

    def _new_property(self, path: str, *, required: bool, into_map: bool) -> None:
        if required:
            self._broken(path, "required property added: events written before do not have it")
        elif into_map:
            self._broken(path, "property declared in a map: events written before may hold any value under that name")
        else:
            self._harmless(path, "optional property added")

    def _required(self, path: str, before: bool, after: bool) -> None:
        if before and not after:
            self._broken(path, "property no longer always written: readers of today require it")
        elif after and not before:
            self._broken(path, "property became required: events written before may not have it")

    def _map(self, path: str, old: Schema, new: Schema) -> None:
        keyword = "additionalProperties"
        if keyword in old and keyword in new:
            self._compare(f"{path}{{*}}", old[keyword], new[keyword])
        elif keyword in old or keyword in new:
            self._broken(path, f"rule for undeclared members {_change(keyword in old, keyword in new)}")

    def _items(self, path: str, old: Schema, new: Schema) -> None:
        if "items" in old and "items" in new:
            self._compare(f"{path}[*]", old["items"], new["items"])
        elif "items" in old or "items" in new:
            self._broken(path, f"description of the items {_change('items' in old, 'items' in new)}")

    def _values(self, path: str, old: Schema, new: Schema, open_enum: bool) -> None:
        before, after = _allowed(old), _allowed(new)
        if before is None or after is None:
            if before is not after:
                self._broken(path, f"list of allowed values {_change(before is not None, after is not None)}")
            return
        tell = self._harmless if open_enum else self._broken
        removed, added = joined(set(before) - set(after)), joined(set(after) - set(before))
        if removed:
            tell(path, f"allowed value {removed} removed: events that hold it are no longer read")
        if added:
            tell(path, f"allowed value {added} added: readers of today refuse it")
        spelling = {key: canonical(old.get(key)) != canonical(new.get(key)) for key in _VALUES}
        if not removed and not added and any(spelling.values()):
            self._harmless(path, "the same values spelled differently")

    def _type(self, path: str, old: Schema, new: Schema) -> None:
        before, after = _types(old), _types(new)
        if before != after:
            self._broken(path, f"type changed from {joined(before) or 'any'} to {joined(after) or 'any'}")
        elif canonical(old.get("type")) != canonical(new.get("type")):
            self._harmless(path, "the same type spelled differently")

    def _default(self, path: str, old: Schema, new: Schema) -> None:
        if ("default" in old) != ("default" in new):
            self._broken(path, f"default {_change('default' in old, 'default' in new)}")
        elif canonical(old.get("default")) != canonical(new.get("default")):
            if self._grown(old["default"], new["default"], old, new):
                self._harmless(path, "default gained the members that the object gained")
            else:
                self._broken(path, "default changed: events written without the field would change their meaning")

    def _grown(self, before: object, after: object, old: object, new: object) -> bool:
        """True when `after` is `before` plus members that the object's schema gained, at any depth."""
        if not isinstance(before, dict) or not isinstance(after, dict):
            return canonical(before) == canonical(after)
        old_members, new_members = self._old.members(old), self._new.members(new)
        if not before.keys() <= after.keys():
            return False
        gained = after.keys() - before.keys()
        kept = all(
            self._grown(before[name], after[name], old_members.get(name, {}), new_members.get(name, {}))
            for name in before
        )
        return kept and all(name in new_members and name not in old_members for name in gained)


def _change(before: bool, after: bool) -> str:
    return "changed" if before and after else "removed" if before else "added"


def _types(schema: Schema) -> set[str]:
    declared = schema.get("type", [])
    return {declared} if isinstance(declared, str) else set(declared)


def _allowed(schema: Schema) -> list[str] | None:
    """Allowed values as canonical text; a `const` is an enum of one. None when any value of the type is allowed."""
    if "const" in schema:
        return [canonical(schema["const"])]
    return [canonical(value) for value in schema["enum"]] if "enum" in schema else None
